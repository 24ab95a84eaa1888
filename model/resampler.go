package model

import (
	"flamingo/gpu"
	"flamingo/ops"
)

// ResamplerConfig describes a Perceiver Resampler (paper, section 3.1.1 and appendix A.1).
type ResamplerConfig struct {
	InputDim   int            `json:"inputDim"` // width of the visual features
	Dim        int            `json:"dim"`      // width of latents and visual tokens; differs from InputDim when there is a projection
	Depth      int            `json:"depth"`
	Heads      int            `json:"heads"`
	HeadDim    int            `json:"headDim"`
	Latents    int            `json:"latents"`
	Hidden     int            `json:"hidden"` // of the feed-forward
	Activation ops.Activation `json:"activation"`
	Frames     int            `json:"frames"` // temporal embeddings; 0 for none
	Temporal   Temporal       `json:"temporal,omitempty"`
}

// Temporal says which embeddings the frames of a video get when they are not as many as there are
// embeddings. A picture is a video of one frame and gets the first.
type Temporal string

const (
	TemporalInterpolate Temporal = "interpolate" // linearly, end points kept (paper, section 4.1.4); the default
	TemporalFirst       Temporal = "first"       // the first ones; there can be no more frames (flamingo-mini)
)

func (c ResamplerConfig) check(e *checks) {
	e.size("resampler.dim", c.Dim, 1<<14)
	e.multiple("resampler.dim", c.Dim)
	e.size("resampler.inputDim", c.InputDim, 1<<14)
	e.size("resampler.depth", c.Depth, 256)
	e.heads("resampler", c.Heads, c.HeadDim)
	e.size("resampler.latents", c.Latents, 4096)
	e.size("resampler.hidden", c.Hidden, 1<<16)
	e.multiple("resampler.hidden", c.Hidden)
	e.that(c.Frames >= 0 && c.Frames <= 1024, "resampler.frames is %d, want 0 to 1024", c.Frames)
	e.that(c.Temporal == "" || c.Temporal == TemporalInterpolate || c.Temporal == TemporalFirst, "resampler.temporal is %q, want %q or %q", c.Temporal, TemporalInterpolate, TemporalFirst)
}

// Resampler turns any number of visual features into a fixed number of visual tokens.
type Resampler struct {
	Project Linear     // unset when the features have the right width
	Time    gpu.Tensor // [Frames, Dim], unset for none
	Latents gpu.Tensor // [R, Dim]
	Layers  []resamplerLayer
	Norm    Norm
	stretch bool // interpolate Time to the number of frames
}

func newResampler(w Weights, c ResamplerConfig) Resampler {
	r := Resampler{stretch: c.Temporal != TemporalFirst}
	if c.InputDim != c.Dim {
		r.Project = newLinear(w, "project", c.InputDim, c.Dim, true)
	}
	if c.Frames > 0 {
		r.Time = w.Vector("time", c.Frames, c.Dim)
	}
	r.Latents = w.Vector("latents", c.Latents, c.Dim)
	for i := range c.Depth {
		r.Layers = append(r.Layers, newResamplerLayer(w.In("layers.%d", i), c))
	}
	r.Norm = newLayerNorm(w, "norm", c.Dim)
	return r
}

// Forward maps the features x [frames·V, InputDim] of one picture or video to visual tokens
// [R, Dim].
func (r Resampler) Forward(p *gpu.Pass, x gpu.Tensor, frames int) gpu.Tensor {
	defer p.In("resampler")()
	if r.Project.Weight.Valid() {
		x = r.Project.Forward(p, x, ops.Epilogue{})
	}
	if r.Time.Valid() {
		time := r.Time
		if r.stretch && frames > 1 && frames != time.Rows() {
			time = ops.Interpolate(p, time, frames)
		}
		x = ops.AddEach(p, x, time, frames)
	}
	z := r.Latents
	for i, l := range r.Layers {
		leave := p.In("layers.%d", i)
		z = l.Forward(p, x, z)
		leave()
	}
	return r.Norm.Forward(p, z)
}

type resamplerLayer struct {
	NormMedia, NormLatents Norm
	Q, KV, Out             Linear
	FF                     FeedForward
	heads, headDim         int
}

func newResamplerLayer(w Weights, c ResamplerConfig) resamplerLayer {
	inner := c.Heads * c.HeadDim
	return resamplerLayer{
		NormMedia:   newLayerNorm(w, "norm_media", c.Dim),
		NormLatents: newLayerNorm(w, "norm_latents", c.Dim),
		Q:           newLinear(w, "q", c.Dim, inner, false),
		KV:          newLinear(w, "kv", c.Dim, 2*inner, false),
		Out:         newLinear(w, "out", inner, c.Dim, false),
		FF:          newFeedForward(w, c.Dim, c.Hidden, c.Activation),
		heads:       c.Heads, headDim: c.HeadDim,
	}
}

// Forward: z ← z + Attn(q: z, kv: [x; z]);  z ← z + FF(z). Features come before latents.
func (l resamplerLayer) Forward(p *gpu.Pass, x, z gpu.Tensor) gpu.Tensor {
	media, latents := l.NormMedia.Forward(p, x), l.NormLatents.Forward(p, z)
	q := l.Q.Forward(p, latents, ops.Epilogue{})
	kv := l.KV.Forward(p, ops.ConcatRows(p, media, latents), ops.Epilogue{})
	a := ops.Attention(p, q, kv, gpu.Tensor{}, ops.AttentionOptions{
		Heads: l.heads, KVHeads: l.heads, HeadDim: l.headDim, Mode: ops.Full, Keys: kv.Rows(),
	})
	z = l.Out.Forward(p, a, ops.Epilogue{Residual: z})
	return l.FF.Forward(p, z, gpu.Tensor{})
}
