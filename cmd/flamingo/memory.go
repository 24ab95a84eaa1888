package main

import (
	"context"
	"math"

	"flamingo/gpu"
	"flamingo/model"
	"flamingo/tensor"
)

// A scale is a gpu.Device that only weighs: its buffers have sizes and no bytes, and what is
// submitted to it does not run. The model code itself so tells what it needs.
type scale struct {
	arena gpu.Arena
	now   map[string]int // bytes alive, by label
	most  map[string]int // the largest they were
}

type weight struct {
	size  int
	label string
}

func (w *weight) Size() int { return w.size }

func (s *scale) Info() gpu.Info {
	return gpu.Info{Kind: "scale", Name: "scale", Description: "no device, only a count of bytes", MaxBuffer: math.MaxInt, MaxBinding: math.MaxInt}
}
func (s *scale) Stats() gpu.Stats  { return gpu.Stats{} }
func (s *scale) Arena() *gpu.Arena { return &s.arena }
func (s *scale) Close()            {}

func (s *scale) Alloc(size int, label string) (gpu.Buffer, error) {
	size = (max(size, 4) + 3) &^ 3
	s.now[label] += size
	s.most[label] = max(s.most[label], s.now[label])
	return &weight{size, label}, nil
}

func (s *scale) Free(b gpu.Buffer) {
	w := b.(*weight)
	s.now[w.label] -= w.size
}

func (s *scale) Write(gpu.Buffer, int, tensor.Bytes) error { return nil }

func (s *scale) Fetch(gpu.Buffer, int, int) (gpu.Fetch, error) { return nothing{}, nil }

func (s *scale) Compile(context.Context, []gpu.Dispatch) (gpu.Program, error) { return nothing{}, nil }

// nothing is a program that does not run and a copy of no bytes.
type nothing struct{}

func (nothing) Submit(int) error                   { return nil }
func (nothing) Release()                           {}
func (nothing) Wait(context.Context, []byte) error { return nil }

// Memory is what captioning takes on a device, in bytes.
type memory struct {
	Tokens      int `json:"tokens"` // prompt and caption
	ImageWidth  int `json:"imageWidth"`
	ImageHeight int `json:"imageHeight"`
	Weights     int `json:"weights"`
	KVCache     int `json:"kvCache"`
	MediaKV     int `json:"mediaKV"`     // cross-attention keys and values of the picture
	Activations int `json:"activations"` // temporaries, whose buffers all passes share
	Image       int `json:"image"`       // pixels and resize tables, only until they are scaled
	Other       int `json:"other"`       // features, visual tokens, logits, state
	Peak        int `json:"peak"`
}

// The picture that is weighed.
const imageWidth, imageHeight = 1920, 1080

// weigh records all passes of a caption: the picture, the longest prompt that leaves room for one
// token, a step of decoding. storage gives each weight's format.
func weigh(ctx context.Context, c model.Config, tokens int, storage func(model.Entry) tensor.DType) (memory, error) {
	s := &scale{now: map[string]int{}, most: map[string]int{}}
	const weights = "weights"
	tensors := map[string]gpu.Tensor{}
	for _, e := range model.Spec(c) {
		var err error
		if tensors[e.Name], err = gpu.Alloc(s, weights, storage(e), e.Shape...); err != nil {
			return memory{}, err
		}
	}
	m, err := model.New(s, c, tensors, nil)
	if err != nil {
		return memory{}, err
	}
	session, err := m.NewSession(ctx, model.Room{Tokens: tokens, Images: 1})
	if err != nil {
		return memory{}, err
	}
	img := model.Image{Width: imageWidth, Height: imageHeight, Pixels: make(tensor.GoBytes, 4*imageWidth*imageHeight)}
	prompt := []int32{c.Tokens.Image}
	for len(prompt) < tokens-1 {
		prompt = append(prompt, otherThan(c.Tokens.Image))
	}
	if _, err := session.Logits(ctx, model.Prompt{IDs: prompt, Media: []model.Media{model.Picture(img)}}); err != nil {
		return memory{}, err
	}
	// The labels are those that model and gpu give their buffers.
	use := memory{
		Tokens: tokens, ImageWidth: imageWidth, ImageHeight: imageHeight,
		Weights: s.now[weights], KVCache: s.now["KV cache"], MediaKV: s.now["media keys and values"],
		Activations: s.arena.Bytes(), Image: s.most["image"] + s.most["resize table"],
	}
	all := use.Image
	for _, n := range s.now {
		all += n
	}
	use.Other = all - use.Weights - use.KVCache - use.MediaKV - use.Activations - use.Image
	use.Peak = all
	return use, nil
}

// otherThan is a token that is not the given one.
func otherThan(id int32) int32 {
	if id == 0 {
		return 1
	}
	return 0
}
