package loader

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"syscall/js"

	"flamingo/tensor"
)

var uint8Array = js.Global().Get("Uint8Array")

// jsBytes is a Uint8Array, whose bytes stay out of Go's memory.
type jsBytes struct {
	array js.Value
	n     int
}

func newBytes(array js.Value) jsBytes { return jsBytes{array, array.Get("length").Int()} }

// JS returns the bytes as a Uint8Array that shares their memory.
func (b jsBytes) JS() js.Value { return b.array }

// Len is part of tensor.Bytes.
func (b jsBytes) Len() int { return b.n }

// Slice is part of tensor.Bytes.
func (b jsBytes) Slice(from, to int) tensor.Bytes {
	if from < 0 || to < from || to > b.n {
		panic(fmt.Sprintf("loader: slice [%d:%d] of %d bytes", from, to, b.n))
	}
	return jsBytes{b.array.Call("subarray", from, to), to - from}
}

// CopyTo is part of tensor.Bytes.
func (b jsBytes) CopyTo(dst []byte) int {
	if len(dst) == 0 || b.n == 0 {
		return 0
	}
	return js.CopyBytesToGo(dst, b.array)
}

// toJS is the Uint8Array of any bytes.
func toJS(b tensor.Bytes) js.Value {
	if j, ok := b.(interface{ JS() js.Value }); ok {
		return j.JS()
	}
	p := copied(b)
	array := uint8Array.New(len(p))
	js.CopyBytesToJS(array, p)
	return array
}

// join returns the bytes of parts in one run.
func join(parts []tensor.Bytes) tensor.Bytes {
	if len(parts) == 1 {
		return parts[0]
	}
	n := 0
	for _, p := range parts {
		n += p.Len()
	}
	array := uint8Array.New(n)
	at := 0
	for _, p := range parts {
		array.Call("set", toJS(p), at)
		at += p.Len()
	}
	return jsBytes{array, n}
}

var unreclaimed atomic.Int64

// reclaim is told of n bytes in JavaScript that are no longer used. JavaScript keeps a value until
// Go's collector has seen that Go does not, and Go, which knows nothing of its size, would let
// hundreds of megabytes gather.
func reclaim(n int) {
	if unreclaimed.Add(int64(n)) >= 32<<20 {
		unreclaimed.Store(0)
		runtime.GC()
	}
}

func sha256Hex(ctx context.Context, b tensor.Bytes) (string, error) {
	subtle := js.Global().Get("crypto")
	if subtle.Truthy() {
		subtle = subtle.Get("subtle")
	}
	if !subtle.Truthy() {
		return "", errors.New("crypto.subtle is missing, so the model cannot be checked; serve the page over https or from localhost")
	}
	sum, err := await(ctx, subtle.Call("digest", "SHA-256", toJS(b)))
	if err != nil {
		return "", err
	}
	var p [32]byte
	js.CopyBytesToGo(p[:], uint8Array.New(sum))
	return hex.EncodeToString(p[:]), nil
}
