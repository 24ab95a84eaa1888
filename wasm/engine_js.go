package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"syscall/js"
	"time"

	"flamingo/gpu"
	"flamingo/gpu/webgpu"
	"flamingo/loader"
	"flamingo/model"
	"flamingo/runtime"
)

// engine holds the models that the page has loaded. Each has a device of its own, so that losing
// one does not touch the others.
type engine struct {
	mutex  sync.Mutex
	models map[int]*loaded
	last   int
}

// loaded is a model ready to run. One caption runs at a time.
type loaded struct {
	mutex sync.Mutex
	*runtime.Loaded
	captioner *model.Captioner
	closed    bool
}

func (e *engine) probe(c call) (any, error) {
	dev, err := webgpu.Open(c.ctx, webgpu.Options{})
	if err != nil {
		reason := toJS(err)
		return map[string]any{"webgpu": false, "reason": reason.Get("code"), "message": err.Error(), "hint": reason.Get("hint")}, nil
	}
	defer dev.Close()
	return report(dev.Info()), nil
}

// report is what a page may want to know of a device.
func report(i gpu.Info) map[string]any {
	return map[string]any{
		"webgpu": true, "fallback": i.IsSoftware, "features": array(i.Features),
		"adapter": map[string]any{"vendor": i.Vendor, "architecture": i.Architecture, "device": i.Model, "description": i.Name},
		"limits":  map[string]any{"maxBufferSize": i.MaxBuffer, "maxStorageBufferBindingSize": i.MaxBinding},
	}
}

func array(list []string) []any {
	out := []any{}
	for _, s := range list {
		out = append(out, s)
	}
	return out
}

func (e *engine) load(c call) (any, error) {
	device, cache, offline := "auto", "indexeddb", false
	err := decode("load", c.arg(1),
		text("device", &device, "auto", "webgpu", "cpu"), text("cache", &cache, "indexeddb", "none"), boolean("offline", &offline))
	if err != nil {
		return nil, err
	}
	location := c.arg(0).String()
	source, err := loader.NewSource(location)
	if err != nil {
		return nil, err
	}
	store, closeStore := openStore(c.ctx, cache)
	defer closeStore()
	dev, err := openDevice(c.ctx, device)
	if err != nil {
		return nil, err
	}
	hooks := c.arg(2)
	m, err := runtime.Load(c.ctx, dev, runtime.Options{
		Location: location, Source: source, Store: store, Offline: offline,
		Progress: func(phase string, loaded, total, fromCache int64) {
			hook(hooks, "onProgress", map[string]any{"phase": phase, "loaded": loaded, "total": total, "fromCache": fromCache})
		},
	})
	if err != nil {
		dev.Close()
		return nil, err
	}
	l := &loaded{Loaded: m, captioner: m.Model.NewCaptioner()}
	e.mutex.Lock()
	defer e.mutex.Unlock()
	e.last++
	e.models[e.last] = l
	return map[string]any{"handle": e.last, "info": l.info(dev.Info())}, nil
}

// openStore opens the cache. Where there is none, as in a private window, the model is used
// without being kept.
func openStore(ctx context.Context, cache string) (loader.Store, func()) {
	if cache == "none" {
		return nil, func() {}
	}
	db, err := loader.OpenIndexedDB(ctx)
	if err != nil {
		js.Global().Get("console").Call("warn", "flamingo: the model will not be cached: "+err.Error())
		return nil, func() {}
	}
	return db, db.Close
}

// openDevice opens what the option asks for; "auto" is WebGPU, which never gives way silently.
func openDevice(ctx context.Context, device string) (gpu.Device, error) {
	if device == "cpu" {
		return gpu.NewCPU(), nil
	}
	return webgpu.Open(ctx, webgpu.Options{})
}

func (l *loaded) info(i gpu.Info) map[string]any {
	licences := []any{}
	for _, x := range l.Manifest.Licences {
		licences = append(licences, map[string]any{"component": x.Component, "spdx": x.SPDX, "url": x.URL})
	}
	prompts := map[string]any{}
	for task, template := range l.Model.Config.Prompts {
		prompts[task] = template
	}
	return map[string]any{
		"name": l.Manifest.Name, "revision": l.Manifest.Revision, "bytes": l.Manifest.Bytes(),
		"parameters": l.Manifest.Parameters(), "device": i.Kind, "adapter": i.Name, "features": array(i.Features),
		"fallback": i.IsSoftware, "dtype": l.dtype(), "licences": licences, "prompts": prompts,
		"imageSize": l.Model.Config.Preprocess.Size, "tokenizer": l.Model.Tokenizer != nil,
		"imageToken": l.Model.Config.Tokens.Image, "cached": l.Result.Cached, "notices": array(l.Notices),
	}
}

// dtype is the format that holds most of the bytes.
func (l *loaded) dtype() string {
	bytes := map[string]int64{}
	for _, t := range l.Manifest.Tensors {
		bytes[t.DType.String()] += t.Bytes
	}
	return slices.MaxFunc(slices.Sorted(maps.Keys(bytes)), func(a, b string) int { return int(bytes[a] - bytes[b]) })
}

// take finds a model and waits for its turn.
func (e *engine) take(c call) (*loaded, error) {
	e.mutex.Lock()
	var l *loaded
	if handle := c.arg(0); handle.Type() == js.TypeNumber {
		l = e.models[handle.Int()]
	}
	e.mutex.Unlock()
	if l == nil {
		return nil, fmt.Errorf("%w: %s: there is no such model; it may have been disposed of", model.ErrOption, c.name)
	}
	l.mutex.Lock()
	if l.closed {
		l.mutex.Unlock()
		return nil, fmt.Errorf("%w: %s: the model has been disposed of", model.ErrOption, c.name)
	}
	return l, nil
}

func (e *engine) caption(c call) (any, error) {
	l, err := e.take(c)
	if err != nil {
		return nil, err
	}
	defer l.mutex.Unlock()
	var o model.CaptionOptions
	seed := 0
	if err := decode("caption", c.arg(2), prompt("prompt", &o.Prompt, &o.IDs), integer("maxTokens", &o.MaxTokens),
		number("temperature", &o.Temperature), integer("topK", &o.TopK), number("topP", &o.TopP), integer("seed", &seed)); err != nil {
		return nil, err
	}
	o.Seed = uint64(seed)
	img := c.arg(1)
	if img.Type() != js.TypeObject || img.Get("data").Type() != js.TypeObject {
		return nil, fmt.Errorf("%w: caption: image is not {data, width, height}", model.ErrOption)
	}
	hooks := c.arg(3)
	out, err := l.captioner.Caption(c.ctx, model.Picture(model.Image{
		Width: img.Get("width").Int(), Height: img.Get("height").Int(), Pixels: pixels{img.Get("data")},
	}), o, func(t model.Token) {
		hook(hooks, "onPiece", map[string]any{"text": t.Text, "id": t.ID})
	})
	if err != nil {
		return nil, err
	}
	ids := []any{}
	for _, id := range out.IDs {
		ids = append(ids, id)
	}
	return map[string]any{"text": out.Text, "ids": ids, "finish": string(out.Finish), "stats": statsToJS(out.Stats)}, nil
}

func statsToJS(s model.Stats) map[string]any {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	rate := 0.0
	if s.Tokens > 1 && s.Decode > 0 {
		rate = float64(s.Tokens-1) / s.Decode.Seconds()
	}
	return map[string]any{
		"visionMs": ms(s.Vision), "prefillMs": ms(s.Prefill), "decodeMs": ms(s.Decode), "tokens": s.Tokens, "tokensPerSecond": rate,
	}
}

func (e *engine) dispose(c call) (any, error) {
	l, err := e.take(c)
	if err != nil {
		return nil, err
	}
	defer l.mutex.Unlock()
	l.closed = true
	l.captioner.Close()
	l.Model.Close()
	l.Model.Device().Close()
	e.mutex.Lock()
	defer e.mutex.Unlock()
	delete(e.models, c.arg(0).Int())
	return nil, nil
}

func (e *engine) isCached(c call) (any, error) {
	store, closeStore := openStore(c.ctx, "indexeddb")
	defer closeStore()
	if store == nil {
		return map[string]any{"cached": false, "bytes": 0, "total": 0}, nil
	}
	s, err := loader.IsCached(c.ctx, store, c.arg(0).String())
	return map[string]any{"cached": s.Cached, "bytes": s.Bytes, "total": s.Total}, err
}

func (e *engine) clearCache(c call) (any, error) {
	store, closeStore := openStore(c.ctx, "indexeddb")
	defer closeStore()
	if store == nil {
		return map[string]any{"bytes": 0}, nil
	}
	location := ""
	if c.arg(0).Type() == js.TypeString {
		location = c.arg(0).String()
	}
	n, err := loader.ClearCache(c.ctx, store, location)
	return map[string]any{"bytes": n}, err
}

// stats counts what all models hold now.
func (e *engine) stats(call) (any, error) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	var sum gpu.Stats
	for _, l := range e.models {
		s := l.Model.Device().Stats()
		sum.Buffers += s.Buffers
		sum.Bytes += s.Bytes
	}
	memory := js.Global().Get("wasm").Get("instance").Get("exports").Get("mem").Get("buffer").Get("byteLength").Int()
	return map[string]any{"gpuBuffers": sum.Buffers, "gpuBytes": sum.Bytes, "wasmBytes": memory}, nil
}
