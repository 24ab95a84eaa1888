package checkpoint

import (
	"archive/zip"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

const (
	maxInflated = 64 << 20  // of a pickle or another small member that is compressed, in bytes
	maxArray    = 256 << 20 // of a compressed array; one is in memory at a time
)

// An archive is an open zip file.
type archive struct {
	r       io.ReaderAt
	size    int64
	members map[string]*zip.File
	names   []string // in order
}

func openArchive(r io.ReaderAt, size int64) (*archive, error) {
	z, err := zip.NewReader(r, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) { // members are never written anywhere
		return nil, fmt.Errorf("%w; the file may be cut off, download it again", err)
	}
	a := &archive{r: r, size: size, members: map[string]*zip.File{}}
	for _, f := range z.File {
		if a.members[f.Name] != nil {
			return nil, fmt.Errorf("%s: the member appears twice", f.Name)
		}
		a.members[f.Name] = f
		a.names = append(a.names, f.Name)
	}
	return a, nil
}

// readZip reads an archive of PyTorch or NumPy.
func readZip(r io.ReaderAt, size int64) ([]named, error) {
	a, err := openArchive(r, size)
	if err != nil {
		return nil, err
	}
	var roots []string
	arrays := false
	for _, name := range a.names {
		if root, ok := strings.CutSuffix(name, "/data.pkl"); ok && !strings.Contains(root, "/") {
			roots = append(roots, root)
		}
		arrays = arrays || strings.HasSuffix(name, arraySuffix)
	}
	switch {
	case len(roots) == 1:
		return readTorchZip(a, roots[0])
	case len(roots) > 1:
		return nil, fmt.Errorf("%s/data.pkl and %s/data.pkl: want one pickle", roots[0], roots[1])
	case arrays:
		return readArrays(a)
	}
	return nil, errors.New("this is a zip file with neither a data.pkl, as torch.save writes it, nor a .npy; unpack it first")
}

// find gives a member that can be read at all.
func (a *archive) find(name string) (*zip.File, error) {
	f := a.members[name]
	if f == nil {
		return nil, fmt.Errorf("%s: the member is missing", name)
	}
	if f.Flags&1 != 0 {
		return nil, fmt.Errorf("%s: the member is encrypted; unpack it first", name)
	}
	if f.Method != zip.Store && f.Method != zip.Deflate {
		return nil, fmt.Errorf("%s: compression method: got %d, want stored or deflated", name, f.Method)
	}
	return f, nil
}

// stored gives the bytes of a member that is not compressed.
func (a *archive) stored(name string) (*storage, error) {
	f, err := a.find(name)
	if err != nil {
		return nil, err
	}
	if f.Method != zip.Store {
		return nil, fmt.Errorf("%s: the member is compressed, want it stored; save it again with torch.save", name)
	}
	from, err := f.DataOffset()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	n := f.UncompressedSize64
	if n != f.CompressedSize64 || from > a.size || n > uint64(a.size-from) {
		return nil, fmt.Errorf("%s: got %d bytes, stored as %d, at %d of a file of %d; the file may be cut off", name, n, f.CompressedSize64, from, a.size)
	}
	return &storage{a.r, from, int64(n)}, nil
}

// content gives the bytes of a small member; if they are compressed they are read into memory.
func (a *archive) content(name string) (*storage, error) {
	f, err := a.find(name)
	if err != nil {
		return nil, err
	}
	if f.Method == zip.Store {
		return a.stored(name)
	}
	p, err := inflate(f, maxInflated)
	if err != nil {
		return nil, err
	}
	return &storage{bytes.NewReader(p), 0, int64(len(p))}, nil
}

// inflate reads a compressed member, whatever it claims to hold, up to a limit.
func inflate(f *zip.File, limit uint64) ([]byte, error) {
	if f.UncompressedSize64 > limit {
		return nil, fmt.Errorf("%s: got %d bytes, compressed, want at most %d; save it uncompressed", f.Name, f.UncompressedSize64, limit)
	}
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name, err)
	}
	defer r.Close()
	// The claimed size is no reason to allocate it.
	var p bytes.Buffer
	if _, err := io.Copy(&p, io.LimitReader(r, int64(limit)+1)); err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name, err)
	}
	if uint64(p.Len()) != f.UncompressedSize64 {
		return nil, fmt.Errorf("%s: got %d bytes, want %d", f.Name, p.Len(), f.UncompressedSize64)
	}
	return p.Bytes(), nil
}

// A span is the bytes from…to of a file, which a member holds.
type span struct {
	from, to int64
	member   string
}

// disjoint refuses members that share bytes: two readers might see different files.
func disjoint(spans []span) error {
	spans = slices.DeleteFunc(slices.Clone(spans), func(s span) bool { return s.from == s.to })
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	for i := 1; i < len(spans); i++ {
		if a, b := spans[i-1], spans[i]; b.from < a.to {
			return fmt.Errorf("%s at %d to %d and %s at %d to %d overlap", a.member, a.from, a.to, b.member, b.from, b.to)
		}
	}
	return nil
}
