package gpu

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"

	"flamingo/tensor"
)

// NewCPU returns the device that runs each op's twin. It needs nothing and runs everywhere.
func NewCPU() Device { return &cpu{} }

type cpu struct {
	arena Arena
	stats Stats
}

type hostBuffer []byte

func (b *hostBuffer) Size() int { return len(*b) }

func (c *cpu) Info() Info {
	return Info{Kind: "cpu", Name: "CPU", Description: "CPU, plain Go", IsSoftware: true, MaxBuffer: math.MaxInt, MaxBinding: math.MaxInt}
}
func (c *cpu) Stats() Stats  { return c.stats }
func (c *cpu) Arena() *Arena { return &c.arena }
func (c *cpu) Close()        { c.arena = Arena{}; c.stats = Stats{} }

func (c *cpu) Alloc(size int, label string) (Buffer, error) {
	if size < 0 {
		return nil, fmt.Errorf("gpu: %s: %d bytes", label, size)
	}
	b := make(hostBuffer, size)
	c.stats.Buffers++
	c.stats.Bytes += size
	return &b, nil
}

func (c *cpu) Free(b Buffer) {
	h, ok := b.(*hostBuffer)
	if !ok {
		return // lazy: it holds nothing
	}
	c.stats.Buffers--
	c.stats.Bytes -= len(*h)
	*h = nil
}

func (c *cpu) Write(b Buffer, offset int, data tensor.Bytes) error {
	h := *b.(*hostBuffer)
	if offset < 0 || offset+data.Len() > len(h) {
		return fmt.Errorf("gpu: write of %d bytes at %d into a buffer of %d", data.Len(), offset, len(h))
	}
	data.CopyTo(h[offset:])
	return nil
}

func (c *cpu) Fetch(b Buffer, offset, size int) (Fetch, error) {
	h := *b.(*hostBuffer)
	if offset < 0 || offset+size > len(h) {
		return nil, fmt.Errorf("gpu: read of %d bytes at %d from a buffer of %d", size, offset, len(h))
	}
	return hostFetch(append([]byte(nil), h[offset:offset+size]...)), nil
}

// hostFetch is a copy that has arrived.
type hostFetch []byte

func (f hostFetch) Wait(ctx context.Context, dst []byte) error {
	copy(dst, f)
	return ctx.Err()
}

func (c *cpu) Compile(_ context.Context, steps []Dispatch) (Program, error) {
	c.stats.Programs++
	return &cpuProgram{c, steps}, nil
}

type cpuProgram struct {
	dev   *cpu
	steps []Dispatch
}

func (p *cpuProgram) Submit(times int) error {
	for range times {
		for _, s := range p.steps {
			var err error
			run := NewRun(s, func(b Binding) []byte {
				data, failed := hostBytes(b.Buffer)
				if failed != nil {
					err = fmt.Errorf("%s: %w", s.Path, failed)
					data = make([]byte, b.Buffer.Size())
				}
				return data
			})
			if err != nil {
				return err
			}
			s.Op.CPU(run)
		}
	}
	return nil
}

func (p *cpuProgram) Release() { p.dev.stats.Programs-- }

// A Run is one dispatch as the CPU twin sees it.
type Run struct {
	Params any
	Consts Consts
	args   []tensor.Tensor
}

// NewRun presents a dispatch whose arguments' bytes are in host memory.
func NewRun(d Dispatch, data func(Binding) []byte) *Run {
	r := &Run{Params: d.Call.Params, Consts: d.Call.Consts}
	for _, a := range d.Args {
		n, _ := a.DType.Bytes(a.Shape)
		r.args = append(r.args, tensor.Tensor{Shape: a.Shape, DType: a.DType, Data: data(a)[:n]})
	}
	return r
}

// Arg is argument i, in the order Op.In, Op.Out.
func (r *Run) Arg(i int) tensor.Tensor { return r.args[i] }

// F32 is the memory of f32 argument i.
func (r *Run) F32(i int) []float32 { return view[float32](r.args[i].Data) }

// I32 is the memory of i32 argument i.
func (r *Run) I32(i int) []int32 { return view[int32](r.args[i].Data) }

// U32 is the memory of argument i as 32-bit words.
func (r *Run) U32(i int) []uint32 { return view[uint32](r.args[i].Data) }

// On reports whether a boolean const is set.
func (r *Run) On(name string) bool { on, _ := r.Consts[name].(bool); return on }

// view reads memory in place: host buffers are aligned, and every target is little endian.
func view[T float32 | int32 | uint32](b []byte) []T {
	if len(b) < 4 {
		return nil
	}
	return unsafe.Slice((*T)(unsafe.Pointer(&b[0])), len(b)/4)
}

// Parallel calls f(0) … f(n-1), on all processors when there are several.
func Parallel(n int, f func(i int)) {
	workers := min(runtime.GOMAXPROCS(0), n)
	if workers <= 1 {
		for i := range n {
			f(i)
		}
		return
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	wg.Wait()
}
