package checkpoint

import (
	"archive/zip"
	"encoding/binary"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
)

const gib = 1 << 30

// A vast file is mostly a character that repeats: its other bytes are the patches.
type vast struct {
	size    int64
	fill    byte
	patches []patch
}

type patch struct {
	at   int64
	data []byte
}

func (v *vast) add(s string) {
	v.patches = append(v.patches, patch{v.size, []byte(s)})
	v.size += int64(len(s))
}

// Write lets a zip.Writer make the file.
func (v *vast) Write(p []byte) (int, error) {
	if len(p) < hole {
		v.add(string(p))
	} else {
		v.size += int64(len(p))
	}
	return len(p), nil
}

const hole = 1 << 20 // bytes; such a write consists of the fill

func (v *vast) ReadAt(p []byte, at int64) (int, error) {
	for i := range p {
		p[i] = v.fill
	}
	for _, x := range v.patches {
		from, to := max(at, x.at), min(at+int64(len(p)), x.at+int64(len(x.data)))
		if from < to {
			copy(p[from-at:to-at], x.data[from-x.at:])
		}
	}
	if at+int64(len(p)) > v.size {
		return max(int(v.size-at), 0), io.EOF
	}
	return len(p), nil
}

func u64(n int64) string { return string(binary.LittleEndian.AppendUint64(nil, uint64(n))) }

// haikuVast is a haiku pickle with an array of n f32 of zeros as bytes.
func haikuVast(n int64) *vast {
	v := &vast{}
	v.add("\x80\x04}" + text("m") + "}" + text("w") + "cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85C\x01btR(K\x01" + nums(int(n)) + "cnumpy\ndtype\n(" + text("f4") + "\x89\x88tR\x89\x8e" + u64(4*n))
	v.size += 4*n - 4
	v.add(floats(7) + "tbss.")
	return v
}

func torchVast(t *testing.T, n int64) *vast {
	t.Helper()
	v := &vast{}
	z := zip.NewWriter(v)
	for _, m := range []struct {
		name, data string
		size       int64
	}{
		{"a/data.pkl", dictOf(text("w"), part(pid("torch\nFloatStorage", "0", int(n)), 0, nums(int(n)), nums(1))) + ".", 0},
		{"a/data/0", "", 4 * n},
	} {
		size := uint64(m.size + int64(len(m.data)))
		w, err := z.CreateRaw(&zip.FileHeader{Name: m.name, CompressedSize64: size, UncompressedSize64: size})
		if err != nil {
			t.Fatal(err)
		}
		p := make([]byte, hole)
		for range m.size / hole {
			w.Write(p)
		}
		if _, err := io.WriteString(w, m.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return v
}

// TestVastFiles opens files larger than memory and reads the end of a tensor, in little memory.
func TestVastFiles(t *testing.T) {
	const limit = 4 << 20
	for _, row := range []struct {
		what string
		file *vast
		n    int
		want float32
	}{
		{"haiku", haikuVast(5 * gib / 4), 5 * gib / 4, 7},
		{"torch.save", torchVast(t, 5*gib/4), 5 * gib / 4, 0},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		list, err := weights(row.file, row.file.size)
		if err != nil {
			t.Errorf("%s: %v", row.what, err)
			continue
		}
		v, err := list[0].floats(row.n-2, row.n)
		runtime.ReadMemStats(&after)
		if err != nil || v[0] != 0 || v[1] != row.want {
			t.Errorf("%s: got %v, %v, want 0 and %v", row.what, v, err, row.want)
		}
		if got := after.TotalAlloc - before.TotalAlloc; got > limit {
			t.Errorf("%s: %d bytes were allocated for a file of %d, want at most %d", row.what, got, row.file.size, limit)
		}
	}
}

// TestLatin1 reads bytes that are text in the file from everywhere.
func TestLatin1(t *testing.T) {
	var want []byte
	for i := range 3*latin1Step + 5 {
		want = append(want, byte(i*7+i>>8))
	}
	var s strings.Builder
	for _, b := range want {
		s.WriteRune(rune(b))
	}
	b, err := indexLatin1(storage{strings.NewReader("xx" + s.String()), 2, int64(s.Len())})
	if err != nil || b.size != int64(len(want)) {
		t.Fatalf("got %d bytes, %v, want %d", b.size, err, len(want))
	}
	for _, at := range []int{0, 1, 127, latin1Step - 1, latin1Step, latin1Step + 1, 3 * latin1Step, len(want) - 1} {
		for _, n := range []int{0, 1, 2, 1000, 2 * latin1Step} {
			n = min(n, len(want)-at)
			p := make([]byte, n)
			if err := b.read(p, int64(at)); err != nil || string(p) != string(want[at:at+n]) {
				t.Errorf("%d bytes at %d: %v, or they differ", n, at, err)
			}
		}
	}
}

// TestGatherManyPages reads a transposed matrix of more pages than are kept.
func TestGatherManyPages(t *testing.T) {
	const rows, columns = 2, maxPages + 10 // each element of a row on a page of its own
	v := &vast{}
	v.size = columns * pageBytes
	for i := range columns {
		v.patches = append(v.patches, patch{int64(i) * pageBytes, []byte(floats(float32(i), float32(i)+0.5))})
	}
	x := &view{dtype: "F32", shape: []int{rows, columns}, strides: []int{1, pageBytes / 4}, data: &storage{v, 0, v.size}}
	if err := x.check(); err != nil {
		t.Fatal(err)
	}
	for _, from := range []int{columns - 3, 2*columns - 5} {
		got, err := x.floats(from, from+5)
		var want []float32
		for i := from; i < from+5; i++ {
			want = append(want, float32(i%columns)+float32(i/columns)/2)
		}
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("from %d: got %v, %v, want %v", from, got, err, want)
		}
	}
	pages := map[int64][]byte{}
	for i := range int64(columns) {
		if _, err := x.data.page(pages, i); err != nil || len(pages) > maxPages {
			t.Fatalf("page %d: %v, %d pages are kept, want at most %d", i, err, len(pages), maxPages)
		}
	}
	if got, err := x.floats(0, maxPages+5); err != nil || got[maxPages+4] != maxPages+4 {
		t.Errorf("more pages than are kept: %v", err)
	}
}
