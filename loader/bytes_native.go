//go:build !js

package loader

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"flamingo/tensor"
)

// join returns the bytes of parts in one run.
func join(parts []tensor.Bytes) tensor.Bytes {
	if len(parts) == 1 {
		return parts[0]
	}
	n := 0
	for _, p := range parts {
		n += p.Len()
	}
	whole := make(tensor.GoBytes, n)
	at := 0
	for _, p := range parts {
		at += p.CopyTo(whole[at:])
	}
	return whole
}

// reclaim has work to do only in a browser.
func reclaim(int) {}

func sha256Hex(_ context.Context, b tensor.Bytes) (string, error) {
	g, ok := b.(tensor.GoBytes)
	if !ok {
		g = copied(b)
	}
	sum := sha256.Sum256(g)
	return hex.EncodeToString(sum[:]), nil
}

// acquire is a lock between browser tabs; processes that share a directory store may fetch the
// same chunk twice, which is harmless because records are replaced whole.
func acquire(context.Context, string) (release func(), err error) { return func() {}, nil }
