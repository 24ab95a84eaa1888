package main

import (
	"context"
	"fmt"
	"os"

	"flamingo/convert"
	"flamingo/gpu"
	"flamingo/loader"
	"flamingo/model"
	"flamingo/runtime"
	"flamingo/tensor"
)

// onCase is what both commands that compute a case take.
type onCase struct {
	Model  string `required:"" placeholder:"DIR|URL" help:"Directory or address of a model."`
	Case   string `required:"" placeholder:"FILE" help:"safetensors file with the inputs."`
	Prefix string `required:"" help:"Name of the case: its tensors are PREFIX.image and PREFIX.ids."`
	Device string `enum:"${devices}" default:"${device}" help:"Where to compute: ${enum}."`
	Out    string `short:"o" required:"" placeholder:"FILE" help:"safetensors file to write."`
}

type logitsCommand struct{ onCase }

// Run writes logits [L,V], vision_tokens [T,V,C], visual_tokens [T,R,D] and greedy [12], under those
// names.
func (c *logitsCommand) Run(ctx context.Context, p *program) error {
	return c.run(ctx, p, func(in inputs, image tensor.Tensor, dev gpu.Device) (map[string]tensor.Tensor, error) {
		ids, err := in.ids("ids")
		if err != nil {
			return nil, err
		}
		m, err := runtime.Load(ctx, dev, runtime.Options{Location: c.Model})
		if err != nil {
			return nil, err
		}
		defer m.Model.Close()
		s, err := convert.Case{Images: image, IDs: ids}.Run(ctx, m.Model)
		return map[string]tensor.Tensor{
			"logits": s.Logits, "vision_tokens": s.VisionTokens, "visual_tokens": s.VisualTokens,
			"greedy": tensor.FromI32(s.Greedy, len(s.Greedy)),
		}, err
	})
}

type featuresCommand struct{ onCase }

// Run writes features [C,h,w] and, where the encoder has one, embedding [E].
func (c *featuresCommand) Run(ctx context.Context, p *program) error {
	return c.run(ctx, p, func(_ inputs, image tensor.Tensor, dev gpu.Device) (map[string]tensor.Tensor, error) {
		m, err := runtime.LoadTower(ctx, dev, runtime.Options{Location: c.Model})
		if err != nil {
			return nil, err
		}
		defer m.Tower.Close()
		out := map[string]tensor.Tensor{}
		if out["features"], err = m.Tower.Features(ctx, image); err == nil && m.Tower.Config().Embed > 0 {
			out["embedding"], err = m.Tower.Embedding(ctx, image)
		}
		return out, err
	})
}

// run reads a case's picture, computes on a device and writes what that gives.
func (c onCase) run(ctx context.Context, p *program, compute func(inputs, tensor.Tensor, gpu.Device) (map[string]tensor.Tensor, error)) error {
	in, done, err := c.open()
	if err != nil {
		return err
	}
	defer done()
	image, err := in.floats("image")
	if err != nil {
		return err
	}
	dev, err := p.openDevice(ctx, c.Device)
	if err != nil {
		return err
	}
	defer dev.Close()
	out, err := compute(in, image, dev)
	if err != nil {
		return err
	}
	return loader.SaveSafetensors(c.Out, out)
}

// inputs are the tensors of a case.
type inputs struct {
	onCase
	file *loader.Safetensors
}

func (c onCase) open() (in inputs, done func(), err error) {
	file, err := os.Open(c.Case)
	if err != nil {
		return in, nil, err
	}
	info, err := file.Stat()
	if err == nil {
		in = inputs{onCase: c}
		in.file, err = loader.OpenSafetensors(file, info.Size())
	}
	if err != nil {
		file.Close()
		return in, nil, fmt.Errorf("%s: %w", c.Case, err)
	}
	return in, func() { file.Close() }, nil
}

func (in inputs) find(name string) (loader.SafetensorsEntry, error) {
	e, ok := in.file.Find(in.Prefix + "." + name)
	if !ok {
		return e, fmt.Errorf("%w: %s has no %s.%s", model.ErrOption, in.Case, in.Prefix, name)
	}
	return e, nil
}

func (in inputs) floats(name string) (tensor.Tensor, error) {
	e, err := in.find(name)
	if err != nil {
		return tensor.Tensor{}, err
	}
	v, err := in.file.ReadFloats(e.Name)
	if err != nil {
		return tensor.Tensor{}, fmt.Errorf("%s: %w", in.Case, err)
	}
	return tensor.FromF32(v, e.Shape...), nil
}

func (in inputs) ids(name string) ([]int32, error) {
	e, err := in.find(name)
	if err != nil {
		return nil, err
	}
	if e.DType != "I32" {
		return nil, fmt.Errorf("%w: %s: %s is %s, want I32", model.ErrOption, in.Case, e.Name, e.DType)
	}
	data, err := in.file.Read(e.Name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", in.Case, err)
	}
	return tensor.Tensor{Shape: e.Shape, DType: tensor.I32, Data: data}.I32(), nil
}
