package model

import (
	"flamingo/gpu"
	"flamingo/ops"
)

// XAttnConfig describes the gated cross-attention blocks (paper, section 3.1.2).
type XAttnConfig struct {
	Every      int            `json:"every"`
	Placement  Placement      `json:"placement"`
	Heads      int            `json:"heads"`
	HeadDim    int            `json:"headDim"`
	Hidden     int            `json:"hidden"`
	Activation ops.Activation `json:"activation"`
	NormMedia  bool           `json:"normMedia"` // a LayerNorm on the visual tokens, as in the paper
}

// Placement is the rule by which blocks stand before LM blocks.
type Placement string

const (
	PlacePaper        Placement = "paper"        // before block i when i is a multiple of Every
	PlaceOpenFlamingo Placement = "openflamingo" // when i+1 is
)

func (c XAttnConfig) check(e *checks) {
	e.size("xattn.every", c.Every, 1024)
	e.that(c.Placement == PlacePaper || c.Placement == PlaceOpenFlamingo, "xattn.placement is %q, want %q or %q", c.Placement, PlacePaper, PlaceOpenFlamingo)
	e.heads("xattn", c.Heads, c.HeadDim)
	e.size("xattn.hidden", c.Hidden, 1<<17)
	e.multiple("xattn.hidden", c.Hidden)
}

// Before reports whether a block stands before LM block i.
func (c XAttnConfig) Before(i int) bool {
	if c.Placement == PlaceOpenFlamingo {
		i++
	}
	return i%c.Every == 0
}

// GatedXAttn lets text attend to the visual tokens of the last picture before it. Its gates start
// at zero in training, so that the language model is unchanged then.
type GatedXAttn struct {
	Norm, NormMedia  Norm
	Q, KV, Out       Linear
	AttnGate, FFGate gpu.Tensor // [1], before tanh
	FF               FeedForward
	heads, headDim   int
	normMedia        bool
}

func newGatedXAttn(w Weights, c XAttnConfig, dim, mediaDim int) GatedXAttn {
	inner := c.Heads * c.HeadDim
	x := GatedXAttn{heads: c.Heads, headDim: c.HeadDim, normMedia: c.NormMedia}
	x.Norm = newLayerNorm(w, "norm", dim)
	if c.NormMedia {
		x.NormMedia = newLayerNorm(w, "norm_media", mediaDim)
	}
	x.Q = newLinear(w, "q", dim, inner, false)
	x.KV = newLinear(w, "kv", mediaDim, 2*inner, false)
	x.Out = newLinear(w, "out", inner, dim, false)
	x.AttnGate = w.Vector("attn_gate", 1)
	x.FF = newFeedForward(w, dim, c.Hidden, c.Activation)
	x.FFGate = w.Vector("ff_gate", 1)
	return x
}

// Media computes the keys and values [R, 2·inner] of one picture's visual tokens [R, mediaDim].
// They are the same for every text position, so they are computed once.
func (x GatedXAttn) Media(p *gpu.Pass, tokens gpu.Tensor) gpu.Tensor {
	if x.normMedia {
		tokens = x.NormMedia.Forward(p, tokens)
	}
	return x.KV.Forward(p, tokens, ops.Epilogue{})
}

// Forward: y ← y + tanh(αₐ)·XAttn(y, media);  y ← y + tanh(α_f)·FF(y). media holds the keys and
// values of all pictures, perImage rows each; phi [T] is the picture each position sees, from 1,
// or 0 for none, where attention adds nothing.
func (x GatedXAttn) Forward(p *gpu.Pass, y, media, phi gpu.Tensor, perImage int) gpu.Tensor {
	q := x.Q.Forward(p, x.Norm.Forward(p, y), ops.Epilogue{})
	a := ops.Attention(p, q, media, phi, ops.AttentionOptions{
		Heads: x.heads, KVHeads: x.heads, HeadDim: x.headDim, Mode: ops.Media, Keys: perImage,
	})
	y = x.Out.Forward(p, a, ops.Epilogue{Residual: y, Gate: x.AttnGate})
	return x.FF.Forward(p, y, x.FFGate)
}
