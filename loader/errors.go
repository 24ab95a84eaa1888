// Package loader turns a model's address into a verified stream of named tensors. It knows the
// manifest (flamingo.json), the safetensors shards beside it, how to fetch ranges of them, how to
// keep them (IndexedDB in a browser, a directory elsewhere) and how to tell good bytes from bad
// ones: SHA-256 when a chunk arrives, CRC-32C each time it is read back. It knows no GPU and no
// model: what a tensor is for, and where its bytes go, is the caller's business.
package loader

import (
	"errors"
	"fmt"
)

// Errors by which a caller tells what went wrong; test with errors.Is.
var (
	// ErrNetwork: bytes could not be had from the server.
	ErrNetwork = errors.New("network")
	// ErrCORS: the browser refused a cross-origin answer, or could not reach the host at all (it
	// does not say which). It is also an ErrNetwork.
	ErrCORS = fmt.Errorf("%w: cross-origin request failed", ErrNetwork)
	// ErrIntegrity: the server's bytes are not the ones the manifest names.
	ErrIntegrity = errors.New("integrity")
	// ErrQuota: the store is full.
	ErrQuota = errors.New("quota exceeded")
	// ErrOffline: the network may not be used and the store lacks what was asked for.
	ErrOffline = errors.New("offline")
	// ErrManifest: the manifest, or the safetensors header, breaks the format.
	ErrManifest = errors.New("invalid manifest")
)
