package model

import (
	"context"
	"fmt"
	"math"

	"flamingo/gpu"
	"flamingo/tensor"
)

// A TowerConfig describes a vision encoder on its own. Its JSON is the "config" of a manifest that
// holds nothing else.
type TowerConfig struct {
	Vision     VisionConfig `json:"vision"`
	Preprocess Preprocess   `json:"preprocess"`
}

// ParseTowerConfig reads and checks a configuration. Fields it does not know are errors.
func ParseTowerConfig(data []byte) (TowerConfig, error) {
	var c TowerConfig
	if err := decodeStrict(data, &c); err != nil {
		return c, err
	}
	return c, c.Validate()
}

// Validate reports everything that is wrong with c.
func (c TowerConfig) Validate() error {
	var e checks
	c.Vision.check(&e)
	c.Preprocess.check(&e)
	if len(e) == 0 {
		c.Vision.takes(&e, c.Preprocess.Size)
	}
	return e.err()
}

// A Tower is a vision encoder on its own.
type Tower struct {
	dev     gpu.Device
	config  VisionConfig
	tensors map[string]gpu.Tensor
	net     visionTower
}

// VisionSpec lists the tensors of a vision encoder, named "vision.…".
func VisionSpec(c VisionConfig) []Entry {
	w := newWeights(nil)
	newVision(w.In("vision"), c)
	return w.entries
}

// NewTower makes an encoder of tensors on the device, which it owns from then on.
func NewTower(dev gpu.Device, c VisionConfig, tensors map[string]gpu.Tensor) (*Tower, error) {
	w := newWeights(tensors)
	t := &Tower{dev, c, tensors, newVision(w.In("vision"), c)}
	return t, w.done()
}

// Close frees the weights.
func (t *Tower) Close() {
	for _, x := range t.tensors {
		x.Free(t.dev)
	}
	t.tensors = nil
}

// Config describes the encoder.
func (t *Tower) Config() VisionConfig { return t.config }

// Features encodes a preprocessed picture, f32 [3, H, W], into f32 [C, h, w]. A class token is not
// among them.
func (t *Tower) Features(ctx context.Context, planes tensor.Tensor) (tensor.Tensor, error) {
	rows, _, err := t.encode(ctx, planes)
	if err != nil {
		return tensor.Tensor{}, err
	}
	h, w := t.config.GridOf(planes.Shape[1], planes.Shape[2])
	n, c := h*w, rows.Shape[1]
	from, to := rows.F32(), make([]float32, n*c)
	from = from[len(from)-n*c:]
	for i := range n {
		for j := range c {
			to[j*n+i] = from[i*c+j]
		}
	}
	return tensor.FromF32(to, c, h, w), nil
}

// Embedding encodes a preprocessed picture, f32 [3, H, W], into the vector f32 [E] of length 1 by
// which pictures are compared.
func (t *Tower) Embedding(ctx context.Context, planes tensor.Tensor) (tensor.Tensor, error) {
	if t.config.Embed == 0 {
		return tensor.Tensor{}, fmt.Errorf("%w: this vision encoder was converted without its embedding", ErrOption)
	}
	_, e, err := t.encode(ctx, planes)
	if err != nil {
		return tensor.Tensor{}, err
	}
	return normalised(e), nil
}

// normalised scales a vector to length 1.
func normalised(e tensor.Tensor) tensor.Tensor {
	v, squares := e.F32(), 0.0
	for _, x := range v {
		squares += float64(x) * float64(x)
	}
	for i := range v {
		v[i] = float32(float64(v[i]) / max(math.Sqrt(squares), 1e-12))
	}
	return tensor.FromF32(v, len(v))
}

// encode gives the features [V, C] and the embedding [1, E], where the encoder has one.
func (t *Tower) encode(ctx context.Context, planes tensor.Tensor) (features, embedding tensor.Tensor, err error) {
	if planes.DType != tensor.F32 || len(planes.Shape) != 3 || planes.Shape[0] != 3 {
		return features, embedding, fmt.Errorf("%w: preprocessed image is %v %v, want f32 [3,H,W]", ErrOption, planes.DType, planes.Shape)
	}
	x, err := gpu.Upload(t.dev, "pixels", interleave(planes))
	if err != nil {
		return features, embedding, err
	}
	defer x.Free(t.dev)
	p := gpu.NewPass(t.dev)
	leave := p.In("vision")
	y, e := t.net.Forward(p, x)
	leave()
	p.Keep(y)
	if e.Valid() {
		p.Keep(e)
	}
	plan, err := p.Compile(ctx)
	if err != nil {
		return features, embedding, err
	}
	defer plan.Release()
	if err := plan.Submit(1); err != nil {
		return features, embedding, err
	}
	if e.Valid() {
		if embedding, err = plan.Tensor(e).Read(ctx, t.dev); err != nil {
			return features, embedding, err
		}
	}
	features, err = plan.Tensor(y).Read(ctx, t.dev)
	return features, embedding, err
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
