package checkpoint

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// packed is a safetensors file with the given header and data.
func packed(header, data string) []byte {
	return append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header+data...)
}

func oneTensor(name string, v ...float32) []byte {
	return packed(fmt.Sprintf(`{%q:{"dtype":"F32","shape":[%d],"data_offsets":[0,%d]}}`, name, len(v), 4*len(v)), floats(v...))
}

func TestSafetensors(t *testing.T) {
	header := `{"__metadata__":{"format":"pt"},"_orig_mod.b":{"dtype":"F16","shape":[1,2],"data_offsets":[0,4]},"a":{"dtype":"I64","shape":[],"data_offsets":[4,12]}}`
	path := write(t, t.TempDir(), "x.bin", packed(header, "\x00\x3c\x00\xc1"+"\x07\x00\x00\x00\x00\x00\x00\x00"))
	f := mustOpen(t, path)
	if e := f.Entries(); len(e) != 2 || e[0].Name != "a" || e[0].DType != "I64" || e[1].Name != "b" || !e[1].Shape.Equal([]int{1, 2}) {
		t.Errorf("got %+v", e)
	}
	if v, err := f.Floats("b", 1, 2); err != nil || v[0] != -2.5 {
		t.Errorf("got %v, %v, want -2.5", v, err)
	}
	if !f.SameStorage("b", "b") || f.SameStorage("a", "b") {
		t.Error("no two tensors of such a file share bytes")
	}
	double := packed(strings.Replace(header, `"a"`, `"b"`, 1), strings.Repeat("\x00", 12))
	refused(t, "names that become one", double, "would both be called")
	refused(t, "an element too few", packed(header, "1234"), "cover 12 bytes, want 4")
}

func TestShardsOfSafetensors(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "1.safetensors", oneTensor("a", 1, 2))
	write(t, dir, "2.safetensors", oneTensor("module.b", 3))
	path := write(t, dir, "model.safetensors.index.json", []byte(`{"metadata":{"total_size":12},"weight_map":{"a":"1.safetensors","module.b":"2.safetensors"}}`))
	for _, at := range []string{dir, path} {
		f := mustOpen(t, at)
		if f.Path() != path || len(f.Entries()) != 2 {
			t.Errorf("%s: got %s with %+v", at, f.Path(), f.Entries())
		}
		if v, err := f.Floats("b", 0, 1); err != nil || v[0] != 3 {
			t.Errorf("b: got %v, %v, want 3", v, err)
		}
	}
	f := mustOpen(t, path)
	if err := os.Truncate(filepath.Join(dir, "2.safetensors"), 10); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Floats("b", 0, 1); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "2.safetensors") {
		t.Errorf("a shard that was cut off while open: %v", err)
	}
}

func TestHostileIndex(t *testing.T) {
	for _, row := range []struct{ index, want string }{
		{`{"weight_map":{"a":"1.bin","b":"2.bin"}}`, "shard 2.bin of tensor \"b\" is missing"},
		{`{"weight_map":{"a":"1.bin","b":"1.bin"}}`, `tensor "b" is not in 1.bin`},
		{`{"weight_map":{"a":"../1.bin"}}`, "not a path inside"},
		{`{"weight_map":{"a":"/etc/passwd"}}`, "not a path inside"},
		{`{"weight_map":{"a":"x/../../1.bin"}}`, "not a path inside"},
		{`{"weight_map":{"a":"x\\1.bin"}}`, "not a path inside"},
		{`{"weight_map":{"a":"https://x.example/1.bin"}}`, "not a path inside"},
		{`{"weight_map":{"a":""}}`, "not a path inside"},
		{`{"weight_map":{"a":null}}`, "want the file name"},
		{`{"weight_map":{"a":1}}`, "want the file name"},
		{`{"weight_map":{"a":"1.bin","a":"1.bin"}}`, `"a": the name appears twice`},
		{`{"weight_map":{"a":"1.bin"},"weight_map":{"a":"1.bin"}}`, "weight_map appears twice"},
		{`{"weight_map":{}}`, "no weight_map"},
		{`{"weight_map":["a"]}`, "got [, want {"},
		{`{"metadata":{}}`, "no weight_map"},
		{`{"weight_map":{"a":"1.bin"}} x`, "more data"},
		{`{"weight_map":{"a":"1.bin"}`, "unexpected"},
		{`{"weight_map":{"a":"1.bin"`, "unexpected"},
		{`{"weight_map":{"a":"model.index.json"}}`, "got JSON where weights should be"},
		{`{"weight_map":{"a":"sub"}}`, "not a file"},
		{`{"x":` + strings.Repeat("[", 20000), "depth"},
	} {
		dir := t.TempDir()
		write(t, dir, "1.bin", oneTensor("a", 1))
		if err := os.Mkdir(filepath.Join(dir, "sub"), 0o755); err != nil {
			t.Fatal(err)
		}
		path := write(t, dir, "model.index.json", []byte(row.index))
		f, err := Open(path)
		if err == nil {
			f.Close()
		}
		if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), row.want) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%.100s:\n got %v\nwant %s", row.index, err, row.want)
		}
	}
}

func TestDirectories(t *testing.T) {
	for _, row := range []struct {
		files string // separated by spaces
		want  string // the one that is opened, or a part of the error
		ok    bool
	}{
		{"model.safetensors training_args.bin config.json", "model.safetensors", true},
		{"weights.pt config.json", "weights.pt", true},
		{"a.npz", "a.npz", true},
		{"a.pth b.json", "a.pth", true},
		{"model.safetensors pytorch_model.bin", "several files of weights: model.safetensors, pytorch_model.bin", false},
		{"a.pt b.bin", "several", false},
		{"config.json", "no file of weights", false},
		{"", "no file of weights", false},
	} {
		dir := t.TempDir()
		for _, name := range strings.Fields(row.files) {
			write(t, dir, name, oneTensor("a", 1))
		}
		f, err := Open(dir)
		switch {
		case row.ok && (err != nil || filepath.Base(f.Path()) != row.want):
			t.Errorf("%s: got %v, want %s", row.files, err, row.want)
		case !row.ok && (!errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), row.want)):
			t.Errorf("%s: got %v, want %s", row.files, err, row.want)
		}
		if f != nil {
			f.Close()
		}
	}
}

func TestUnwrap(t *testing.T) {
	for _, row := range []struct{ name, want string }{
		{"module.a", "a"}, {"a", "a"}, {"module", "module"}, {"a.module", "a.module"}, {"module.module", "module"},
		{"a._fsdp_wrapped_module.b._checkpoint_wrapped_module.c", "a.b.c"}, {"modules.a", "modules.a"}, {"", ""}, {"module.", ""}, {"..", ".."},
	} {
		if got := unwrap(row.name); got != row.want {
			t.Errorf("%q: got %q, want %q", row.name, got, row.want)
		}
	}
}

// TestDisjoint: what touches does not overlap, and what is empty overlaps nothing.
func TestDisjoint(t *testing.T) {
	for _, row := range []struct {
		spans []span
		ok    bool
	}{
		{[]span{{0, 4, "a"}, {4, 8, "b"}, {2, 2, "c"}}, true},
		{[]span{{4, 8, "a"}, {0, 5, "b"}}, false},
		{[]span{{0, 9, "a"}, {2, 3, "b"}}, false},
		{nil, true},
	} {
		before := slices.Clone(row.spans)
		if err := disjoint(row.spans); (err == nil) != row.ok || !slices.Equal(before, row.spans) {
			t.Errorf("%v: got %v, want ok %v", row.spans, err, row.ok)
		}
	}
}
