//go:build !js

package convert

import (
	"context"
	"encoding/json"

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
}

// A Report says what became of each tensor.
type Report struct {
	Manifest *loader.Manifest
	Tensors  []TensorReport
}

// selfTestParameters is the largest model for which a conversion also runs the model.
const selfTestParameters = 50_000_000

// Write converts the checkpoint into a directory that the runtime serves from.
func (c *Checkpoint) Write(ctx context.Context, o Options) (*Report, error) {
	report := &Report{}
	var list []loader.Weight
	for _, e := range model.Spec(c.Config) {
		d := Storage(e, o.DType)
		list = append(list, loader.Weight{Name: e.Name, DType: d, Shape: e.Shape, Data: func() ([]byte, error) {
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
	if c.Config.Parameters() <= selfTestParameters {
		if selftest, err = c.selfTest(ctx, o.DType); err != nil {
			return nil, err
		}
	}
	report.Manifest, err = loader.Write(loader.WriteOptions{
		Dir: o.Out, Replace: o.Replace, Name: o.Name, Config: config, Tokenizer: c.Tokenizer, Licences: o.Licences, Selftest: selftest,
	}, list)
	return report, err
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
