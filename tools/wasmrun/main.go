// Command wasmrun runs a js/wasm test binary inside headless Chromium, so that
// tests meet the real browser: WebGPU, IndexedDB, fetch. It is a
// go_js_wasm_exec program of our own because the usual ones pass no flags to
// the browser and headless WebGPU needs some, and because tests must be able to
// read testdata. It knows nothing about this project except where its WebGPU
// glue lies (web/gpu.js).
//
//	go build -o build/wasmrun ./tools/wasmrun
//	GOOS=js GOARCH=wasm go test -exec $PWD/build/wasmrun ./ops
//
// Environment: CHROMIUM names the browser, CHROMIUM_FLAGS adds flags after ours
// (CHROMIUM_FLAGS=--use-webgpu-adapter=default takes a real GPU).
package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

const (
	startDeadline = 90 * time.Second // Chromium on a loaded two-core machine needs a few seconds
	timeoutGrace  = 20 * time.Second // the test binary reports its own timeout first, with stacks
)

func main() {
	// The kernel ends Chromium when the thread that started it ends.
	runtime.LockOSThread()
	if len(os.Args) < 2 || strings.HasPrefix(os.Args[1], "-") {
		fmt.Fprintln(os.Stderr, "usage: wasmrun TEST.wasm [arguments of the test binary]")
		os.Exit(2)
	}
	code, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "wasmrun:", err)
		code = 1
	}
	os.Exit(code)
}

// run shows the test binary args[0] to a browser and waits for its exit code.
func run(args []string) (code int, err error) {
	dir, err := os.Getwd()
	if err != nil {
		return 0, err
	}
	root, err := moduleRoot(dir)
	if err != nil {
		return 0, err
	}
	srv, err := newServer(root, dir, args)
	if err != nil {
		return 0, err
	}
	defer srv.close()

	browser, err := startChromium(srv.pageURL())
	if err != nil {
		return 0, err
	}
	defer browser.stop()

	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT)
	var timeout <-chan time.Time
	if d := testTimeout(args); d > 0 {
		timeout = time.After(d + timeoutGrace)
	}
	starting := time.After(startDeadline)
	for {
		select {
		case code := <-srv.exit:
			return code, nil
		case <-srv.started:
			srv.started, starting = nil, nil
		case <-starting:
			return 0, fmt.Errorf("chromium did not open the page in %v; its last words:\n%s", startDeadline, browser.lastWords())
		case <-srv.pageGone:
			return 0, errors.New("the page went away before the test binary exited: the renderer crashed or ran out of memory")
		case <-browser.done:
			return 0, fmt.Errorf("chromium ended before the test binary did; its last words:\n%s", browser.lastWords())
		case <-timeout:
			return 0, errors.New("the test binary did not exit after -test.timeout: it blocks the browser's event loop")
		case s := <-signals:
			return 0, fmt.Errorf("stopped by %v", s)
		}
	}
}

// moduleRoot returns the nearest directory at or above dir that holds go.mod.
func moduleRoot(dir string) (string, error) {
	for d := dir; ; d = filepath.Dir(d) {
		if _, err := os.Stat(filepath.Join(d, "go.mod")); err == nil {
			return d, nil
		}
		if d == filepath.Dir(d) {
			return "", fmt.Errorf("no go.mod at or above %s: run it through go test, inside the module", dir)
		}
	}
}

// testTimeout returns the -test.timeout that go test passes, or 0 without one.
func testTimeout(args []string) time.Duration {
	for _, a := range args {
		if s, ok := strings.CutPrefix(a, "-test.timeout="); ok {
			if d, err := time.ParseDuration(s); err == nil {
				return d
			}
		}
	}
	return 0
}
