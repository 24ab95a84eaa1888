package main

import (
	"context"
	"maps"
	"slices"
	"syscall/js"

	"flamingo/gpu"
	"flamingo/gpu/webgpu"
	"flamingo/loader"
	"flamingo/runtime"
)

// A deviceReport is what a page may want to know of WebGPU.
type deviceReport struct {
	WebGPU   bool     `json:"webgpu"`
	Fallback bool     `json:"fallback"`
	Features []string `json:"features,omitzero"`
	Adapter  *adapter `json:"adapter,omitempty"`
	Limits   *limits  `json:"limits,omitempty"`
	Reason   string   `json:"reason,omitempty"`
	Message  string   `json:"message,omitempty"`
	Hint     string   `json:"hint,omitempty"`
}

type adapter struct {
	Vendor       string `json:"vendor"`
	Architecture string `json:"architecture"`
	Device       string `json:"device"`
	Description  string `json:"description"`
}

type limits struct {
	MaxBufferSize               int `json:"maxBufferSize"`
	MaxStorageBufferBindingSize int `json:"maxStorageBufferBindingSize"`
}

func (e *engine) probe(c call) (any, error) {
	dev, err := webgpu.Open(c.ctx, webgpu.Options{})
	if err != nil {
		reason := toJS(err)
		return deviceReport{Reason: reason.Get("code").String(), Message: err.Error(), Hint: reason.Get("hint").String()}, nil
	}
	defer dev.Close()
	i := dev.Info()
	return deviceReport{
		WebGPU: true, Fallback: i.IsSoftware, Features: list(i.Features),
		Adapter: &adapter{i.Vendor, i.Architecture, i.Model, i.Name}, Limits: &limits{i.MaxBuffer, i.MaxBinding},
	}, nil
}

// list is a slice that becomes an array even if it is nil.
func list[T any](s []T) []T { return append([]T{}, s...) }

func (e *engine) load(c call) (any, error) {
	var o struct {
		Device, Cache string
		Offline       bool
	}
	if err := decode("load", c.arg(1), &o); err != nil {
		return nil, err
	}
	location := c.arg(0).String()
	source, err := loader.NewSource(location)
	if err != nil {
		return nil, err
	}
	store, closeStore := openStore(c.ctx, o.Cache)
	defer closeStore()
	dev, err := openDevice(c.ctx, o.Device)
	if err != nil {
		return nil, err
	}
	m, err := runtime.Load(c.ctx, dev, runtime.Options{
		Location: location, Source: source, Store: store, Offline: o.Offline,
		Progress: func(phase string, loaded, total, fromCache int64) {
			c.hook("onProgress", progress{phase, loaded, total, fromCache})
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
	return struct {
		Handle int  `json:"handle"`
		Info   info `json:"info"`
	}{e.last, l.info(dev.Info())}, nil
}

type progress struct {
	Phase     string `json:"phase"`
	Loaded    int64  `json:"loaded"`
	Total     int64  `json:"total"`
	FromCache int64  `json:"fromCache"`
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

// info is what a page may want to know of a model.
type info struct {
	Name       string            `json:"name"`
	Revision   string            `json:"revision"`
	Bytes      int64             `json:"bytes"`
	Parameters int64             `json:"parameters"`
	Device     string            `json:"device"`
	Adapter    string            `json:"adapter"`
	Features   []string          `json:"features"`
	Fallback   bool              `json:"fallback"`
	DType      string            `json:"dtype"`
	Licences   []loader.Licence  `json:"licences"`
	Prompts    map[string]string `json:"prompts"`
	ImageSize  int               `json:"imageSize"`
	Embedding  int               `json:"embedding"`
	Frames     int               `json:"frames"`
	MaxFrames  int               `json:"maxFrames"`
	Positions  int               `json:"positions"`
	Tokenizer  bool              `json:"tokenizer"`
	ImageToken int32             `json:"imageToken"`
	Cached     bool              `json:"cached"`
	Notices    []string          `json:"notices"`
}

func (l *loaded) info(i gpu.Info) info {
	return info{
		Name: l.Manifest.Name, Revision: l.Manifest.Revision, Bytes: l.Manifest.Bytes(), Parameters: l.Manifest.Parameters(),
		Device: i.Kind, Adapter: i.Name, Features: list(i.Features), Fallback: i.IsSoftware, DType: l.dtype(),
		Licences: list(l.Manifest.Licences), Prompts: l.Model.Config.Prompts, ImageSize: l.Model.Config.Preprocess.Size,
		Embedding: l.Model.Config.Vision.EmbeddingLen(), Frames: max(1, l.Model.Config.Resampler.Frames), MaxFrames: l.Model.Config.Resampler.MaxFrames(),
		Positions: l.Model.Config.LM.MaxPositions,
		Tokenizer: l.Model.Tokenizer != nil, ImageToken: l.Model.Config.Tokens.Image, Cached: l.Result.Cached, Notices: list(l.Notices),
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
