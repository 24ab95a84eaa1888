//go:build !js && webgpu && cgo

package webgpu

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"sync"

	"github.com/cogentcore/webgpu/wgpu"

	"flamingo/gpu"
	"flamingo/tensor"
)

type platform struct{ adapter *wgpu.Adapter }

type programPlatform struct{}

// instance is made once and without options: the binding leaves those uninitialised in part.
var instance = sync.OnceValue(func() *wgpu.Instance {
	wgpu.SetLogLevel(wgpu.LogLevelError)
	return wgpu.CreateInstance(nil)
})

func (d *device) open(context.Context) error {
	instance := instance()
	adapter, err := instance.RequestAdapter(&wgpu.RequestAdapterOptions{PowerPreference: wgpu.PowerPreferenceHighPerformance})
	if err != nil {
		return fmt.Errorf("webgpu: %w: install a Vulkan driver (for a software one: mesa-vulkan-drivers)", gpu.ErrNoAdapter)
	}
	d.platform.adapter = adapter
	limits := adapter.GetLimits().Limits
	if limits.MaxStorageBuffersPerShaderStage < needBindings || limits.MaxComputeInvocationsPerWorkgroup < needInvocations ||
		limits.MaxComputeWorkgroupStorageSize < needShared {
		return fmt.Errorf("webgpu: %w: it has %d storage buffers, %d invocations and %d bytes of workgroup memory; needed are %d, %d and %d",
			gpu.ErrLimits, limits.MaxStorageBuffersPerShaderStage, limits.MaxComputeInvocationsPerWorkgroup,
			limits.MaxComputeWorkgroupStorageSize, needBindings, needInvocations, needShared)
	}
	want := wgpu.DefaultLimits()
	want.MaxBufferSize, want.MaxStorageBufferBindingSize = limits.MaxBufferSize, limits.MaxStorageBufferBindingSize
	want.MaxPushConstantSize = 0 // more needs a feature
	if d.Device, err = adapter.RequestDevice(&wgpu.DeviceDescriptor{RequiredLimits: &wgpu.RequiredLimits{Limits: want}}); err != nil {
		return fmt.Errorf("webgpu: %w", err)
	}
	info := adapter.GetInfo()
	if info.DriverDescription != "" { // the name alone is a bare number on some drivers
		info.Name = info.DriverDescription
	}
	d.info = gpu.Info{
		Kind: "webgpu", Name: info.Name, Vendor: info.VendorName,
		MaxBuffer: int(min(limits.MaxBufferSize, 1<<40)), MaxBinding: int(min(limits.MaxStorageBufferBindingSize, 1<<40)),
		MaxGroups: int(limits.MaxComputeWorkgroupsPerDimension), IsSoftware: info.AdapterType == wgpu.AdapterTypeCPU,
	}
	d.info.Description = fmt.Sprintf("WebGPU (native), %s", info.Name)
	return nil
}

// scoped runs f; the binding itself wraps each creation in an error scope here.
func (d *device) scoped(f func() error) error { return f() }

func (d *device) failure() error { return nil }

func (d *device) write(b *buffer, offset int, data tensor.Bytes) error {
	bytes, ok := data.(tensor.GoBytes)
	if !ok {
		bytes = make([]byte, data.Len())
		data.CopyTo(bytes)
	}
	return d.queue.WriteBuffer(b.Buffer, uint64(offset), bytes)
}

// A fetch is a staging buffer that the queue fills.
type fetch struct {
	dev     *device
	staging *wgpu.Buffer
}

func (d *device) fetch(b *buffer, offset, size int) (gpu.Fetch, error) {
	staging, err := d.CreateBuffer(&wgpu.BufferDescriptor{Label: "read", Size: uint64(size), Usage: wgpu.BufferUsageMapRead | wgpu.BufferUsageCopyDst})
	if err != nil {
		return nil, err
	}
	encoder, err := d.CreateCommandEncoder(nil)
	if err != nil {
		return nil, err
	}
	defer encoder.Release()
	if err := encoder.CopyBufferToBuffer(b.Buffer, uint64(offset), staging, 0, uint64(size)); err != nil {
		return nil, err
	}
	commands, err := encoder.Finish(nil)
	if err != nil {
		return nil, err
	}
	defer commands.Release()
	d.queue.Submit(commands)
	return fetch{d, staging}, nil
}

func (f fetch) Wait(ctx context.Context, dst []byte) error {
	defer f.staging.Release()
	size := uint64(len(dst))
	status := wgpu.BufferMapAsyncStatusUnknown
	if err := f.staging.MapAsync(wgpu.MapModeRead, 0, size, func(s wgpu.BufferMapAsyncStatus) { status = s }); err != nil {
		return err
	}
	f.dev.Poll(true, nil)
	if status != wgpu.BufferMapAsyncStatusSuccess {
		return fmt.Errorf("webgpu: reading back %d bytes: %v: %w", len(dst), status, gpu.ErrDeviceLost)
	}
	copy(dst, f.staging.GetMappedRange(0, uint(size)))
	return errors.Join(f.staging.Unmap(), ctx.Err())
}

var driverLine = regexp.MustCompile(`wgsl:(\d+):`)

func (d *device) build(_ context.Context, kernels []*kernel) ([]*wgpu.ComputePipeline, error) {
	var made []*wgpu.ComputePipeline
	for _, k := range kernels {
		module, err := d.CreateShaderModule(&wgpu.ShaderModuleDescriptor{
			Label: k.name, WGSLDescriptor: &wgpu.ShaderModuleWGSLDescriptor{Code: k.code},
		})
		if err != nil {
			line := 0
			if m := driverLine.FindStringSubmatch(err.Error()); m != nil {
				line, _ = strconv.Atoi(m[1])
			}
			return nil, k.explain(line, err.Error())
		}
		pipeline, err := d.CreateComputePipeline(&wgpu.ComputePipelineDescriptor{
			Layout: k.layout.pipeline, Compute: wgpu.ProgrammableStageDescriptor{Module: module, EntryPoint: "main"},
		})
		module.Release()
		if err != nil {
			return nil, k.explain(0, err.Error())
		}
		made = append(made, pipeline)
	}
	return made, nil
}

func (p *program) finish() {}
func (p *program) drop()   {}

func (p *program) submit(times int) error {
	encoder, err := p.dev.CreateCommandEncoder(nil)
	if err != nil {
		return err
	}
	defer encoder.Release()
	pass := encoder.BeginComputePass(nil)
	for range times {
		for _, c := range p.commands {
			pass.SetPipeline(c.pipeline)
			pass.SetBindGroup(0, c.group, nil)
			pass.SetBindGroup(1, p.uniforms, []uint32{c.offset})
			pass.DispatchWorkgroups(uint32(c.groups[0]), uint32(c.groups[1]), uint32(c.groups[2]))
		}
	}
	if err := pass.End(); err != nil {
		return err
	}
	pass.Release()
	commands, err := encoder.Finish(nil)
	if err != nil {
		return err
	}
	p.dev.queue.Submit(commands)
	commands.Release()
	return nil
}

func (d *device) shut() {
	d.queue.Release()
	d.Device.Release()
	d.platform.adapter.Release()
}
