package loader

import (
	"fmt"
	"path"
	"sort"
	"strings"

	"flamingo/tensor"
)

const (
	maxRank  = 8
	maxChunk = 64 << 20
	minChunk = 1 << 10
)

// Validate checks that a manifest is consistent with itself: known format, names and paths unique
// and harmless, sums well-formed, a chunk for every byte, tensors of the size their shape says,
// inside their file and apart from each other. Errors wrap ErrManifest. Nothing is allocated from
// the numbers it reads.
func (m *Manifest) Validate() error {
	if err := m.validate(); err != nil {
		return fmt.Errorf("loader: %w: %w", ErrManifest, err)
	}
	return nil
}

func (m *Manifest) validate() error {
	if m.Format != Format {
		return fmt.Errorf("format: got %q, want %q; convert the model again, or update this program", m.Format, Format)
	}
	if m.Name == "" || len(m.Name) > 200 || strings.ContainsFunc(m.Name, isControl) {
		return fmt.Errorf("name: got %.60q, want 1 to 200 printable characters", m.Name)
	}
	if !isHex(m.Revision, 8, 128) {
		return fmt.Errorf("revision: got %.140q, want 8 to 128 lower-case hex digits", m.Revision)
	}
	if len(m.Config) == 0 || m.Config[0] != '{' {
		return fmt.Errorf("config: missing or not an object")
	}
	if m.ChunkBytes < minChunk || m.ChunkBytes > maxChunk || m.ChunkBytes%4 != 0 {
		return fmt.Errorf("chunkBytes: got %d, want a multiple of 4 from %d to %d", m.ChunkBytes, minChunk, maxChunk)
	}
	paths := map[string]bool{}
	if t := m.Tokenizer; t != nil {
		if err := validFile("tokenizer", t.Path, t.Bytes, t.SHA256, paths); err != nil {
			return err
		}
		if t.Bytes > maxWhole {
			return fmt.Errorf("tokenizer.bytes: got %d, want at most %d", t.Bytes, maxWhole)
		}
	}
	if len(m.Files) == 0 {
		return fmt.Errorf("files: got none, want at least one")
	}
	var total int64
	for i := range m.Files {
		f := &m.Files[i]
		at := fmt.Sprintf("files[%d]", i)
		if err := validFile(at, f.Path, f.Bytes, f.SHA256, paths); err != nil {
			return err
		}
		if total += f.Bytes; total > maxSafe {
			return fmt.Errorf("%s.bytes: the files together are larger than 2^53", at)
		}
		if want := m.chunkCount(f); int64(len(f.Chunks)) != want {
			return fmt.Errorf("%s (%s).chunks: got %d, want %d (%d bytes in chunks of %d)", at, f.Path, len(f.Chunks), want, f.Bytes, m.ChunkBytes)
		}
		for j, c := range f.Chunks {
			if !isHex(c.SHA256, 64, 64) {
				return fmt.Errorf("%s (%s).chunks[%d].sha256: got %.80q, want 64 lower-case hex digits", at, f.Path, j, c.SHA256)
			}
		}
	}
	return m.validTensors()
}

func (m *Manifest) validTensors() error {
	if len(m.Tensors) == 0 {
		return fmt.Errorf("tensors: got none, want at least one")
	}
	names := make(map[string]bool, len(m.Tensors))
	for i := range m.Tensors {
		t := &m.Tensors[i]
		at := fmt.Sprintf("tensors[%d] (%.80s)", i, t.Name)
		if err := validName(t.Name); err != nil {
			return fmt.Errorf("%s.name: %w", at, err)
		}
		if names[t.Name] {
			return fmt.Errorf("%s: the name appears twice, want once", at)
		}
		names[t.Name] = true
		want, err := tensorBytes(t.DType, t.Shape)
		if err != nil {
			return fmt.Errorf("%s.shape: %w", at, err)
		}
		if t.Bytes != want {
			return fmt.Errorf("%s.bytes: got %d, want %d for %v of %v", at, t.Bytes, want, t.DType, t.Shape)
		}
		if t.File < 0 || t.File >= len(m.Files) {
			return fmt.Errorf("%s.file: got %d, want 0 to %d", at, t.File, len(m.Files)-1)
		}
		size := m.Files[t.File].Bytes
		if t.Offset < 8 || t.Offset%4 != 0 || t.Offset > size-t.Bytes {
			return fmt.Errorf("%s.offset: got %d, want a multiple of 4 from 8 to %d (file of %d bytes)", at, t.Offset, size-t.Bytes, size)
		}
	}
	order := m.byPlace()
	for k := 1; k < len(order); k++ {
		a, b := &m.Tensors[order[k-1]], &m.Tensors[order[k]]
		if a.File == b.File && b.Offset < a.Offset+a.Bytes {
			return fmt.Errorf("tensors: %.80s [%d,%d) and %.80s [%d,%d) overlap in %s", a.Name, a.Offset, a.Offset+a.Bytes,
				b.Name, b.Offset, b.Offset+b.Bytes, m.Files[a.File].Path)
		}
	}
	return nil
}

// byPlace is the indices of the tensors in the order of their bytes, which is how they arrive.
func (m *Manifest) byPlace() []int {
	order := make([]int, len(m.Tensors))
	for i := range order {
		order[i] = i
	}
	sort.SliceStable(order, func(i, j int) bool {
		a, b := &m.Tensors[order[i]], &m.Tensors[order[j]]
		return a.File < b.File || a.File == b.File && a.Offset < b.Offset
	})
	return order
}

func (m *Manifest) chunkCount(f *File) int64 {
	return (f.Bytes + m.ChunkBytes - 1) / m.ChunkBytes
}

// tensorBytes is the storage of a tensor of a shape that may be hostile.
func tensorBytes(d tensor.DType, shape tensor.Shape) (int64, error) {
	if len(shape) > maxRank {
		return 0, fmt.Errorf("got %d axes, want at most %d", len(shape), maxRank)
	}
	for _, n := range shape {
		if n < 1 {
			return 0, fmt.Errorf("got %v, want every axis at least 1", shape)
		}
	}
	n, err := d.Bytes(shape)
	return int64(n), err
}

func validFile(at, name string, bytes int64, sha string, paths map[string]bool) error {
	if err := validPath(name); err != nil {
		return fmt.Errorf("%s.path: %w", at, err)
	}
	if paths[name] {
		return fmt.Errorf("%s.path: %q appears twice, want once", at, name)
	}
	paths[name] = true
	if bytes < 1 || bytes > maxSafe {
		return fmt.Errorf("%s (%s).bytes: got %d, want 1 to 2^53-1", at, name, bytes)
	}
	if !isHex(sha, 64, 64) {
		return fmt.Errorf("%s (%s).sha256: got %.80q, want 64 lower-case hex digits", at, name, sha)
	}
	return nil
}

// validPath accepts only a plain relative path, so that a manifest cannot name a file outside its
// own directory nor make a browser call another host.
func validPath(p string) error {
	bad := p == "" || len(p) > 512 || path.IsAbs(p) || path.Clean(p) != p || p == "." || p == ".." ||
		strings.HasPrefix(p, "../") || strings.ContainsAny(p, "\\:?#%") || strings.ContainsFunc(p, isControl)
	if bad {
		return fmt.Errorf("got %.80q, want a relative path below the manifest, without \"..\", scheme, query or escapes", p)
	}
	return nil
}

func validName(s string) error {
	if s == "" || len(s) > 256 || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return fmt.Errorf("got %.80q, want 1 to 256 printable ASCII characters without spaces", s)
	}
	return nil
}

func isHex(s string, low, high int) bool {
	return len(s) >= low && len(s) <= high && strings.Trim(s, "0123456789abcdef") == ""
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' }
