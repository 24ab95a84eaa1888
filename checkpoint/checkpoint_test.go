package checkpoint

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"flamingo/tensor"
)

// expectedTensor is what PyTorch or NumPy say of a tensor.
type expectedTensor struct {
	DType  string
	Shape  tensor.Shape
	Values []float32 // of fractions
}

func expectations(t *testing.T) map[string]map[string]expectedTensor {
	t.Helper()
	text, err := os.ReadFile("testdata/expected.json")
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]map[string]expectedTensor
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func mustOpen(t *testing.T, path string) *File {
	t.Helper()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// TestFixtures reads every file of testdata and compares it with what its writer says of it.
func TestFixtures(t *testing.T) {
	all := expectations(t)
	files, err := filepath.Glob("testdata/*")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, path := range files {
		name := filepath.Base(path)
		want, ok := all[name]
		if strings.HasPrefix(name, "haiku") {
			want, ok = all["haiku"]
		}
		if !ok {
			continue
		}
		n++
		t.Run(name, func(t *testing.T) { compare(t, mustOpen(t, path), want) })
	}
	if n != 15 {
		t.Errorf("%d files were read, want 15; run testdata/make.py", n)
	}
}

func compare(t *testing.T, f *File, want map[string]expectedTensor) {
	t.Helper()
	entries := f.Entries()
	if !slices.IsSortedFunc(entries, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("the entries are not sorted by name")
	}
	for _, e := range entries {
		if _, ok := want[e.Name]; !ok {
			t.Errorf("%s: unexpected", e.Name)
		}
	}
	for name, w := range want {
		e, ok := f.Find(name)
		if !ok || e.Name != name || e.DType != w.DType || !e.Shape.Equal(w.Shape) {
			t.Errorf("%s: got %+v, want %s of %v", name, e, w.DType, w.Shape)
			continue
		}
		if !strings.Contains(w.DType, "F") {
			if _, err := f.Floats(name, 0, 1); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), w.DType) {
				t.Errorf("%s: integers as fractions: %v", name, err)
			}
			continue
		}
		n := w.Shape.Len()
		for _, part := range [][2]int{{0, n}, {0, n / 2}, {n / 3, n}, {n, n}, {n / 2, min(n, n/2+1)}} {
			got, err := f.Floats(name, part[0], part[1])
			if err != nil || !slices.Equal(got, w.Values[part[0]:part[1]]) {
				t.Errorf("%s[%d:%d]: got %v, %v, want %v", name, part[0], part[1], got, err, w.Values[part[0]:part[1]])
			}
		}
		for _, part := range [][2]int{{-1, 0}, {0, n + 1}, {1, 0}, {math.MaxInt, math.MaxInt}} {
			if _, err := f.Floats(name, part[0], part[1]); err == nil {
				t.Errorf("%s: elements %d to %d of %d were read", name, part[0], part[1], n)
			}
		}
	}
	if _, err := f.Floats("no such name", 0, 0); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), f.Path()) {
		t.Errorf("a tensor that is not there: %v", err)
	}
}

func TestSameStorage(t *testing.T) {
	for _, name := range []string{"testdata/zip.pt", "testdata/legacy.pt"} {
		f := mustOpen(t, name)
		for _, row := range []struct {
			a, b string
			want bool
		}{
			{"embed.weight", "head.weight", true}, {"embed.weight", "embed.weight", true},
			{"embed.weight", "other.weight", false}, // equal values
			{"transposed", "columns", false}, {"row", "steps", false}, {"embed.weight", "none", false}, {"none", "none", false},
		} {
			if got := f.SameStorage(row.a, row.b); got != row.want {
				t.Errorf("%s: %s and %s: got %v, want %v", name, row.a, row.b, got, row.want)
			}
		}
	}
}

// TestSame changes one part of a view at a time.
func TestSame(t *testing.T) {
	data := &storage{size: 100}
	v := view{"F32", []int{2, 2}, []int{2, 1}, 3, data, nil}
	if w := v; !v.same(&w) {
		t.Error("a copy is not the same")
	}
	for _, w := range []view{
		{"I32", v.shape, v.strides, 3, data, nil}, {"F32", []int{2, 3}, v.strides, 3, data, nil}, {"F32", v.shape, []int{1, 2}, 3, data, nil},
		{"F32", v.shape, v.strides, 4, data, nil}, {"F32", v.shape, v.strides, 3, &storage{size: 100}, nil},
	} {
		if v.same(&w) {
			t.Errorf("%v is the same as %v", w, v)
		}
	}
}

// TestConcurrent reads at the same time from files that keep something between reads.
func TestConcurrent(t *testing.T) {
	for _, row := range []struct{ path, a, b string }{
		{"testdata/deflated.npz", "a/w", "f"}, {"testdata/haiku2.npz", "NFNet/~/linear/long", "NFNet/~/linear/w"},
	} {
		f := mustOpen(t, row.path)
		var wait sync.WaitGroup
		for i := range 8 {
			wait.Go(func() {
				name := []string{row.a, row.b}[i%2]
				e, _ := f.Find(name)
				if _, err := f.Floats(name, 0, e.Shape.Len()); err != nil {
					t.Errorf("%s: %s: %v", row.path, name, err)
				}
			})
		}
		wait.Wait()
	}
}

func TestPathAndClose(t *testing.T) {
	f := mustOpen(t, "testdata/sharded")
	if got := f.Path(); got != filepath.Join("testdata", "sharded", "pytorch_model.bin.index.json") {
		t.Errorf("path: got %s", got)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if _, err := f.Floats("a.weight", 0, 1); err == nil {
		t.Error("a closed file was read")
	}
	if _, err := Open("testdata/none.pt"); !errors.Is(err, os.ErrNotExist) || errors.Is(err, ErrFormat) {
		t.Errorf("a file that is not there: %v", err)
	}
}
