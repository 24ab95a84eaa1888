package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall/js"
	"testing"
)

// These tests run under wasmrun itself: they fail when it stops giving test
// binaries what the other packages' tests rely on.

func TestReadsTestdata(t *testing.T) {
	const line = "read through the browser\n"
	b, err := os.ReadFile("testdata/line.txt")
	if err != nil || string(b) != line {
		t.Errorf("ReadFile: %q, %v; want %q", b, err, line)
	}
	if _, err := os.ReadFile("testdata/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("ReadFile of a missing file: %v, want ErrNotExist", err)
	}
	names, err := filepath.Glob("testdata/*.txt")
	if want := []string{"testdata/line.txt"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("Glob: %q, %v; want %q", names, err, want)
	}
	root, err := os.ReadFile("../../go.mod")
	if err != nil || !strings.HasPrefix(string(root), "module ") {
		t.Errorf("a file above the package: %q, %v", root, err)
	}
}

func TestSeeks(t *testing.T) {
	f, err := os.Open("testdata/line.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Seek(-8, io.SeekEnd); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(f)
	if err != nil || string(rest) != "browser\n" {
		t.Errorf("the last 8 bytes: %q, %v", rest, err)
	}
	at := make([]byte, 4)
	if _, err := f.ReadAt(at, 5); err != nil || string(at) != "thro" {
		t.Errorf("ReadAt 5: %q, %v", at, err)
	}
}

func TestWritesTemporaryFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	want := strings.Repeat("0123456789", 20_000)
	if err := os.WriteFile("x", []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename("x", "y"); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile("y"); err != nil || string(got) != want {
		t.Errorf("read %d bytes, %v; wrote %d", len(got), err, len(want))
	}
	if err := os.Mkdir(dir, 0o755); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Mkdir of a directory that is there: %v, want ErrExist", err)
	}
}

func TestBrowserHasWebGPU(t *testing.T) {
	gpu := js.Global().Get("navigator").Get("gpu")
	if gpu.IsUndefined() {
		t.Fatal("navigator.gpu is undefined: the browser flags or the secure context are gone")
	}
	found := make(chan js.Value, 1)
	take := js.FuncOf(func(_ js.Value, args []js.Value) any { found <- args[0]; return nil })
	defer take.Release()
	gpu.Call("requestAdapter").Call("then", take)
	if adapter := <-found; adapter.IsNull() {
		t.Error("requestAdapter gave null: headless Chromium found no adapter, SwiftShader included")
	}
}

func TestPublishesInstance(t *testing.T) {
	mem := js.Global().Get("wasm").Get("instance").Get("exports").Get("mem")
	if mem.IsUndefined() {
		t.Error("globalThis.wasm.instance.exports.mem is undefined; the WebGPU binding reads memory through it")
	}
}
