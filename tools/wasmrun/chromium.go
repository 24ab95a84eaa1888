package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// chromium is a headless browser with a fresh profile.
type chromium struct {
	cmd     *exec.Cmd
	profile string
	stderr  tail
	done    chan struct{} // closed when the process has ended
}

// startChromium opens url. The caller must stop the browser.
func startChromium(url string) (*chromium, error) {
	path, err := findChromium()
	if err != nil {
		return nil, err
	}
	profile, err := os.MkdirTemp("", "wasmrun-")
	if err != nil {
		return nil, err
	}
	args := []string{
		"--headless=new", "--no-sandbox", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--disable-background-timer-throttling", "--disable-renderer-backgrounding",
		"--user-data-dir=" + profile,
		"--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader",
	}
	args = append(args, strings.Fields(os.Getenv("CHROMIUM_FLAGS"))...)
	c := &chromium{cmd: exec.Command(path, append(args, url)...), profile: profile, done: make(chan struct{})}
	c.cmd.Stderr = &c.stderr
	c.cmd.SysProcAttr = ownGroup()
	if err := c.cmd.Start(); err != nil {
		os.RemoveAll(profile)
		return nil, fmt.Errorf("starting %s: %w", path, err)
	}
	go func() {
		// The exit status says nothing: we end the browser by a signal.
		c.cmd.Wait()
		close(c.done)
	}()
	return c, nil
}

func findChromium() (string, error) {
	if p := os.Getenv("CHROMIUM"); p != "" {
		return exec.LookPath(p)
	}
	names := []string{"chromium", "chromium-browser", "google-chrome"}
	for _, n := range names {
		if p, err := exec.LookPath(n); err == nil {
			return p, nil
		}
	}
	return "", fmt.Errorf("none of %s is in PATH: run `make deps`, or set CHROMIUM to a browser", strings.Join(names, ", "))
}

// stop ends the browser with all its processes and removes its profile.
func (c *chromium) stop() {
	killGroup(c.cmd.Process)
	<-c.done
	// Renderers die a moment after the browser and may still write.
	for range 20 {
		if os.RemoveAll(c.profile) == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (c *chromium) lastWords() string { return c.stderr.String() }

// tail keeps the last few kilobytes written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(b []byte) (int, error) {
	const keep = 4096
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b...)
	if extra := len(t.buf) - keep; extra > 0 {
		t.buf = append(t.buf[:0], t.buf[extra:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.buf))
}
