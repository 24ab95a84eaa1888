//go:build e2e

package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// expectation is one row of testdata/nano/expected.json: what PyTorch says about a picture.
type expectation struct {
	File    string `json:"file"`
	Caption string `json:"caption"`
	IDs     []int  `json:"ids"`
}

// expected lists the held-out pictures.
func expected(t *testing.T) []expectation {
	t.Helper()
	data, err := os.ReadFile("../testdata/nano/expected.json")
	if err != nil {
		t.Fatal(err)
	}
	var list []expectation
	if err := json.Unmarshal(data, &list); err != nil {
		t.Fatal(err)
	}
	if len(list) < 20 {
		t.Fatalf("testdata has %d held-out pictures, want 20 or more", len(list))
	}
	return list
}

// picturePath is where a held-out picture lies.
func picturePath(e expectation) string {
	return filepath.Join("..", "testdata", "nano", "pictures", filepath.Base(e.File))
}

var makeModels sync.Once

// models is a directory for the server: the built-in model, the nano model, the same with f32 weights, the same under the
// name of the sticker model and with a card, one without a tokenizer, the held-out pictures, and one
// drawing in several file formats.
func models(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../build/e2e-models")
	if err != nil {
		t.Fatal(err)
	}
	makeModels.Do(func() {
		copyDir(t, "../models/sticker", filepath.Join(dir, "sticker"))
		copyDir(t, "../models/nano", filepath.Join(dir, "nano"))
		copyDir(t, "../testdata/nano/pictures", filepath.Join(dir, "pictures"))
		copyDir(t, "../testdata/pictures", filepath.Join(dir, "formats"))
		flamingo(t, "convert", "native", "../testdata/nano", "--dtype", "f32", "--name", "nano-f32", "--replace", "-o", filepath.Join(dir, "nano-f32"))
		standIn := filepath.Join(dir, "stand-in")
		flamingo(t, "convert", "native", "../testdata/nano", "--dtype", "q8", "--name", "sticker", "--replace", "-o", standIn)
		copyFile(t, "testdata/card.json", filepath.Join(standIn, "card.json"))
		for i, name := range []string{"seen-0.png", "unseen-0.png"} {
			copyFile(t, picturePath(expected(t)[i]), filepath.Join(standIn, "failures", name))
		}
		flamingo(t, "synth", "../runtime/testdata/tiny.json", "--replace", "-o", filepath.Join(dir, "wordless"))
	})
	return dir
}

func copyDir(t *testing.T, from, to string) {
	t.Helper()
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(to), 0o755)
	}
	if err == nil {
		err = os.WriteFile(to, data, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// flamingo runs the command line and returns what it prints.
func flamingo(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command("../build/flamingo", args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("flamingo %s: %v: %s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}
