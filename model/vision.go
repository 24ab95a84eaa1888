package model

import (
	"context"
	"fmt"

	"flamingo/gpu"
	"flamingo/tensor"
)

// A Tower is a vision encoder on its own.
type Tower struct {
	dev     gpu.Device
	config  VisionConfig
	tensors map[string]gpu.Tensor
	net     NFNet
}

// VisionSpec lists the tensors of a vision encoder, named "vision.…".
func VisionSpec(c VisionConfig) []Entry {
	w := newWeights(nil)
	newNFNet(w.In("vision"), c)
	return w.entries
}

// NewTower makes an encoder of tensors on the device, which it owns from then on.
func NewTower(dev gpu.Device, c VisionConfig, tensors map[string]gpu.Tensor) (*Tower, error) {
	w := newWeights(tensors)
	t := &Tower{dev, c, tensors, newNFNet(w.In("vision"), c)}
	return t, w.done()
}

// Features encodes a preprocessed picture, f32 [3, H, W], into f32 [C, h, w].
func (t *Tower) Features(ctx context.Context, planes tensor.Tensor) (tensor.Tensor, error) {
	if planes.DType != tensor.F32 || len(planes.Shape) != 3 || planes.Shape[0] != 3 {
		return tensor.Tensor{}, fmt.Errorf("%w: preprocessed image is %v %v, want f32 [3,H,W]", ErrOption, planes.DType, planes.Shape)
	}
	h, w := planes.Shape[1], planes.Shape[2]
	x, err := gpu.Upload(t.dev, "pixels", interleave(planes))
	if err != nil {
		return tensor.Tensor{}, err
	}
	defer x.Free(t.dev)
	p := gpu.NewPass(t.dev)
	y := t.net.Forward(p, x)
	p.Keep(y)
	plan, err := p.Compile(ctx)
	if err != nil {
		return tensor.Tensor{}, err
	}
	defer plan.Release()
	if err := plan.Submit(1); err != nil {
		return tensor.Tensor{}, err
	}
	rows, err := plan.Tensor(y).Read(ctx, t.dev)
	if err != nil {
		return tensor.Tensor{}, err
	}
	n, c := rows.Shape[0], rows.Shape[1]
	from, to := rows.F32(), make([]float32, n*c)
	for i := range n {
		for j := range c {
			to[j*n+i] = from[i*c+j]
		}
	}
	for range 5 {
		h, w = (h+1)/2, (w+1)/2
	}
	return tensor.FromF32(to, c, h, w), nil
}

// interleave turns planes [3, H, W] into what the encoder reads, [H, W, 4] with a zero.
func interleave(planes tensor.Tensor) tensor.Tensor {
	v, area := planes.F32(), planes.Shape[1]*planes.Shape[2]
	out := make([]float32, 4*area)
	for c := range 3 {
		for i := range area {
			out[4*i+c] = v[c*area+i]
		}
	}
	return tensor.FromF32(out, planes.Shape[1], planes.Shape[2], 4)
}
