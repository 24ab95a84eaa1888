package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
)

func TestPrecompress(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.js")
	store := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := run(io.Discard, []string{path}, 0); err != nil {
			t.Fatal(err)
		}
	}
	check := func(want string) {
		t.Helper()
		z, err := os.ReadFile(path + ".br")
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(brotli.NewReader(bytes.NewReader(z)))
		if err != nil || string(got) != want {
			t.Errorf("brotli holds %.20q, %v; want %.20q", got, err, want)
		}
		if !current(path+".gz", []byte(want)) {
			t.Errorf("gzip does not hold %.20q", want)
		}
	}
	store("// why\nf(); // here\n  // and\n// why\ng(`\n / /x`);\n")
	check("\nf(); // here\n\n\ng(`\n / /x`);\n")
	licence := "// Copyright\n// words\nf();\n"
	store(licence)
	check(licence)
	first, second := strings.Repeat("one ", 500), strings.Repeat("two ", 500)
	store(first)
	check(first)
	store(second)
	check(second)

	// A file that did not change keeps its siblings, but not their old times.
	if err := os.WriteFile(path+".br", []byte("kept"), 0o644); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path+".br", old, old); err != nil {
		t.Fatal(err)
	}
	store(second)
	if b, err := os.ReadFile(path + ".br"); err != nil || string(b) != "kept" {
		t.Errorf("an unchanged file was compressed again (%v)", err)
	}
	js, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	br, err := os.Stat(path + ".br")
	if err != nil {
		t.Fatal(err)
	}
	if br.ModTime().Before(js.ModTime()) {
		t.Errorf("the sibling is from %v, older than its file from %v", br.ModTime(), js.ModTime())
	}
}

func TestBudget(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.js")
	if err := os.WriteFile(path, []byte("let x = 1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := run(io.Discard, []string{path}, 1000); err != nil {
		t.Errorf("under the budget: %v", err)
	}
	if err := run(io.Discard, []string{path}, 5); err == nil {
		t.Error("over the budget: no error")
	}
}
