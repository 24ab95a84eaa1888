package loader

import (
	"context"
	"fmt"
	"hash/crc32"
	"sync"

	"flamingo/tensor"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// verify checks a chunk that has just arrived. The CRC is checked too: were the manifest's wrong,
// every later read from the store would be taken for damage.
func verify(ctx context.Context, b tensor.Bytes, want Chunk) error {
	got, err := sha256Hex(ctx, b)
	if err != nil {
		return err
	}
	if got != want.SHA256 {
		return fmt.Errorf("%w: sha256 is %s, want %s; the file changed or was damaged on its way: reload, and if it stays, upload the model again",
			ErrIntegrity, got, want.SHA256)
	}
	if got := crcs.sum(b); got != want.CRC32C {
		return fmt.Errorf("%w: crc32c is %d where sha256 is right, the manifest says %d; convert the model again", ErrManifest, got, want.CRC32C)
	}
	return nil
}

// crcs sums bytes that may live outside the Go heap through one small window, because memory that
// wasm has once taken is never given back.
var crcs window

type window struct {
	mu  sync.Mutex
	buf []byte
}

func (w *window) sum(b tensor.Bytes) uint32 {
	if g, ok := b.(tensor.GoBytes); ok {
		return crc32.Checksum(g, castagnoli)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.buf == nil {
		w.buf = make([]byte, 256<<10)
	}
	var crc uint32
	for at := 0; at < b.Len(); at += len(w.buf) {
		n := b.Slice(at, min(at+len(w.buf), b.Len())).CopyTo(w.buf)
		crc = crc32.Update(crc, castagnoli, w.buf[:n])
	}
	return crc
}
