package checkpoint

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A member goes into a zip file that a test makes.
type member struct {
	name   string
	data   string
	method uint16
}

func archiveOf(t testing.TB, members ...member) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, m := range members {
		w, err := z.CreateHeader(&zip.FileHeader{Name: m.name, Method: m.method})
		if err == nil {
			_, err = io.WriteString(w, m.data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// torchOf is a file of torch.save with a pickle and one storage of four f32: 1, 2, 3, 4.
func torchOf(t testing.TB, pickle string) []byte {
	t.Helper()
	return archiveOf(t, member{name: "a/data.pkl", data: pickle}, member{name: "a/data/0", data: floats(1, 2, 3, 4)}, member{name: "a/version", data: "3\n"})
}

func floats(v ...float32) string {
	p, err := binary.Append(nil, binary.LittleEndian, v)
	if err != nil {
		panic(err)
	}
	return string(p)
}

const soundHeader = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }  \n"

// arrayOfTwo is a .npy of two f32 with a header.
func arrayOfTwo(header string) string {
	return fmt.Sprintf("\x93NUMPY\x01\x00%c%c%s%s", len(header), 0, header, floats(1, 2))
}

// The next functions write pickles: each is the operations that leave a value on the stack.

func text(s string) string {
	var p pickler
	p.text(s)
	return string(p)
}

func num(n int) string {
	var p pickler
	if n < 0 {
		return "\x8a\x08" + string(binary.LittleEndian.AppendUint64(nil, uint64(n)))
	}
	p.integer(n)
	return string(p)
}

func nums(v ...int) string {
	var s strings.Builder
	for _, n := range v {
		s.WriteString(num(n))
	}
	return "(" + s.String() + "t"
}

func pid(class, key string, numel int) string {
	return "(" + text("storage") + "c" + class + "\n" + text(key) + text("cpu") + num(numel) + "tQ"
}

const rebuild = "ctorch._utils\n_rebuild_tensor_v2\n"

// part is a tensor in the storage that the operations of storage leave.
func part(storage string, offset int, shape, strides string) string {
	return rebuild + "(" + storage + num(offset) + shape + strides + "\x89NtR"
}

// tensor1 is the first n elements of torchOf's storage.
func tensor1(n int) string { return part(pid("torch\nFloatStorage", "0", 4), 0, nums(n), nums(1)) }

// dictOf is a dict of names and values, as a whole pickle without its end.
func dictOf(items ...string) string { return "}(" + strings.Join(items, "") + "u" }

func openBytes(p []byte) ([]named, error) { return weights(bytes.NewReader(p), int64(len(p))) }

// write puts a file into a directory of the test's.
func write(t *testing.T, dir, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// refused checks that a file is refused for a reason.
func refused(t *testing.T, what string, file []byte, want string) {
	t.Helper()
	if _, err := openBytes(file); !strings.Contains(fmt.Sprint(err), want) {
		t.Errorf("%s:\n got %.300v\nwant %s", what, err, want)
	}
}

// refusedPath checks that Open refuses a file for a reason, and names it.
func refusedPath(t *testing.T, what, path, want string) {
	t.Helper()
	f, err := Open(path)
	if err == nil {
		f.Close()
	}
	if !errors.Is(err, ErrFormat) || !strings.Contains(fmt.Sprint(err), want) || !strings.Contains(fmt.Sprint(err), filepath.Base(path)) {
		t.Errorf("%s:\n got %v\nwant %s: … %s", what, err, filepath.Base(path), want)
	}
}

// exercise opens what may be no sound file and reads some of each tensor: whatever the bytes are,
// nothing but an error may come of it.
func exercise(t *testing.T, file []byte) {
	t.Helper()
	list, err := openBytes(file)
	if err != nil {
		return
	}
	for _, x := range list {
		n := x.shape.Len()
		if n < 0 {
			t.Fatalf("%q: shape %v", x.name, x.shape)
		}
		for _, p := range [][2]int{{0, min(n, 100)}, {n - min(n, 100), n}} {
			v, err := x.floats(p[0], p[1])
			if err == nil && len(v) != p[1]-p[0] {
				t.Fatalf("%q: got %d elements, want %d to %d", x.name, len(v), p[0], p[1])
			}
		}
	}
}
