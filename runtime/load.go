// Package runtime brings a model's address and a device together: what the loader delivers goes to
// the device, and the model that stands on it is checked before anyone uses it. It is the wiring
// that the browser engine and the command line share; it knows neither of them, and the only error
// codes of the project are in its table.
package runtime

import (
	"context"
	"fmt"

	"flamingo/gpu"
	"flamingo/loader"
	"flamingo/model"
	"flamingo/tensor"
	"flamingo/tokenizer"
)

// Phases of a load, in order.
const (
	PhaseManifest = loader.PhaseManifest
	PhaseFetch    = loader.PhaseFetch // from the source or the store to the device
	PhaseCompile  = "compile"
	PhaseSelfTest = "selftest"
	PhaseReady    = "ready"
)

// Options say which model to load and where its bytes may come from.
type Options struct {
	Location string        // address of the model's directory or of its manifest
	Source   loader.Source // nil is loader.NewSource(Location)
	Store    loader.Store  // nil keeps nothing
	Offline  bool          // never use the Source
	// Progress is told of every phase and of every step of fetching, in bytes of the model's files;
	// total is 0 until the manifest is read. Calls never overlap.
	Progress func(phase string, loaded, total, fromCache int64)
}

// Loaded is a model ready for use on its device.
type Loaded struct {
	Model    *model.Flamingo
	Manifest *loader.Manifest
	Result   loader.Result
	Notices  []string // for people: what went otherwise than hoped, but not wrong
}

// Load fetches a model to the device, compiles its kernels and runs its self-test. What the
// manifest declares is checked against the model's configuration and the device's limits before
// anything is allocated or fetched from it. On an error nothing of the model stays on the device.
func Load(ctx context.Context, dev gpu.Device, o Options) (*Loaded, error) {
	if o.Progress == nil {
		o.Progress = func(string, int64, int64, int64) {}
	}
	if o.Source == nil && !o.Offline {
		var err error
		if o.Source, err = loader.NewSource(o.Location); err != nil {
			return nil, err
		}
	}
	o.Progress(PhaseManifest, 0, 0, 0)
	files := loader.FetchOptions{Source: o.Source, Store: o.Store, Offline: o.Offline}
	fetched, err := loader.FetchManifest(ctx, o.Location, files)
	if err != nil {
		return nil, err
	}
	l := &Loaded{Manifest: fetched.Manifest}
	if fetched.Notice != "" {
		l.Notices = append(l.Notices, fetched.Notice)
	}
	config, err := Config(l.Manifest)
	if err != nil {
		return nil, err
	}
	if err := fits(dev.Info(), l.Manifest); err != nil {
		return nil, err
	}
	words, err := loadTokenizer(ctx, l.Manifest, files)
	if err != nil {
		return nil, err
	}
	if err := l.fill(ctx, dev, config, words, o); err != nil {
		return nil, err
	}
	if err := l.prepare(ctx, o); err != nil {
		l.Model.Close()
		return nil, err
	}
	return l, nil
}

// Config is the model's configuration in a manifest, with every tensor that the manifest declares
// checked against it. Errors wrap model.ErrConfig or model.ErrWeights.
func Config(m *loader.Manifest) (model.Config, error) {
	c, err := model.ParseConfig(m.Config)
	if err != nil {
		return c, fmt.Errorf("%s: %w", m.Name, err)
	}
	shapes, dtypes := map[string]tensor.Shape{}, map[string]tensor.DType{}
	for _, t := range m.Tensors {
		shapes[t.Name], dtypes[t.Name] = t.Shape, t.DType
	}
	if err := model.CheckSpec(c, shapes, dtypes); err != nil {
		return c, fmt.Errorf("%s: %w", m.Name, err)
	}
	return c, nil
}

// fits refuses a model of which the device cannot hold one tensor. A limit of 0 is none.
func fits(i gpu.Info, m *loader.Manifest) error {
	for _, limit := range []struct {
		name  string
		bytes int
	}{{"buffer", i.MaxBuffer}, {"binding", i.MaxBinding}} {
		for _, t := range m.Tensors {
			if limit.bytes > 0 && t.Bytes > int64(limit.bytes) {
				return fmt.Errorf("%s: %s has %d bytes, %s takes at most %d in one %s: %w; use a smaller model, another GPU or the CPU",
					m.Name, t.Name, t.Bytes, i.Description, limit.bytes, limit.name, gpu.ErrLimits)
			}
		}
	}
	return nil
}

// loadTokenizer returns nil for a model without one.
func loadTokenizer(ctx context.Context, m *loader.Manifest, files loader.FetchOptions) (*tokenizer.Tokenizer, error) {
	if m.Tokenizer == nil {
		return nil, nil
	}
	data, err := loader.LoadFile(ctx, *m.Tokenizer, files)
	if err != nil {
		return nil, err
	}
	words, err := tokenizer.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s: %w", m.Name, model.ErrConfig, m.Tokenizer.Path, err)
	}
	return words, nil
}

// fill brings the weights to the device and builds the model of them.
func (l *Loaded) fill(ctx context.Context, dev gpu.Device, c model.Config, words *tokenizer.Tokenizer, o Options) (err error) {
	tensors := map[string]gpu.Tensor{}
	defer func() {
		if err != nil {
			for _, t := range tensors {
				t.Free(dev)
			}
		}
	}()
	sink := func(p loader.Piece) error {
		t, ok := tensors[p.Tensor.Name]
		if !ok {
			var err error
			if t, err = gpu.Alloc(dev, p.Tensor.Name, p.Tensor.DType, p.Tensor.Shape...); err != nil {
				return err
			}
			tensors[p.Tensor.Name] = t
		}
		return t.Write(dev, int(p.Offset), p.Data)
	}
	l.Result, err = loader.Load(ctx, loader.LoadOptions{
		Manifest: l.Manifest, Source: o.Source, Store: o.Store, Offline: o.Offline,
		Progress: func(p loader.Progress) { o.Progress(p.Phase, p.Loaded, p.Total, p.FromCache) },
	}, sink)
	if err != nil {
		return err
	}
	l.Notices = append(l.Notices, l.Result.Notices...)
	l.Model, err = model.New(dev, c, tensors, words)
	return err
}

// prepare makes the first caption as fast as the later ones, and refuses a device that computes
// wrong numbers.
func (l *Loaded) prepare(ctx context.Context, o Options) error {
	total := l.Manifest.Bytes()
	phase := func(name string) { o.Progress(name, total, total, l.Result.FromCache) }
	phase(PhaseCompile)
	s, err := l.Model.NewSession(ctx, 1, 1)
	if err != nil {
		return err
	}
	s.Close()
	if len(l.Manifest.Selftest) > 0 {
		phase(PhaseSelfTest)
		if err := l.Model.CheckSelfTest(ctx, l.Manifest.Selftest); err != nil {
			return err
		}
	}
	phase(PhaseReady)
	return nil
}
