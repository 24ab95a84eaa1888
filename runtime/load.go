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

// A Delivery is what a load brought, and from where.
type Delivery struct {
	Manifest *loader.Manifest
	Result   loader.Result
	Notices  []string // for people: what went otherwise than hoped, but not wrong

	files loader.FetchOptions
}

// Loaded is a model ready for use on its device.
type Loaded struct {
	Model *model.Flamingo
	Delivery
}

// Load fetches a model to the device, compiles its kernels and runs its self-test. What the
// manifest declares is checked against the model's configuration and the device's limits before
// anything is allocated or fetched from it. On an error nothing of the model stays on the device.
// A vision encoder alone is ErrTower.
func Load(ctx context.Context, dev gpu.Device, o Options) (*Loaded, error) {
	d, err := o.begin(ctx)
	if err != nil {
		return nil, err
	}
	l := &Loaded{Delivery: d}
	config, err := Config(l.Manifest)
	if err != nil {
		return nil, err
	}
	if err := l.fits(dev, func(t *trial) error { return t.caption(ctx, l.Manifest, config) }); err != nil {
		return nil, err
	}
	words, err := l.tokenizer(ctx)
	if err != nil {
		return nil, err
	}
	tensors, err := l.fill(ctx, dev, o)
	if err != nil {
		return nil, err
	}
	if l.Model, err = model.New(dev, config, tensors, words); err != nil {
		free(dev, tensors)
		return nil, err
	}
	if err := l.prepare(ctx, o); err != nil {
		l.Model.Close()
		return nil, err
	}
	return l, nil
}

// begin fills in what the options leave out and fetches the manifest.
func (o *Options) begin(ctx context.Context) (d Delivery, err error) {
	if o.Progress == nil {
		o.Progress = func(string, int64, int64, int64) {}
	}
	if o.Source == nil && !o.Offline {
		if o.Source, err = loader.NewSource(o.Location); err != nil {
			return d, err
		}
	}
	o.Progress(PhaseManifest, 0, 0, 0)
	d.files = loader.FetchOptions{Source: o.Source, Store: o.Store, Offline: o.Offline}
	fetched, err := loader.FetchManifest(ctx, o.Location, d.files)
	if err != nil {
		return d, err
	}
	d.Manifest = fetched.Manifest
	if fetched.Notice != "" {
		d.Notices = append(d.Notices, fetched.Notice)
	}
	return d, nil
}

// Config is the model's configuration in a manifest, with every tensor that the manifest declares
// checked against it. Errors wrap model.ErrConfig or model.ErrWeights; a vision encoder alone is
// ErrTower.
func Config(m *loader.Manifest) (model.Config, error) {
	c, err := model.ParseConfig(m.Config)
	if err != nil {
		if _, tower := model.ParseTowerConfig(m.Config); tower == nil {
			err = ErrTower
		}
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

// fits refuses a model that the device cannot run: record puts on trial what it is wanted for.
func (d *Delivery) fits(dev gpu.Device, record func(*trial) error) error {
	t := newTrial(dev.Info())
	if err := record(t); err != nil {
		return fmt.Errorf("%s: %w", d.Manifest.Name, err)
	}
	return t.verdict(d.Manifest)
}

// tokenizer is nil for a model without one.
func (d *Delivery) tokenizer(ctx context.Context) (*tokenizer.Tokenizer, error) {
	file := d.Manifest.Tokenizer
	if file == nil {
		return nil, nil
	}
	data, err := loader.LoadFile(ctx, *file, d.files)
	if err != nil {
		return nil, err
	}
	words, err := tokenizer.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s: %w", d.Manifest.Name, model.ErrConfig, file.Path, err)
	}
	return words, nil
}

// fill brings the weights to the device.
func (d *Delivery) fill(ctx context.Context, dev gpu.Device, o Options) (tensors map[string]gpu.Tensor, err error) {
	tensors = map[string]gpu.Tensor{}
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
	d.Result, err = loader.Load(ctx, loader.LoadOptions{
		Manifest: d.Manifest, Source: o.Source, Store: o.Store, Offline: o.Offline,
		Progress: func(p loader.Progress) { o.Progress(p.Phase, p.Loaded, p.Total, p.FromCache) },
	}, sink)
	if err != nil {
		free(dev, tensors)
		return nil, err
	}
	d.Notices = append(d.Notices, d.Result.Notices...)
	return tensors, nil
}

func free(dev gpu.Device, tensors map[string]gpu.Tensor) {
	for _, t := range tensors {
		t.Free(dev)
	}
}

// tell reports a phase that begins when all bytes are there.
func (d *Delivery) tell(o Options, phase string) {
	total := d.Manifest.Bytes()
	o.Progress(phase, total, total, d.Result.FromCache)
}

// prepare makes the first caption as fast as the later ones, and refuses a device that computes
// wrong numbers.
func (l *Loaded) prepare(ctx context.Context, o Options) error {
	l.tell(o, PhaseCompile)
	s, err := l.Model.NewSession(ctx, model.Room{Tokens: 1, Images: 1})
	if err != nil {
		return err
	}
	s.Close()
	if len(l.Manifest.Selftest) > 0 {
		l.tell(o, PhaseSelfTest)
		if err := l.Model.CheckSelfTest(ctx, l.Manifest.Selftest); err != nil {
			return err
		}
	}
	l.tell(o, PhaseReady)
	return nil
}
