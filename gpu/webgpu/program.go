//go:build js || (webgpu && cgo)

package webgpu

import (
	"context"
	"fmt"

	"github.com/cogentcore/webgpu/wgpu"

	"flamingo/gpu"
	"flamingo/shaders"
	"flamingo/tensor"
)

// uniformStride is the alignment of dynamic uniform offsets that every device accepts, and an
// upper bound on an op's params.
const uniformStride = 256

// A command is one dispatch, ready to encode.
type command struct {
	pipeline *wgpu.ComputePipeline
	group    *wgpu.BindGroup
	offset   uint32 // of its params in the program's uniform buffer
	groups   [3]int
}

type program struct {
	dev      *device
	commands []command
	params   *buffer
	uniforms *wgpu.BindGroup
	platform programPlatform
}

func (d *device) Compile(ctx context.Context, steps []gpu.Dispatch) (gpu.Program, error) {
	if err := d.usable(); err != nil {
		return nil, err
	}
	sources, err := d.pipelinesOf(ctx, steps)
	if err != nil {
		return nil, err
	}
	p := &program{dev: d}
	var params []byte
	offsets := map[string]uint32{}
	for _, s := range steps {
		u, err := s.Call.UniformBytes()
		if err != nil || len(u) > uniformStride {
			return nil, fmt.Errorf("webgpu: %s: %s: params of %d bytes, at most %d: %v", s.Path, s.Op.Name, len(u), uniformStride, err)
		}
		if _, ok := offsets[string(u)]; !ok {
			offsets[string(u)] = uint32(len(params))
			params = append(params, append(u, make([]byte, uniformStride-len(u))...)...)
		}
	}
	if p.params, err = d.allocate(max(len(params), uniformStride), "params", wgpu.BufferUsageUniform|wgpu.BufferUsageCopyDst); err != nil {
		return nil, err
	}
	d.stats.Programs++
	if err = d.write(p.params, 0, tensor.GoBytes(params)); err == nil {
		err = d.scoped(func() error { return p.bind(steps, sources, offsets) })
	}
	if err != nil {
		p.Release()
		return nil, err
	}
	p.finish()
	return p, nil
}

// bind makes the bind groups of all dispatches.
func (p *program) bind(steps []gpu.Dispatch, sources []string, offsets map[string]uint32) (err error) {
	d := p.dev
	p.uniforms, err = d.CreateBindGroup(&wgpu.BindGroupDescriptor{Layout: d.uniforms, Entries: []wgpu.BindGroupEntry{
		{Buffer: p.params.Buffer, Size: uniformStride},
	}})
	if err != nil {
		return err
	}
	for i, s := range steps {
		u, _ := s.Call.UniformBytes()
		c := command{pipeline: d.pipelines[sources[i]], offset: offsets[string(u)], groups: s.Call.Size()}
		l, err := d.layoutOf(s.Op)
		if err != nil {
			return err
		}
		var entries []wgpu.BindGroupEntry
		for j, a := range s.Args {
			n, err := a.DType.Bytes(a.Shape)
			if err != nil {
				return err
			}
			n = max(n, 4)
			if n > d.info.MaxBinding {
				return fmt.Errorf("webgpu: %s: %s: argument %d %v has %d bytes, a kernel of %s sees at most %d: %w",
					s.Path, s.Op.Name, j, a.Shape, n, d.info.Name, d.info.MaxBinding, gpu.ErrLimits)
			}
			entries = append(entries, wgpu.BindGroupEntry{Binding: uint32(j), Buffer: a.Buffer.(*buffer).Buffer, Size: uint64(n)})
		}
		if c.group, err = d.CreateBindGroup(&wgpu.BindGroupDescriptor{Layout: l.group, Entries: entries}); err != nil {
			return fmt.Errorf("webgpu: %s: %s: %w", s.Path, s.Op.Name, err)
		}
		p.commands = append(p.commands, c)
	}
	return nil
}

// pipelinesOf makes the pipelines that steps need and the device lacks, in parallel where the
// platform can, and returns the expanded source of each step.
func (d *device) pipelinesOf(ctx context.Context, steps []gpu.Dispatch) ([]string, error) {
	sources := make([]string, len(steps))
	var missing []*kernel
	seen := map[string]bool{}
	for i, s := range steps {
		name := s.Op.Kernel(d.info)
		code, lines, err := shaders.Source(name, s.Call.Consts)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.Path, err)
		}
		sources[i] = code
		if d.pipelines[code] != nil || seen[code] {
			continue
		}
		seen[code] = true
		l, err := d.layoutOf(s.Op)
		if err != nil {
			return nil, err
		}
		missing = append(missing, &kernel{name, s.Path, code, lines, s.Call.Consts, l})
	}
	made, err := d.build(ctx, missing)
	if err != nil {
		return nil, err
	}
	for i, k := range missing {
		d.pipelines[k.code] = made[i]
		d.stats.Pipelines++
	}
	return sources, nil
}

func (p *program) Submit(times int) error {
	if err := p.dev.usable(); err != nil {
		return err
	}
	return p.submit(times)
}

func (p *program) Release() {
	if p.params == nil {
		return
	}
	p.dev.Free(p.params)
	p.params = nil
	for _, c := range p.commands {
		c.group.Release()
	}
	if p.uniforms != nil {
		p.uniforms.Release()
	}
	p.commands = nil
	p.dev.stats.Programs--
	p.drop()
}
