// Package gpu is the narrow waist between the model and the machine: tensors on a device, and
// passes that record ops, are compiled once and replayed. It holds the CPU device, which runs
// every op's plain Go twin; package webgpu holds the other one. It knows no op and no model.
package gpu

import (
	"context"
	"errors"
	"slices"

	"flamingo/tensor"
)

// Errors that callers tell apart.
var (
	ErrNoWebGPU    = errors.New("WebGPU is not available")
	ErrNoAdapter   = errors.New("WebGPU offers no adapter")
	ErrLimits      = errors.New("the device is too small")
	ErrDeviceLost  = errors.New("the GPU device was lost")
	ErrOutOfMemory = errors.New("out of GPU memory")
)

// A Device runs compiled passes. There is one queue: what was submitted first is done first, so
// programs may share buffers. A Device is used from one goroutine at a time.
type Device interface {
	Info() Info
	Stats() Stats
	// Arena holds the buffers of temporaries, which all programs of the device share.
	Arena() *Arena

	// Alloc returns a zeroed buffer; size is in bytes. The label stands in error texts.
	Alloc(size int, label string) (Buffer, error)
	Free(Buffer)
	// Write copies data to the buffer, behind everything submitted so far. The offset and the
	// length are multiples of 4.
	Write(b Buffer, offset int, data tensor.Bytes) error
	// Fetch queues a copy of size bytes back to the host, behind everything submitted so far.
	// Multiples of 4 again.
	Fetch(b Buffer, offset, size int) (Fetch, error)

	// Compile makes the pipelines and bind groups of a sequence of dispatches.
	Compile(ctx context.Context, steps []Dispatch) (Program, error)
	// Close frees everything. Calls that follow fail.
	Close()
}

// A Program is a compiled sequence of dispatches. Submit queues all of it, times over, and returns
// without waiting.
type Program interface {
	Submit(times int) error
	Release()
}

// A Fetch is a copy to the host under way. Wait blocks until it has arrived; it is called once.
// More may be submitted in between.
type Fetch interface {
	Wait(ctx context.Context, dst []byte) error
}

// A Buffer is device memory.
type Buffer interface{ Size() int }

// Info describes a device.
type Info struct {
	Kind         string // "cpu" or "webgpu"
	Name         string // what the driver calls itself
	Vendor       string
	Architecture string
	Model        string   // of the device, where the browser tells
	Description  string   // one line for people
	Features     []string // optional abilities in WebGPU's spelling: "shader-f16", "subgroups"
	MaxBuffer    int      // bytes of one buffer
	MaxBinding   int      // bytes of one buffer seen by a kernel
	MaxGroups    int      // workgroups along one axis of a dispatch
	IsSoftware   bool     // an emulation on the CPU
}

// Has reports whether every one of the features is offered.
func (i Info) Has(features ...string) bool {
	for _, f := range features {
		if !slices.Contains(i.Features, f) {
			return false
		}
	}
	return true
}

// Stats counts what a device holds now.
type Stats struct {
	Buffers   int
	Bytes     int
	Pipelines int
	Programs  int
}

// A Dispatch is one launch of an op's kernel over its arguments, in the order Op.In, Op.Out.
type Dispatch struct {
	Op   *Op
	Call Call
	Args []Binding
	Path string // where in the model, for errors and profiles
}

// A Binding is one argument of a dispatch.
type Binding struct {
	Buffer Buffer
	Shape  tensor.Shape
	DType  tensor.DType
}
