package checkpoint

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// A kind is how a file is read.
type kind uint8

const (
	zipFile    kind = iota // torch.save, TorchScript, .npz
	pickleFile             // torch.save before 1.6, haiku parameters
	safetensorsFile
	indexFile // the JSON that says in which shard each tensor is
)

// strangers are files that are often found where weights should be: by how they start, in lower
// case, and what to do about it.
var strangers = []struct{ start, what string }{
	{"version https://git-lfs", "a pointer of Git LFS; fetch the file it stands for with git lfs pull"},
	{"<!doctype", "a web page; the download went wrong, download the file again"},
	{"<html", "a web page; the download went wrong, download the file again"},
	{"<?xml", "an XML document; the download went wrong, download the file again"},
	{"\x1f\x8b", "a gzip file; unpack it first"},
	{"\x89hdf", "an HDF5 file; save the weights as safetensors or with torch.save"},
	{"\x93numpy", "a single .npy array; save named arrays with numpy.savez"},
	{"gguf", "a GGUF file; give the weights it was made from"},
	{"7z\xbc\xaf", "a 7z archive; unpack it first"},
}

// kindOf tells by a file's first bytes how to read it.
func kindOf(r io.ReaderAt, size int64) (kind, error) {
	if size == 0 {
		return 0, errors.New("the file is empty; download it again")
	}
	head := make([]byte, min(size, 64))
	if err := readFull(r, head, 0); err != nil {
		return 0, err
	}
	if bytes.HasPrefix(head, []byte("PK\x03\x04")) || bytes.HasPrefix(head, []byte("PK\x05\x06")) {
		return zipFile, nil
	}
	// A header that starts with { follows its length; were it text, the length would be beyond 2^56.
	if len(head) > 8 && head[8] == '{' && binary.LittleEndian.Uint64(head) < 1<<40 {
		return safetensorsFile, nil
	}
	text := strings.TrimLeft(strings.TrimPrefix(string(head), "\ufeff"), " \t\r\n")
	for _, s := range strangers {
		if len(text) >= len(s.start) && strings.EqualFold(text[:len(s.start)], s.start) {
			return 0, fmt.Errorf("this is %s", s.what)
		}
	}
	if strings.HasPrefix(text, "{") {
		return indexFile, nil
	}
	// Pickles name their protocol from number 2 on; older ones start with what they build.
	if head[0] == 0x80 || strings.IndexByte("(}L", head[0]) >= 0 || bytes.HasPrefix(head, []byte("ccollections\n")) {
		return pickleFile, nil
	}
	return 0, fmt.Errorf("the file starts with %.16q; want a safetensors file, a file of torch.save, a .npz or an index.json", head)
}

// readFull fills p, which the caller knows to lie inside the file.
func readFull(r io.ReaderAt, p []byte, at int64) error {
	n, err := r.ReadAt(p, at)
	if n == len(p) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("reading %d bytes at %d: %w; the file may have been changed or cut off", len(p), at, err)
}
