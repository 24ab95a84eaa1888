package main

import (
	"fmt"
	"sync"
	"syscall/js"

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

// loaded is a model ready to run. One prompt runs at a time.
type loaded struct {
	mutex sync.Mutex
	*runtime.Loaded
	captioner *model.Captioner
	closed    bool
}

// find gives the model that a call names.
func (e *engine) find(c call) (*loaded, error) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	if handle := c.arg(0); handle.Type() == js.TypeNumber && e.models[handle.Int()] != nil {
		return e.models[handle.Int()], nil
	}
	return nil, fmt.Errorf("%w: %s: there is no such model; it may have been disposed of", model.ErrOption, c.name)
}

// take finds a model and waits for its turn.
func (e *engine) take(c call) (*loaded, error) {
	l, err := e.find(c)
	if err != nil {
		return nil, err
	}
	l.mutex.Lock()
	if l.closed {
		l.mutex.Unlock()
		return nil, fmt.Errorf("%w: %s: the model has been disposed of", model.ErrOption, c.name)
	}
	return l, nil
}

// generate writes what follows a prompt: greedily, by sampling, or with beams the likeliest texts.
func (e *engine) generate(c call) (any, error) {
	l, err := e.take(c)
	if err != nil {
		return nil, err
	}
	defer l.mutex.Unlock()
	var o struct {
		request
		writing
		Beams         int
		LengthPenalty float64
		N             int
	}
	if err := decode(c.name, c.arg(1), &o); err != nil {
		return nil, err
	}
	q := job{call: c, loaded: l, logProbs: o.LogProbs}
	if q.prompt, err = q.promptOf(&o.request); err != nil {
		return nil, err
	}
	if o.Beams > 0 {
		return q.search(model.BeamOptions{
			Beams: o.Beams, LengthPenalty: o.LengthPenalty, N: o.N, MaxTokens: o.MaxTokens, MinTokens: o.MinTokens, Stop: o.Stop, Banned: o.Banned,
		})
	}
	return q.write(o.options())
}

// writing is the options of a text, as JavaScript names them.
type writing struct {
	MaxTokens, MinTokens int
	Temperature, TopP    float64
	TopK                 int
	RepetitionPenalty    float64
	Seed                 uint64
	Stop                 []string
	Banned               []int32
	LogProbs             bool
}

func (w writing) options() model.Options {
	return model.Options{
		MaxTokens: w.MaxTokens, MinTokens: w.MinTokens, Temperature: w.Temperature, TopK: w.TopK, TopP: w.TopP,
		Repetition: w.RepetitionPenalty, Seed: w.Seed, Stop: w.Stop, Banned: w.Banned, LogProbs: w.LogProbs,
	}
}

// batch writes what follows one prompt about each of many pictures.
func (e *engine) batch(c call) (any, error) {
	l, err := e.take(c)
	if err != nil {
		return nil, err
	}
	defer l.mutex.Unlock()
	var o struct {
		request
		writing
	}
	if err := decode(c.name, c.arg(1), &o); err != nil {
		return nil, err
	}
	q := job{call: c, loaded: l, logProbs: o.LogProbs}
	var prompts []model.Prompt
	for _, o.Query = range o.Queries {
		p, err := q.promptOf(&o.request)
		if err != nil {
			return nil, err
		}
		prompts = append(prompts, p)
	}
	return q.writeAll(prompts, o.options())
}

// score tells how likely each of some texts is behind a prompt.
func (e *engine) score(c call) (any, error) {
	l, err := e.take(c)
	if err != nil {
		return nil, err
	}
	defer l.mutex.Unlock()
	var o struct {
		request
		Texts []string
	}
	if err := decode(c.name, c.arg(1), &o); err != nil {
		return nil, err
	}
	q := job{call: c, loaded: l, logProbs: true}
	ids, err := answers(l.Model, o.Task, o.Texts)
	if err != nil {
		return nil, err
	}
	if q.prompt, err = q.promptOf(&o.request); err != nil {
		return nil, err
	}
	return q.compare(o.Texts, ids)
}

// count gives the number of tokens of a prompt. It looks at no picture, so it waits for no turn.
func (e *engine) count(c call) (any, error) {
	l, err := e.find(c)
	if err != nil {
		return nil, err
	}
	var o request
	if err := decode(c.name, c.arg(1), &o); err != nil {
		return nil, err
	}
	p, err := (&job{call: c, loaded: l}).promptOf(&o)
	return len(p.IDs), err
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
	var s struct {
		Cached bool  `json:"cached"`
		Bytes  int64 `json:"bytes"`
		Total  int64 `json:"total"`
	}
	store, closeStore := openStore(c.ctx, "indexeddb")
	defer closeStore()
	if store == nil {
		return s, nil
	}
	state, err := loader.IsCached(c.ctx, store, c.arg(0).String())
	s.Cached, s.Bytes, s.Total = state.Cached, state.Bytes, state.Total
	return s, err
}

func (e *engine) clearCache(c call) (any, error) {
	var freed struct {
		Bytes int64 `json:"bytes"`
	}
	store, closeStore := openStore(c.ctx, "indexeddb")
	defer closeStore()
	if store == nil {
		return freed, nil
	}
	location := ""
	if c.arg(0).Type() == js.TypeString {
		location = c.arg(0).String()
	}
	var err error
	freed.Bytes, err = loader.ClearCache(c.ctx, store, location)
	return freed, err
}

// stats counts what all models hold now.
func (e *engine) stats(call) (any, error) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	var sum struct {
		Buffers int `json:"gpuBuffers"`
		Bytes   int `json:"gpuBytes"`
		Wasm    int `json:"wasmBytes"`
	}
	for _, l := range e.models {
		s := l.Model.Device().Stats()
		sum.Buffers += s.Buffers
		sum.Bytes += s.Bytes
	}
	sum.Wasm = js.Global().Get("wasm").Get("instance").Get("exports").Get("mem").Get("buffer").Get("byteLength").Int()
	return sum, nil
}
