package model

import (
	"flamingo/gpu"
	"flamingo/ops"
)

// CLIPConfig describes the image tower of CLIP (Radford et al. 2021), a vision transformer.
type CLIPConfig struct {
	Patch     int  `json:"patch,omitempty"` // pixels of a patch's side
	Width     int  `json:"width,omitempty"`
	Depth     int  `json:"depth,omitempty"`
	Heads     int  `json:"heads,omitempty"`
	Hidden    int  `json:"hidden,omitempty"`    // of the MLP
	Positions int  `json:"positions,omitempty"` // patches of a picture, and one for the class token
	Class     bool `json:"class,omitempty"`     // the class token is the first of the features
	Embed     int  `json:"embed,omitempty"`     // width of the contrastive embedding; 0 where it is not kept
}

func (c CLIPConfig) check(e *checks) {
	e.size("vision.patch", c.Patch, 256)
	e.size("vision.width", c.Width, 1<<14)
	e.multiple("vision.width", c.Width)
	e.size("vision.depth", c.Depth, 256)
	e.size("vision.heads", c.Heads, 1024)
	if c.Heads > 0 {
		e.that(c.Width%c.Heads == 0, "vision.width %d is no multiple of vision.heads %d", c.Width, c.Heads)
		e.heads("vision", c.Heads, c.Width/c.Heads)
	}
	e.size("vision.hidden", c.Hidden, 1<<16)
	e.multiple("vision.hidden", c.Hidden)
	e.size("vision.positions", c.Positions, 1<<16)
	e.that(c.Embed >= 0 && c.Embed <= 1<<14, "vision.embed is %d, want 0 to %d", c.Embed, 1<<14)
}

// CLIP is the tower up to its last block: features are taken before the last LayerNorm, as
// OpenFlamingo and flamingo-mini were trained.
type CLIP struct {
	Patch     Linear     // no bias
	Class     gpu.Tensor // [1, Width]
	Positions gpu.Tensor // [Positions, Width]
	Norm      Norm
	Blocks    []clipBlock
	EmbedNorm Norm   // these two are unset without an embedding
	Embed     Linear // no bias
	config    CLIPConfig
}

func newCLIP(w Weights, c CLIPConfig, act ops.Activation) CLIP {
	v := CLIP{config: c}
	v.Patch = newLinear(w, "patch", 4*c.Patch*c.Patch, c.Width, false) // RGB and a zero
	v.Class = w.Vector("class", 1, c.Width)
	v.Positions = w.Vector("positions", c.Positions, c.Width)
	v.Norm = newLayerNorm(w, "norm", c.Width)
	for i := range c.Depth {
		v.Blocks = append(v.Blocks, newCLIPBlock(w.In("blocks.%d", i), c, act))
	}
	if c.Embed > 0 {
		v.EmbedNorm = newLayerNorm(w, "embed_norm", c.Width)
		v.Embed = newLinear(w, "embed", c.Width, c.Embed, false)
	}
	return v
}

// Forward maps a normalised picture [H, W, 4] to visual features [V, Width], and to its embedding
// [1, Embed], not normalised, where that is kept.
func (v CLIP) Forward(p *gpu.Pass, x gpu.Tensor) (features, embedding gpu.Tensor) {
	x = v.Patch.Forward(p, ops.Patches(p, x, v.config.Patch), ops.Epilogue{})
	x = ops.Add(p, ops.ConcatRows(p, v.Class, x), v.Positions)
	x = v.Norm.Forward(p, x)
	for i, b := range v.Blocks {
		leave := p.In("blocks.%d", i)
		x = b.Forward(p, x)
		leave()
	}
	if v.Embed.Weight.Valid() {
		embedding = v.Embed.Forward(p, v.EmbedNorm.Forward(p, ops.Rows(p, x, 0, 1)), ops.Epilogue{})
	}
	if !v.config.Class {
		x = ops.Rows(p, x, 1, x.Rows()-1)
	}
	return x, embedding
}

type clipBlock struct {
	Norm1, Norm2         Norm
	Q, KV, Out, Up, Down Linear
	act                  ops.Activation
	heads, headDim       int
}

func newCLIPBlock(w Weights, c CLIPConfig, act ops.Activation) clipBlock {
	return clipBlock{
		Norm1: newLayerNorm(w, "norm1", c.Width),
		Q:     newLinear(w, "q", c.Width, c.Width, true),
		KV:    newLinear(w, "kv", c.Width, 2*c.Width, true),
		Out:   newLinear(w, "out", c.Width, c.Width, true),
		Norm2: newLayerNorm(w, "norm2", c.Width),
		Up:    newLinear(w, "up", c.Width, c.Hidden, true),
		Down:  newLinear(w, "down", c.Hidden, c.Width, true),
		act:   act, heads: c.Heads, headDim: c.Width / c.Heads,
	}
}

// Forward: x ← x + Attn(N₁(x));  x ← x + MLP(N₂(x)).
func (b clipBlock) Forward(p *gpu.Pass, x gpu.Tensor) gpu.Tensor {
	n := b.Norm1.Forward(p, x)
	kv := b.KV.Forward(p, n, ops.Epilogue{})
	a := ops.Attention(p, b.Q.Forward(p, n, ops.Epilogue{}), kv, gpu.Tensor{}, ops.AttentionOptions{
		Heads: b.heads, KVHeads: b.heads, HeadDim: b.headDim, Mode: ops.Full, Keys: kv.Rows(),
	})
	x = b.Out.Forward(p, a, ops.Epilogue{Residual: x})
	h := b.Up.Forward(p, b.Norm2.Forward(p, x), ops.Epilogue{Act: b.act})
	return b.Down.Forward(p, h, ops.Epilogue{Residual: x})
}
