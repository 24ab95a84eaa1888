//go:build js || (webgpu && cgo)

// Package webgpu is the gpu.Device over WebGPU: the browser's own on js, and wgpu-native elsewhere
// (build tag webgpu; it needs cgo and a large module, so nothing pays for it unasked). It is the
// only package that sees the binding. What the binding's browser half cannot do (limits, features,
// errors, device loss, safe writes) is done here and in web/gpu.js.
package webgpu

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/cogentcore/webgpu/wgpu"

	"flamingo/gpu"
	"flamingo/shaders"
	"flamingo/tensor"
)

// Options are choices at opening.
type Options struct {
	// BaseKernels ignores the kernel variants for optional features.
	BaseKernels bool
}

// Smallest device that every kernel fits.
const (
	needBindings    = 8        // storage buffers a kernel sees
	needInvocations = 256      // lanes of a workgroup
	needShared      = 16 << 10 // bytes of workgroup memory
)

type device struct {
	*wgpu.Device
	queue     *wgpu.Queue
	platform  platform
	info      gpu.Info
	stats     gpu.Stats
	arena     gpu.Arena
	uniforms  *wgpu.BindGroupLayout
	layouts   map[[2]int]layout
	pipelines map[string]*wgpu.ComputePipeline // by expanded source
	closed    bool
}

// A layout is what ops with the same numbers of inputs and outputs share.
type layout struct {
	group    *wgpu.BindGroupLayout
	pipeline *wgpu.PipelineLayout
}

type buffer struct {
	*wgpu.Buffer
	size int
}

func (b *buffer) Size() int { return b.size }

// Open asks for an adapter and a device. Errors are gpu.ErrNoWebGPU, gpu.ErrNoAdapter,
// gpu.ErrLimits or what the driver says.
func Open(ctx context.Context, o Options) (gpu.Device, error) {
	d := &device{layouts: map[[2]int]layout{}, pipelines: map[string]*wgpu.ComputePipeline{}}
	if err := d.open(ctx); err != nil {
		return nil, err
	}
	if o.BaseKernels || os.Getenv("FLAMINGO_KERNELS") == "base" {
		d.info.Features = nil
	}
	d.queue = d.GetQueue()
	var err error
	d.uniforms, err = d.CreateBindGroupLayout(&wgpu.BindGroupLayoutDescriptor{Entries: []wgpu.BindGroupLayoutEntry{{
		Visibility: wgpu.ShaderStageCompute,
		Buffer:     wgpu.BufferBindingLayout{Type: wgpu.BufferBindingTypeUniform, HasDynamicOffset: true},
	}}})
	return d, err
}

func (d *device) Info() gpu.Info    { return d.info }
func (d *device) Arena() *gpu.Arena { return &d.arena }
func (d *device) Stats() gpu.Stats  { return d.stats }

func (d *device) Alloc(size int, label string) (gpu.Buffer, error) {
	if err := d.usable(); err != nil {
		return nil, err
	}
	size = (max(size, 4) + 3) &^ 3
	if size > d.info.MaxBuffer {
		return nil, fmt.Errorf("webgpu: %s needs a buffer of %d bytes, %s gives at most %d: %w",
			label, size, d.info.Name, d.info.MaxBuffer, gpu.ErrLimits)
	}
	b, err := d.allocate(size, label, wgpu.BufferUsageStorage|wgpu.BufferUsageCopyDst|wgpu.BufferUsageCopySrc)
	if err != nil {
		return nil, fmt.Errorf("webgpu: %s (%d bytes, %d in use): %w", label, size, d.stats.Bytes, err)
	}
	return b, nil
}

// allocate makes a buffer inside an error scope and counts it.
func (d *device) allocate(size int, label string, usage wgpu.BufferUsage) (*buffer, error) {
	var b *wgpu.Buffer
	err := d.scoped(func() (err error) {
		b, err = d.CreateBuffer(&wgpu.BufferDescriptor{Label: label, Size: uint64(size), Usage: usage})
		return err
	})
	if err != nil {
		return nil, err
	}
	d.stats.Buffers++
	d.stats.Bytes += size
	return &buffer{b, size}, nil
}

func (d *device) Free(b gpu.Buffer) {
	w := b.(*buffer)
	if w.Buffer == nil || d.closed {
		return
	}
	w.Destroy()
	w.Release()
	w.Buffer = nil
	d.stats.Buffers--
	d.stats.Bytes -= w.size
}

func (d *device) Write(b gpu.Buffer, offset int, data tensor.Bytes) error {
	w := b.(*buffer)
	n := data.Len()
	if err := d.usable(); err != nil || n == 0 {
		return err
	}
	if offset < 0 || offset%4 != 0 || n%4 != 0 || offset+n > w.size {
		return fmt.Errorf("webgpu: write of %d bytes at %d into a buffer of %d: want multiples of 4 inside it", n, offset, w.size)
	}
	return d.write(w, offset, data)
}

func (d *device) Fetch(b gpu.Buffer, offset, size int) (gpu.Fetch, error) {
	w := b.(*buffer)
	if err := d.usable(); err != nil {
		return nil, err
	}
	if offset < 0 || offset%4 != 0 || size%4 != 0 || size == 0 || offset+size > w.size {
		return nil, fmt.Errorf("webgpu: read of %d bytes at %d from a buffer of %d: want multiples of 4 inside it", size, offset, w.size)
	}
	return d.fetch(w, offset, size)
}

func (d *device) usable() error {
	if d.closed {
		return errors.New("webgpu: the device is closed")
	}
	return d.failure()
}

func (d *device) Close() {
	if !d.closed {
		d.closed = true
		d.shut()
		d.stats = gpu.Stats{}
		d.arena = gpu.Arena{}
	}
}

// layoutOf returns the layouts of an op: its inputs are read-only, its outputs are not.
func (d *device) layoutOf(op *gpu.Op) (layout, error) {
	key := [2]int{len(op.In), len(op.Out)}
	if l, ok := d.layouts[key]; ok {
		return l, nil
	}
	var entries []wgpu.BindGroupLayoutEntry
	for i := range len(op.In) + len(op.Out) {
		kind := wgpu.BufferBindingTypeReadOnlyStorage
		if i >= len(op.In) {
			kind = wgpu.BufferBindingTypeStorage
		}
		entries = append(entries, wgpu.BindGroupLayoutEntry{
			Binding: uint32(i), Visibility: wgpu.ShaderStageCompute, Buffer: wgpu.BufferBindingLayout{Type: kind},
		})
	}
	var l layout
	err := d.scoped(func() (err error) {
		if l.group, err = d.CreateBindGroupLayout(&wgpu.BindGroupLayoutDescriptor{Entries: entries}); err != nil {
			return err
		}
		l.pipeline, err = d.CreatePipelineLayout(&wgpu.PipelineLayoutDescriptor{
			BindGroupLayouts: []*wgpu.BindGroupLayout{l.group, d.uniforms},
		})
		return err
	})
	if err != nil {
		return l, fmt.Errorf("webgpu: layout of %s: %w", op.Name, err)
	}
	d.layouts[key] = l
	return l, nil
}

// A kernel is one expanded source that awaits its pipeline.
type kernel struct {
	name   string
	path   string // the first dispatch that wants it
	code   string
	lines  []shaders.Line
	consts gpu.Consts
	layout layout
}

// explain rewrites a driver's message about the line of an expanded source.
func (k *kernel) explain(line int, message string) error {
	where := "shaders/" + k.name + ".wgsl"
	if line >= 1 && line <= len(k.lines) {
		where = k.lines[line-1].String()
	}
	return fmt.Errorf("webgpu: %s (for %s, consts %v): %s", where, k.path, map[string]any(k.consts), strings.TrimSpace(message))
}
