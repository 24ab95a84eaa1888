package checkpoint

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flamingo/tensor"
)

// weight has element i of v at i; Data hands out what is asked for.
func weight(name, dtype string, v []float32, shape ...int) Weight {
	return Weight{name, dtype, shape, func(from, to int) ([]float32, error) { return v[from:to], nil }}
}

// long has more elements than a piece.
func long() []float32 {
	v := make([]float32, pieceElements+3)
	for i := range v {
		v[i] = float32(i % 2048)
	}
	return v
}

func written() ([]Weight, map[string][]float32) {
	v := []float32{0, -1.5, 2, 65504, 1e-3, 3.0078125}
	want := map[string][]float32{
		"z.first": v, "half": {0, -1.5, 2, 65504, 0.0010004044, 3.0078125}, "brain": {0, -1.5, 2, 65536, 0.0009994507, 3},
		"scalar": {4}, "empty": {}, "é": {1}, "long": long(),
	}
	return []Weight{
		weight("z.first", "F32", v, 2, 3), weight("half", "F16", v, 6), weight("brain", "BF16", v, 3, 2), weight("scalar", "F32", []float32{4}),
		weight("empty", "F32", nil, 0, 2), weight("é", "F16", []float32{1}, 1), weight("long", "F16", long(), len(long())),
	}, want
}

func TestWriteTorch(t *testing.T) {
	dir := t.TempDir()
	path := write(t, dir, "out.pt", []byte("what was there"))
	weights, want := written()
	if err := WriteTorch(path, weights); err != nil {
		t.Fatal(err)
	}
	f := mustOpen(t, path)
	if len(f.Entries()) != len(weights) {
		t.Errorf("got %d tensors, want %d", len(f.Entries()), len(weights))
	}
	for _, w := range weights {
		e, ok := f.Find(w.Name)
		got, err := f.Floats(w.Name, 0, w.Shape.Len())
		if !ok || e.DType != w.DType || !e.Shape.Equal(w.Shape) || err != nil || !slices.Equal(got, want[w.Name]) {
			t.Errorf("%s: got %+v, %v, %.60v", w.Name, e, err, got)
		}
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 1 {
		t.Errorf("got %v, want one file", list)
	}
	z, err := zip.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	for _, m := range z.File {
		if at, err := m.DataOffset(); err != nil || at%torchAlign != 0 || m.Method != zip.Store {
			t.Errorf("%s: at %d with method %d, %v, want it stored at a multiple of %d", m.Name, at, m.Method, err, torchAlign)
		}
		r, err := m.Open()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := new(bytes.Buffer).ReadFrom(r); err != nil { // checks the sum
			t.Errorf("%s: %v", m.Name, err)
		}
	}
}

// TestTorchReads lets PyTorch read what WriteTorch writes.
func TestTorchReads(t *testing.T) {
	python := ""
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(name, "-c", "import torch").Run() == nil {
			python = name
			break
		}
	}
	if python == "" {
		t.Skip("no python3 with torch")
	}
	path := filepath.Join(t.TempDir(), "out.pt")
	weights, want := written()
	if err := WriteTorch(path, weights); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(python, "-c", `
import json, sys, torch
d = torch.load(sys.argv[1])
print(json.dumps([type(d).__name__] + [[k, str(v.dtype), list(v.shape), v.float().reshape(-1).tolist()[-6:]] for k, v in d.items()]))`, path).Output()
	if err != nil {
		var exit *exec.ExitError
		errors.As(err, &exit)
		t.Fatalf("%v: %s", err, exit.Stderr)
	}
	var rows []json.RawMessage
	if err := json.Unmarshal(out, &rows); err != nil || len(rows) != len(weights)+1 || string(rows[0]) != `"OrderedDict"` {
		t.Fatalf("%v: %s", err, out)
	}
	dtypes := map[string]string{"F32": "torch.float32", "F16": "torch.float16", "BF16": "torch.bfloat16"}
	for i, w := range weights {
		var name, dtype string
		var shape tensor.Shape
		var last []float32
		if err := json.Unmarshal(rows[i+1], &[]any{&name, &dtype, &shape, &last}); err != nil {
			t.Fatal(err)
		}
		end := want[w.Name][max(0, w.Shape.Len()-6):]
		if name != w.Name || dtype != dtypes[w.DType] || !shape.Equal(w.Shape) || !slices.Equal(last, end) {
			t.Errorf("%s: torch has %s", w.Name, rows[i+1])
		}
	}
}

func TestWriteTorchRefuses(t *testing.T) {
	one := []float32{1}
	failed := errors.New("no data")
	for _, row := range []struct {
		what    string
		weights []Weight
		want    string
	}{
		{"a name twice", []Weight{weight("a", "F32", one, 1), weight("a", "F32", one, 1)}, `"a": the name appears twice`},
		{"another dtype", []Weight{weight("a", "I32", one, 1)}, `dtype: got "I32"`},
		{"no name", []Weight{weight("", "F32", one, 1)}, "name"},
		{"a name that is not UTF-8", []Weight{weight("\xff", "F32", one, 1)}, "name"},
		{"a negative shape", []Weight{weight("a", "F32", one, -1, -1)}, "at least 0"},
		{"a shape that overflows", []Weight{weight("a", "F32", one, 1<<32, 1<<32)}, "2^53"},
		{"no data", []Weight{{Name: "a", DType: "F32", Shape: tensor.Shape{1}}}, "no Data"},
		{"too few elements", []Weight{{"a", "F32", tensor.Shape{2}, func(int, int) ([]float32, error) { return one, nil }}}, "got 1 elements, want 0 to 2"},
		{"data that fail", []Weight{{"a", "F32", tensor.Shape{2}, func(int, int) ([]float32, error) { return nil, failed }}}, `"a": no data`},
	} {
		dir := t.TempDir()
		path := write(t, dir, "out.pt", []byte("what was there"))
		err := WriteTorch(path, row.weights)
		if err == nil || !strings.Contains(err.Error(), row.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v, want %s", row.what, err, row.want)
		}
		if p, err := os.ReadFile(path); err != nil || string(p) != "what was there" {
			t.Errorf("%s: the file that was there is now %q, %v", row.what, p, err)
		}
		if list, err := os.ReadDir(dir); err != nil || len(list) != 1 {
			t.Errorf("%s: %v was left", row.what, list)
		}
	}
}

func TestBF16(t *testing.T) {
	for _, row := range []struct{ from, want uint32 }{
		{0x3f800000, 0x3f80}, {0x3f808000, 0x3f80}, {0x3f808001, 0x3f81}, {0x3f818000, 0x3f82}, {0xbf818000, 0xbf82},
		{0x7f7fffff, 0x7f80}, {0x7f800000, 0x7f80}, {0xff800000, 0xff80}, {0x7f800001, 0x7fc0}, {0x7fffffff, 0x7fff}, {0, 0}, {0x80000000, 0x8000},
	} {
		if got := bf16(math.Float32frombits(row.from)); uint32(got) != row.want {
			t.Errorf("%08x: got %04x, want %04x", row.from, got, row.want)
		}
	}
}
