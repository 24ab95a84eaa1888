// Package checkpoint reads the tensors in weight files that other frameworks wrote: safetensors
// (whole or in shards), PyTorch (both formats of torch.save, in shards too, and TorchScript
// archives), NumPy's .npz and the pickles of haiku parameters that go by the same suffix. Pickles
// are programs; here an interpreter with an allow-list reads them, and nothing is executed.
//
// Opening reads headers and pickles. The bytes of tensors are read when asked for and only the
// part asked for, so a file larger than memory needs a few megabytes.
package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"flamingo/tensor"
)

// ErrFormat is in every error that a file's contents cause; the error names file and tensor.
var ErrFormat = errors.New("checkpoint file")

// An Entry is one tensor of a file.
type Entry struct {
	Name  string
	DType string // F64, F32, F16, BF16, I64, I32, I16, I8, U8 or BOOL
	Shape tensor.Shape
}

// A File is an open file of weights, or a set of shards. Its methods may be called at the same
// time, except Close.
type File struct {
	path   string
	byName []named
	open   []io.Closer
}

// A named is a view under the name callers know it by.
type named struct {
	name string
	file string // that holds it: a shard, or File.path
	*view
}

// Open reads what a file of weights holds. path is such a file, an index.json of shards, or a
// directory with just one of either; what kind of file it is shows in its bytes, not in its name.
// Errors wrap ErrFormat when the file is at fault.
func Open(path string) (*File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	if info.IsDir() {
		if path, err = choose(path); err != nil {
			return nil, err
		}
	}
	f := &File{path: path}
	if f.byName, err = f.load(path); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// load reads the file at path and the shards that it names, which stay open.
func (f *File) load(path string) ([]named, error) {
	r, size, err := f.openFile(path)
	if err != nil {
		return nil, err
	}
	k, err := kindOf(r, size)
	if err != nil {
		return nil, bad(path, err)
	}
	if k != indexFile {
		return loadWeights(path, r, size)
	}
	index, err := readIndex(r, size)
	if err != nil {
		return nil, bad(path, err)
	}
	return f.loadShards(path, index)
}

// loadWeights reads one file that holds tensors itself.
func loadWeights(path string, r io.ReaderAt, size int64) ([]named, error) {
	list, err := weights(r, size)
	if err != nil {
		return nil, bad(path, err)
	}
	for i := range list {
		list[i].file = path
	}
	return list, nil
}

// openFile opens a file that Close will close.
func (f *File) openFile(path string) (io.ReaderAt, int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, fmt.Errorf("checkpoint: %w", err)
	}
	if !info.Mode().IsRegular() { // opening a pipe would wait for its writer
		return nil, 0, bad(path, errors.New("got something that is not a file, want a file of weights"))
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, 0, fmt.Errorf("checkpoint: %w", err)
	}
	f.open = append(f.open, file)
	return file, info.Size(), nil
}

func bad(path string, err error) error { return fmt.Errorf("%w %s: %w", ErrFormat, path, err) }

// weights reads one file of any kind but an index: its tensors by name.
func weights(r io.ReaderAt, size int64) ([]named, error) {
	k, err := kindOf(r, size)
	if err != nil {
		return nil, err
	}
	var list []named
	switch k {
	case indexFile:
		return nil, errors.New("got JSON where weights should be; give the file of weights")
	case zipFile:
		list, err = readZip(r, size)
	case pickleFile:
		list, err = readPickle(r, size)
	case safetensorsFile:
		list, err = readSafetensors(r, size)
	}
	if err != nil {
		return nil, err
	}
	return arrange(list)
}

// Path is the file that was opened: in a directory, the one chosen there.
func (f *File) Path() string { return f.path }

// Entries are the tensors by name, aliases included.
func (f *File) Entries() []Entry {
	list := make([]Entry, len(f.byName))
	for i, t := range f.byName {
		list[i] = t.entry()
	}
	return list
}

func (t named) entry() Entry {
	return Entry{Name: t.name, DType: t.dtype, Shape: slices.Clone(t.shape)}
}

// Find returns the entry of a tensor.
func (f *File) Find(name string) (Entry, bool) {
	t, ok := f.find(name)
	if !ok {
		return Entry{}, false
	}
	return t.entry(), true
}

func (f *File) find(name string) (named, bool) { return search(f.byName, name) }

// Floats returns the elements from…to (half open) of a tensor in row-major order as f32, whatever
// the width of the file's fractions. Integers and booleans are an error.
func (f *File) Floats(name string, from, to int) ([]float32, error) {
	t, ok := f.find(name)
	if !ok {
		return nil, bad(f.path, fmt.Errorf("no tensor is called %q; Entries lists the names", name))
	}
	if from < 0 || to < from || to > t.shape.Len() {
		return nil, bad(t.file, fmt.Errorf("tensor %q: got elements %d to %d, want a part of the %d of %v", name, from, to, t.shape.Len(), t.shape))
	}
	v, err := t.floats(from, to)
	if err != nil {
		return nil, bad(t.file, fmt.Errorf("tensor %q: %w", name, err))
	}
	return v, nil
}

// SameStorage reports whether two names mean the same elements: one storage, read from the same
// offset with the same shape and strides.
func (f *File) SameStorage(a, b string) bool {
	x, okX := f.find(a)
	y, okY := f.find(b)
	return okX && okY && x.same(y.view)
}

// Close closes the file and its shards.
func (f *File) Close() error {
	var err error
	for _, c := range f.open {
		err = errors.Join(err, c.Close())
	}
	f.open = nil
	return err
}
