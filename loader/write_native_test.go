//go:build !js

package loader

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flamingo/tensor"
)

const golden = "../testdata/loader/tiny"

// The committed model keeps the format from changing by accident.
func TestWriteIsStable(t *testing.T) {
	if os.Getenv("UPDATE") != "" {
		writeModel(t, golden, 1)
	}
	dir := filepath.Join(t.TempDir(), "tiny")
	writeModel(t, dir, 1)
	want, err := os.ReadDir(golden)
	if err != nil {
		t.Fatal(err)
	}
	got, _ := os.ReadDir(dir)
	if len(got) != len(want) {
		t.Errorf("%d files, want %d", len(got), len(want))
	}
	for _, f := range want {
		if a, b := mustRead(t, filepath.Join(dir, f.Name())), mustRead(t, filepath.Join(golden, f.Name())); !bytes.Equal(a, b) {
			t.Errorf("%s: other bytes than before; if that is meant, change Format or run with UPDATE=1", f.Name())
		}
	}
	g := newGatherer(t)
	if _, err := (&visit{sink: g.sink}).run(t.Context(), golden); err != nil {
		t.Fatal(err)
	}
	g.check(1)
}

// Any reader of safetensors sees quantised tensors as two ordinary ones that lie together.
func TestWrittenShardsAreOrdinary(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tiny")
	m := writeModel(t, dir, 1)
	want := map[string]string{
		"a.weight.quants": "I8[3 32]", "a.weight.scales": "F16[3 1]",
		"b.weight.quants": "U8[65 48]", "b.weight.scales": "F16[65 3]",
		"norm.weight": "F16[7]", "index": "I32[5]", "stem.gain": "F32[]",
	}
	for i, f := range m.Files {
		p := mustRead(t, filepath.Join(dir, f.Path))
		s, err := openBytes(p)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range s.Entries {
			if w, ok := want[e.Name]; ok {
				if got := e.DType + strings.ReplaceAll(strings.ReplaceAll(e.Shape.String(), ", ", " "), ",", " "); got != w {
					t.Errorf("%s: got %s, want %s", e.Name, got, w)
				}
				delete(want, e.Name)
			}
		}
		for _, x := range m.Tensors {
			if x.File == i && x.DType.Quantised() {
				q, _ := s.Find(x.Name + ".quants")
				c, _ := s.Find(x.Name + ".scales")
				if q.Offset != x.Offset || c.Offset != q.Offset+q.Bytes {
					t.Errorf("%s: quants at %d, scales at %d, manifest says %d", x.Name, q.Offset, c.Offset, x.Offset)
				}
			}
		}
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
}

func TestFailedWriteLeavesNothing(t *testing.T) {
	broken := errors.New("broken")
	ok := func() ([]byte, error) { return make([]byte, 8), nil }
	rows := []struct {
		name    string
		weights []Weight
		want    string
	}{
		{"no weights", nil, "files"},
		{"failing data", []Weight{{"a", tensor.F32, tensor.Shape{2}, ok}, {"b", tensor.F32, tensor.Shape{2}, func() ([]byte, error) { return nil, broken }}}, "b: broken"},
		{"short data", []Weight{{"a", tensor.F32, tensor.Shape{3}, ok}}, "a: got 8 bytes, want 12"},
		{"same name", []Weight{{"a", tensor.F32, tensor.Shape{2}, ok}, {"a", tensor.F32, tensor.Shape{2}, ok}}, "twice"},
		{"bad name", []Weight{{"a b", tensor.F32, tensor.Shape{2}, ok}}, "name"},
		{"no axis", []Weight{{"a", tensor.F32, tensor.Shape{0}, ok}}, "at least 1"},
		{"ragged rows", []Weight{{"a", tensor.Q8, tensor.Shape{2, 33}, ok}}, "multiple of 32"},
	}
	parent := t.TempDir()
	old := filepath.Join(parent, "old")
	writeModel(t, old, 1)
	for _, row := range rows {
		for _, dir := range []string{filepath.Join(parent, "new"), old} {
			_, err := Write(WriteOptions{Dir: dir, Replace: true, Name: "x", Config: json.RawMessage(`{}`)}, row.weights)
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("%s: got %v, want %q", row.name, err, row.want)
			}
		}
		names, _ := os.ReadDir(parent)
		if len(names) != 1 || names[0].Name() != "old" {
			t.Errorf("%s: left behind %v", row.name, names)
		}
	}
	g := newGatherer(t)
	if _, err := (&visit{sink: g.sink}).run(t.Context(), old); err != nil {
		t.Error(err)
	}
	g.check(1)
}

func TestReplaceKeepsOtherFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tiny")
	writeShards(t, dir, 1, 4<<10)
	readme := filepath.Join(dir, "README.md")
	if err := os.WriteFile(readme, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Write(WriteOptions{Dir: dir, Name: "x", Config: json.RawMessage(`{}`)}, weightsOf(2)); err == nil || !strings.Contains(err.Error(), "exists already") {
		t.Errorf("without Replace: %v", err)
	}
	m := writeShards(t, dir, 2, 1<<20)
	if string(mustRead(t, readme)) != "mine" {
		t.Error("README.md is gone")
	}
	files, _ := os.ReadDir(dir)
	var names []string
	for _, f := range files {
		names = append(names, f.Name())
	}
	if want := []string{"README.md", ManifestName, m.Files[0].Path, "tokenizer.json"}; !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
	if _, err := Write(WriteOptions{Dir: t.TempDir(), Replace: true, Name: "x", Config: json.RawMessage(`{}`)}, weightsOf(2)); err == nil {
		t.Error("a directory without a model was replaced")
	}
}
