package model

import (
	"context"
	"fmt"

	"flamingo/gpu"
	"flamingo/ops"
	"flamingo/tensor"
)

// encoder is the recorded way from pixels to visual tokens. It is recorded once and replayed for
// every picture of every session.
type encoder struct {
	pixels   gpu.Tensor // [Size, Size, 4], the frame at hand
	features gpu.Tensor // [frames·V, C], of all frames
	embed    gpu.Tensor // [1, Embed], of the last frame, where the vision encoder has one
	tokens   gpu.Tensor // [R, Dim], what the resampler makes of them
	state    gpu.Tensor // StateFrames: the row block of features that the next frame fills
	vision   *gpu.Plan
	resample *gpu.Plan
}

// newEncoder records the encoder for pictures of the given number of frames.
func (m *Flamingo) newEncoder(ctx context.Context, frames int) (e *encoder, err error) {
	e = &encoder{}
	defer func() {
		if err != nil {
			e.close(m.dev)
			e = nil
		}
	}()
	c := m.Config
	size, grid := c.Preprocess.Size, c.Vision.Grid(c.Preprocess.Size)
	alloc := func(t *gpu.Tensor, label string, d tensor.DType, shape ...int) {
		if err == nil {
			*t, err = gpu.Alloc(m.dev, label, d, shape...)
		}
	}
	alloc(&e.pixels, "pixels", tensor.F32, size, size, 4)
	alloc(&e.features, "features", tensor.F32, frames*grid, c.Vision.Dim())
	if c.Vision.Embed > 0 {
		alloc(&e.embed, "embedding", tensor.F32, 1, c.Vision.Embed)
	}
	alloc(&e.tokens, "visual tokens", tensor.F32, c.Resampler.Latents, c.Resampler.Dim)
	alloc(&e.state, "encoder state", tensor.I32, ops.StateLen)
	if err != nil {
		return e, err
	}
	p := gpu.NewPass(m.dev)
	leave := p.In("vision")
	features, embedding := m.vision.Forward(p, e.pixels)
	leave()
	ops.Append(p, features, e.features, e.state, ops.AppendOptions{Slot: ops.StateFrames, Stride: grid})
	if embedding.Valid() {
		ops.Append(p, embedding, e.embed, e.state, ops.AppendOptions{})
	}
	ops.Advance(p, e.state, ops.StateFrames, 1)
	if e.vision, err = p.Compile(ctx); err != nil {
		return e, err
	}
	p = gpu.NewPass(m.dev)
	ops.Append(p, m.resampler.Forward(p, e.features, frames), e.tokens, e.state, ops.AppendOptions{})
	e.resample, err = p.Compile(ctx)
	return e, err
}

func (e *encoder) close(d gpu.Device) {
	if e == nil {
		return
	}
	e.vision.Release()
	e.resample.Release()
	for _, t := range []gpu.Tensor{e.pixels, e.features, e.embed, e.tokens, e.state} {
		t.Free(d)
	}
}

// Encode computes the visual tokens [R, Dim] of one picture. They stay on the device until the
// next call.
func (m *Flamingo) Encode(ctx context.Context, img Image) (gpu.Tensor, error) {
	if err := m.warm(ctx); err != nil {
		return gpu.Tensor{}, err
	}
	e := m.encoder
	if err := writeInts(m.dev, e.state, make([]int32, ops.StateLen)); err != nil {
		return e.tokens, err
	}
	if err := m.place(ctx, img, e.pixels, e.state); err != nil {
		return e.tokens, err
	}
	return e.tokens, m.encode()
}

// EncodePixels is Encode for a picture that is preprocessed already: f32 [3, Size, Size].
func (m *Flamingo) EncodePixels(ctx context.Context, planes tensor.Tensor) (gpu.Tensor, error) {
	size := m.Config.Preprocess.Size
	if planes.DType != tensor.F32 || !planes.Shape.Equal(tensor.Shape{3, size, size}) {
		return gpu.Tensor{}, fmt.Errorf("%w: preprocessed image is %v %v, want f32 [3,%d,%d]", ErrOption, planes.DType, planes.Shape, size, size)
	}
	if err := m.warm(ctx); err != nil {
		return gpu.Tensor{}, err
	}
	e := m.encoder
	if err := writeInts(m.dev, e.state, make([]int32, ops.StateLen)); err != nil {
		return e.tokens, err
	}
	if err := e.pixels.Write(m.dev, 0, tensor.GoBytes(interleave(planes).Data)); err != nil {
		return e.tokens, err
	}
	return e.tokens, m.encode()
}

// Features are the encoder's output [V, C] for the last picture. There must have been one.
func (m *Flamingo) Features() gpu.Tensor { return m.encoder.features }

// VisualTokens are the resampler's output [R, Dim] for the last picture.
func (m *Flamingo) VisualTokens() gpu.Tensor { return m.encoder.tokens }

// Embedding is the vector [Embed], of length 1, by which the last picture is compared with others.
func (m *Flamingo) Embedding(ctx context.Context) (tensor.Tensor, error) {
	if m.Config.Vision.Embed == 0 {
		return tensor.Tensor{}, fmt.Errorf("%w: the model has no embedding to compare pictures by", ErrOption)
	}
	e, err := m.encoder.embed.Read(ctx, m.dev)
	if err != nil {
		return tensor.Tensor{}, err
	}
	return normalised(e), nil
}

func (m *Flamingo) encode() error {
	if err := m.encoder.vision.Submit(1); err != nil {
		return err
	}
	return m.encoder.resample.Submit(1)
}

// warm records the encoder if that has not happened yet.
func (m *Flamingo) warm(ctx context.Context) (err error) {
	if m.encoder == nil {
		m.encoder, err = m.newEncoder(ctx, 1)
	}
	return err
}

func writeInts(d gpu.Device, t gpu.Tensor, v []int32) error {
	return t.Write(d, 0, tensor.GoBytes(tensor.FromI32(v, len(v)).Data))
}
