//go:build !js

package convert

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"flamingo/gpu"
	"flamingo/loader"
	"flamingo/model"
	"flamingo/tensor"
)

// Options are the choices of a conversion.
type Options struct {
	Out      string // directory to write; it must not hold a model, unless Replace
	Replace  bool
	Name     string
	DType    tensor.DType // of the large matrices
	Licences []loader.Licence
	Check    bool // read the result again and prove it
	Progress func(tensor string, done, total int)
}

// A Report says what became of each tensor.
type Report struct {
	Manifest   *loader.Manifest
	Tensors    []TensorReport
	Divergence *Divergence // of the logits; only of small models, or after a check
}

// selfTestParameters is the largest model for which a conversion also runs the model.
const selfTestParameters = 50_000_000

// Write converts the checkpoint into a directory that the runtime serves from.
func (c *Checkpoint) Write(ctx context.Context, o Options) (*Report, error) {
	report := &Report{}
	var list []loader.Weight
	spec := model.Spec(c.Config)
	for _, e := range spec {
		d := Storage(e, o.DType)
		list = append(list, loader.Weight{Name: e.Name, DType: d, Shape: e.Shape, Data: func() ([]byte, error) {
			if err := ctx.Err(); err != nil {
				return nil, context.Cause(ctx)
			}
			if o.Progress != nil {
				o.Progress(e.Name, len(report.Tensors), len(spec))
			}
			t, r, err := pack(c.rules, e, d)
			if err != nil {
				return nil, err
			}
			report.Tensors = append(report.Tensors, r)
			return t.Data, nil
		}})
	}
	config, err := json.Marshal(c.Config)
	if err != nil {
		return nil, err
	}
	var selftest json.RawMessage
	small := c.Config.Parameters() <= selfTestParameters
	if small {
		if selftest, err = c.selfTest(ctx, o.DType); err != nil {
			return nil, err
		}
	}
	report.Manifest, err = loader.Write(loader.WriteOptions{
		Dir: o.Out, Replace: o.Replace, Name: o.Name, Config: config, Tokenizer: c.Tokenizer, Selftest: selftest,
		Licences: append(slices.Clone(c.Licences), o.Licences...),
	}, list)
	if err != nil {
		return nil, err
	}
	switch {
	case o.Check:
		d, err := c.Check(ctx, o.Out, report)
		if err != nil {
			return nil, fmt.Errorf("convert: the check of %s failed, do not use it: %w", o.Out, err)
		}
		report.Divergence = &d
	case small:
		report.Divergence, err = c.divergeInMemory(ctx, o.DType)
	}
	return report, err
}

// divergeInMemory compares the logits of a small model with those of its f32 form.
func (c *Checkpoint) divergeInMemory(ctx context.Context, d tensor.DType) (*Divergence, error) {
	var logits [2][]float32
	for i, d := range []tensor.DType{d, tensor.F32} {
		var err error
		logits[i], err = c.logits(ctx, func(dev gpu.Device, e model.Entry) (gpu.Tensor, error) {
			t, _, err := pack(c.rules, e, Storage(e, d))
			if err != nil {
				return gpu.Tensor{}, err
			}
			return gpu.Upload(dev, e.Name, t)
		})
		if err != nil {
			return nil, err
		}
	}
	found := compareLogits(logits[0], logits[1])
	return &found, nil
}

// selfTest runs the converted model on the CPU.
func (c *Checkpoint) selfTest(ctx context.Context, d tensor.DType) (json.RawMessage, error) {
	dev := gpu.NewCPU()
	defer dev.Close()
	m, err := c.Upload(dev, d)
	if err != nil {
		return nil, err
	}
	test, err := m.NewSelfTest(ctx)
	if err != nil {
		return nil, err
	}
	return json.Marshal(test)
}

// Write converts the encoder into a directory that holds it alone.
func (t *Tower) Write(ctx context.Context, o Options) (*Report, error) {
	report := &Report{}
	var list []loader.Weight
	for _, e := range model.VisionSpec(t.Config.Vision) {
		d := Storage(e, o.DType)
		list = append(list, loader.Weight{Name: e.Name, DType: d, Shape: e.Shape, Data: func() ([]byte, error) {
			packed, r, err := pack(t.rules, e, d)
			if err != nil {
				return nil, err
			}
			report.Tensors = append(report.Tensors, r)
			return packed.Data, ctx.Err()
		}})
	}
	config, err := json.Marshal(t.Config)
	if err != nil {
		return nil, err
	}
	report.Manifest, err = loader.Write(loader.WriteOptions{
		Dir: o.Out, Replace: o.Replace, Name: o.Name, Config: config, Licences: append(slices.Clone(t.Licences), o.Licences...),
	}, list)
	return report, err
}
