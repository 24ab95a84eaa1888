package webgpu

import (
	"context"
	"fmt"
	"runtime"
	"syscall/js"
	"unsafe"

	"github.com/cogentcore/webgpu/wgpu"

	"flamingo/gpu"
	"flamingo/tensor"
)

// platform is what the binding's browser half lacks.
type platform struct {
	js    js.Value // the GPUDevice
	glue  js.Value // globalThis.flamingoGPU, see web/gpu.js
	lost  error    // why the device is gone
	fault error    // the first error outside any scope
}

type programPlatform struct{ js js.Value }

// wantFeatures are asked for where the adapter offers them.
var wantFeatures = []string{"shader-f16", "subgroups", "timestamp-query"}

// wantLimits are raised to what the adapter offers.
var wantLimits = []string{"maxBufferSize", "maxStorageBufferBindingSize"}

func (d *device) open(ctx context.Context) error {
	d.platform.glue = js.Global().Get("flamingoGPU")
	if !d.platform.glue.Truthy() || !js.Global().Get("wasm").Truthy() {
		return fmt.Errorf("webgpu: the page has not loaded gpu.js or not set globalThis.wasm = {instance}: do both before starting Go")
	}
	entry := js.Global().Get("navigator").Get("gpu")
	if !entry.Truthy() {
		hint := "use a browser with WebGPU (Chrome 113, Edge 113, Safari 26, Firefox 141 on Windows or 145 on macOS)"
		if !js.Global().Get("isSecureContext").Truthy() {
			hint = "serve the page over https or from localhost"
		}
		return fmt.Errorf("webgpu: %w: %s", gpu.ErrNoWebGPU, hint)
	}
	adapter, err := Await(ctx, entry.Call("requestAdapter", map[string]any{"powerPreference": "high-performance"}))
	if err != nil {
		return fmt.Errorf("webgpu: %w: %w", gpu.ErrNoAdapter, err)
	}
	if !adapter.Truthy() {
		return fmt.Errorf("webgpu: %w: the graphics driver may be blocked or hardware acceleration switched off; see chrome://gpu", gpu.ErrNoAdapter)
	}
	limits := adapter.Get("limits")
	for _, l := range []struct {
		name string
		need int
	}{
		{"maxStorageBuffersPerShaderStage", needBindings},
		{"maxComputeInvocationsPerWorkgroup", needInvocations},
		{"maxComputeWorkgroupStorageSize", needShared},
	} {
		if got := limits.Get(l.name).Int(); got < l.need {
			return fmt.Errorf("webgpu: %w: %s is %d, needed is %d", gpu.ErrLimits, l.name, got, l.need)
		}
	}
	request := map[string]any{}
	for _, name := range wantLimits {
		request[name] = limits.Get(name)
	}
	var features []string
	var featuresJS []any
	for _, f := range wantFeatures {
		if adapter.Get("features").Call("has", f).Bool() {
			features, featuresJS = append(features, f), append(featuresJS, f)
		}
	}
	dev, err := Await(ctx, adapter.Call("requestDevice", map[string]any{"requiredLimits": request, "requiredFeatures": featuresJS}))
	if err != nil {
		return fmt.Errorf("webgpu: requestDevice: %w", err)
	}
	d.platform.js = dev
	wrapped := wgpu.NewDevice(dev)
	d.Device = &wrapped
	d.watch()
	d.info = describe(adapter, dev, features)
	return nil
}

// describe fills Info from the adapter.
func describe(adapter, dev js.Value, features []string) gpu.Info {
	info, limits := adapter.Get("info"), dev.Get("limits")
	text := func(name string) string {
		if v := info.Get(name); v.Type() == js.TypeString {
			return v.String()
		}
		return ""
	}
	i := gpu.Info{
		Kind: "webgpu", Vendor: text("vendor"), Architecture: text("architecture"), Model: text("device"), Features: features,
		MaxBuffer: limits.Get("maxBufferSize").Int(), MaxBinding: limits.Get("maxStorageBufferBindingSize").Int(),
		MaxGroups:  limits.Get("maxComputeWorkgroupsPerDimension").Int(),
		IsSoftware: info.Get("isFallbackAdapter").Truthy() || adapter.Get("isFallbackAdapter").Truthy(),
	}
	for _, name := range []string{"description", "device", "architecture", "vendor"} {
		if i.Name = text(name); i.Name != "" {
			break
		}
	}
	if i.Name == "" {
		i.Name = "GPU"
	}
	i.Description = "WebGPU, " + i.Name
	if i.IsSoftware {
		i.Description += " (software)"
	}
	return i
}

// watch keeps device loss and stray errors, which no call would report otherwise.
func (d *device) watch() {
	p := &d.platform
	var lost, fault js.Func
	lost = js.FuncOf(func(_ js.Value, args []js.Value) any {
		lost.Release() // not before: closing the device calls it too
		fault.Release()
		if !d.closed {
			p.lost = fmt.Errorf("webgpu: %w (%s): %s", gpu.ErrDeviceLost, args[0].Get("reason").String(), args[0].Get("message").String())
		}
		return nil
	})
	fault = js.FuncOf(func(_ js.Value, args []js.Value) any {
		if p.fault == nil {
			p.fault = fmt.Errorf("webgpu: %s", args[0].Get("error").Get("message").String())
		}
		return nil
	})
	p.js.Get("lost").Call("then", lost)
	p.js.Call("addEventListener", "uncapturederror", fault)
}

// gone is the error of an operation that only fails when the device is lost. The promise of the
// loss may settle a little later.
func (d *device) gone(cause error) error {
	if err := d.failure(); err != nil {
		return err
	}
	return fmt.Errorf("webgpu: %w: %w", gpu.ErrDeviceLost, cause)
}

func (d *device) failure() error {
	if d.platform.lost != nil {
		return d.platform.lost
	}
	return d.platform.fault
}

// scoped runs f between error scopes, since creation itself never fails in a browser.
func (d *device) scoped(f func() error) error {
	dev := d.platform.js
	dev.Call("pushErrorScope", "out-of-memory")
	dev.Call("pushErrorScope", "validation")
	err := f()
	for _, kind := range []error{nil, gpu.ErrOutOfMemory} {
		fault, scopeErr := Await(context.Background(), dev.Call("popErrorScope"))
		switch {
		case err != nil:
		case scopeErr != nil: // only a device that is gone refuses to say what went wrong
			err = d.gone(scopeErr)
		case fault.Truthy() && kind != nil:
			err = fmt.Errorf("%w: %s", kind, fault.Get("message").String())
		case fault.Truthy():
			err = fmt.Errorf("%s", fault.Get("message").String())
		}
	}
	if err == nil {
		err = d.failure()
	}
	return err
}

func (d *device) write(b *buffer, offset int, data tensor.Bytes) error {
	glue, dev, target := d.platform.glue, d.platform.js, value(b.Buffer)
	if outside, ok := data.(interface{ JS() js.Value }); ok {
		glue.Call("upload", dev, target, offset, outside.JS())
		return d.failure()
	}
	bytes, ok := data.(tensor.GoBytes)
	if !ok {
		bytes = make([]byte, data.Len())
		data.CopyTo(bytes)
	}
	glue.Call("write", dev, target, offset, uintptr(unsafe.Pointer(&bytes[0])), len(bytes))
	runtime.KeepAlive(bytes)
	return d.failure()
}

// A fetch is the promise of bytes.
type fetch struct {
	dev     *device
	promise js.Value
}

func (d *device) fetch(b *buffer, offset, size int) (gpu.Fetch, error) {
	promise := d.platform.glue.Call("read", d.platform.js, value(b.Buffer), offset, size)
	return fetch{d, promise}, nil
}

func (f fetch) Wait(ctx context.Context, dst []byte) error {
	bytes, err := Await(ctx, f.promise)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return f.dev.gone(err) // mapAsync rejects for no other reason
	}
	js.CopyBytesToGo(dst, bytes)
	return f.dev.failure()
}

func (d *device) build(ctx context.Context, kernels []*kernel) ([]*wgpu.ComputePipeline, error) {
	modules, promises := make([]js.Value, len(kernels)), make([]js.Value, len(kernels))
	dev := d.platform.js
	dev.Call("pushErrorScope", "validation") // the rejected promise says it better
	for i, k := range kernels {
		modules[i] = dev.Call("createShaderModule", map[string]any{"code": k.code, "label": k.name})
		promises[i] = dev.Call("createComputePipelineAsync", map[string]any{
			"label": k.name, "layout": value(k.layout.pipeline),
			"compute": map[string]any{"module": modules[i], "entryPoint": "main"},
		})
	}
	popped := dev.Call("popErrorScope")
	made := make([]*wgpu.ComputePipeline, len(kernels))
	var first error
	for i, k := range kernels {
		v, err := Await(ctx, promises[i])
		if err != nil {
			if first == nil {
				first = d.explainJS(ctx, k, modules[i], err)
			}
			continue
		}
		made[i] = wrap[wgpu.ComputePipeline](v)
	}
	if _, err := Await(ctx, popped); err != nil && first == nil {
		first = err
	}
	return made, first
}

// explainJS finds the line that a compiler complains about.
func (d *device) explainJS(ctx context.Context, k *kernel, module js.Value, cause error) error {
	if d.failure() != nil {
		return d.failure()
	}
	info, err := Await(ctx, module.Call("getCompilationInfo"))
	if err == nil {
		messages := info.Get("messages")
		for i := range messages.Length() {
			if m := messages.Index(i); m.Get("type").String() == "error" {
				return k.explain(m.Get("lineNum").Int(), m.Get("message").String())
			}
		}
	}
	return k.explain(0, cause.Error())
}

func (p *program) finish() {
	glue := p.dev.platform.glue
	p.platform.js = glue.Call("program", value(p.uniforms))
	for _, c := range p.commands {
		glue.Call("step", p.platform.js, value(c.pipeline), value(c.group), c.offset, c.groups[0], c.groups[1], c.groups[2])
	}
}

func (p *program) submit(times int) error {
	p.dev.platform.glue.Call("replay", p.dev.platform.js, p.platform.js, times)
	return p.dev.failure()
}

func (p *program) drop() { p.platform.js = js.Undefined() }

func (d *device) shut() {
	d.platform.js.Call("destroy")
}

// Await waits for a promise. A rejection is an error that carries the reason's text; the end of
// ctx is its error. It must not be called on the event loop itself, only from a goroutine.
func Await(ctx context.Context, promise js.Value) (js.Value, error) {
	type outcome struct {
		value js.Value
		err   error
	}
	done := make(chan outcome, 1)
	var resolve, reject js.Func
	settle := func(o outcome) {
		resolve.Release()
		reject.Release()
		done <- o
	}
	resolve = js.FuncOf(func(_ js.Value, args []js.Value) any {
		settle(outcome{value: args[0]})
		return nil
	})
	reject = js.FuncOf(func(_ js.Value, args []js.Value) any {
		settle(outcome{err: js.Error{Value: args[0]}})
		return nil
	})
	promise.Call("then", resolve, reject)
	select {
	case o := <-done:
		return o.value, o.err
	case <-ctx.Done():
		return js.Undefined(), context.Cause(ctx)
	}
}

// The binding wraps each GPU object in a struct of one js.Value and gives no access to it. These
// two are the only place that relies on that.

func value[T any](p *T) js.Value {
	if unsafe.Sizeof(*p) != unsafe.Sizeof(js.Value{}) {
		panic("webgpu: the binding's types have changed")
	}
	return *(*js.Value)(unsafe.Pointer(p))
}

func wrap[T any](v js.Value) *T {
	if unsafe.Sizeof(*new(T)) != unsafe.Sizeof(v) {
		panic("webgpu: the binding's types have changed")
	}
	return (*T)(unsafe.Pointer(&v))
}
