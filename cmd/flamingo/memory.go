package main

import (
	"context"
	"math"

	"flamingo/gpu"
	"flamingo/model"
	"flamingo/tensor"
)

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
	s := gpu.NewScale(gpu.Info{Kind: "scale", Name: "scale", Description: "no device, only a count of bytes", MaxBuffer: math.MaxInt, MaxBinding: math.MaxInt})
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
	held := s.Held()
	use := memory{
		Tokens: tokens, ImageWidth: imageWidth, ImageHeight: imageHeight,
		Weights: held[weights], KVCache: held["KV cache"], MediaKV: held["media keys and values"],
		Activations: s.Arena().Bytes(), Image: s.Most("image") + s.Most("resize table"),
	}
	all := use.Image
	for _, n := range held {
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
