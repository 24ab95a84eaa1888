package loader

import (
	"context"
	"fmt"
	"strconv"

	"flamingo/tensor"
)

// A Store keeps records of bytes under string keys between visits. Implementations are safe for
// concurrent use and need not detect damage: what is read back is always checked.
type Store interface {
	// Get returns the record, or nil and no error when there is none.
	Get(ctx context.Context, key string) (tensor.Bytes, error)
	// Put returns once the record is committed; with durable also once it is on the disk. A full
	// store is ErrQuota.
	Put(ctx context.Context, key string, data tensor.Bytes, durable bool) error
	// Delete removes records; those that do not exist are no error.
	Delete(ctx context.Context, keys ...string) error
	// Keys lists the keys that start with prefix, in no order.
	Keys(ctx context.Context, prefix string) ([]string, error)
}

// Kinds of records. Chunks and small files are keyed by content, so that revisions of a model share
// what has not changed; the length is part of the key so that sizes are known without reading.
const (
	chunkPrefix    = "chunk/"    // chunk/SHA256.BYTES
	manifestPrefix = "manifest/" // manifest/URL: written last, when everything it names is stored
	pendingPrefix  = "pending/"  // pending/URL: a manifest whose chunks are being fetched
)

func chunkKey(sha string, bytes int64) string {
	return fmt.Sprintf("%s%s.%d", chunkPrefix, sha, bytes)
}

func chunkKeyBytes(key string) int64 {
	if len(key) <= len(chunkPrefix)+65 {
		return 0
	}
	n, _ := strconv.ParseInt(key[len(chunkPrefix)+65:], 10, 64)
	return n
}
