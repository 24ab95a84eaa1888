package model

import (
	"math"

	"flamingo/gpu"
	"flamingo/ops"
	"flamingo/tensor"
)

// lmBlock is one decoder layer.
type lmBlock struct {
	Norm1, Norm2       Norm
	QKV, Out, Up, Down Linear
	QNorm, KNorm       gpu.Tensor // [Dim], [keys], where the family has them
	Relative           Linear     // of the encodings of distances, with relative positions
	QBias, RBias       gpu.Tensor // [Dim], added to queries before they meet keys and distances
	LMConfig
	kind decoder
}

func newLMBlock(w Weights, c LMConfig, kind decoder) lmBlock {
	b := lmBlock{LMConfig: c, kind: kind}
	up := c.Hidden
	if kind.gated {
		up *= 2 // rows of the gate, then of what it scales
	}
	b.Norm1 = newLMNorm(w, "norm1", c, kind)
	b.QKV = newLinear(w, "qkv", c.Dim, c.Dim+c.KVWidth(), kind.bias) // rows of queries, keys, values
	if kind.qkNorm {
		b.QNorm, b.KNorm = w.Vector("q_norm.weight", c.Dim), w.Vector("k_norm.weight", c.KVWidth()/2)
	}
	if kind.positions == relative {
		b.Relative = newLinear(w, "relative", c.Dim, c.Dim, false)
		b.QBias, b.RBias = w.Vector("q_bias", c.Dim), w.Vector("r_bias", c.Dim)
	}
	b.Out = newLinear(w, "out", c.Dim, c.Dim, kind.bias)
	b.Norm2 = newLMNorm(w, "norm2", c, kind)
	b.Up = newLinear(w, "up", c.Dim, up, kind.bias)
	b.Down = newLinear(w, "down", c.Hidden, c.Dim, kind.bias)
	return b
}

// A blockCache is what a session keeps for a block.
type blockCache struct {
	kv        gpu.Tensor // [capacity, KVWidth]
	distances gpu.Tensor // [capacity, Dim], keys of distances 0, 1, …; only with relative positions
}

// A schedule says where the tokens of a pass stand in the cache: one after another behind what it
// holds, by state; or each for itself.
type schedule struct {
	state  gpu.Tensor // StatePos: the position of the first
	places gpu.Tensor // i32 [T, 2]: cache row and position of each
	lists  gpu.Tensor // i32 [1+T·(1+stride)]: the cache rows that each sees, see ops.Listed
	stride int
}

func (at schedule) listed() bool { return at.places.Valid() }

// Forward: x ← x + Attn(N₁(x));  x ← x + MLP(N₂(x)), or as Parallel and PostNorm say. It writes the
// keys and values of x [T, D] to the cache where at says.
func (b lmBlock) Forward(p *gpu.Pass, x gpu.Tensor, cache blockCache, at schedule) gpu.Tensor {
	if b.PostNorm {
		x = b.Norm1.Forward(p, b.attend(p, x, x, cache, at))
		return b.Norm2.Forward(p, b.mlp(p, x, x))
	}
	y := b.attend(p, b.Norm1.Forward(p, x), x, cache, at)
	if !b.Parallel {
		x = y
	}
	return b.mlp(p, b.Norm2.Forward(p, x), y)
}

// attend returns residual + Attn(x).
func (b lmBlock) attend(p *gpu.Pass, x, residual gpu.Tensor, cache blockCache, at schedule) gpu.Tensor {
	head := b.Dim / b.Heads
	qkv := b.QKV.Forward(p, x, ops.Epilogue{})
	if b.QNorm.Valid() {
		qkv = ops.QKNorm(p, qkv, b.QNorm, b.KNorm, b.NormEps)
	}
	where, see, mode := at.state, at.state, ops.Causal
	if at.listed() {
		where, see, mode = at.places, at.lists, ops.Listed
	}
	ops.Append(p, qkv, cache.kv, where, ops.AppendOptions{
		From: b.Dim, Slot: ops.StatePos, Stride: 1, Listed: at.listed(),
		Heads: b.KVHeads, HeadDim: head, RotaryDims: b.RotaryDims, RotaryBase: b.RotaryBase,
	})
	var a gpu.Tensor
	if b.kind.positions == relative {
		a = ops.RelativeAttention(p, qkv, cache.kv, cache.distances, b.QBias, b.RBias, see,
			ops.RelativeOptions{Heads: b.Heads, HeadDim: head, Lists: at.stride})
	} else {
		a = ops.Attention(p, qkv, cache.kv, see, ops.AttentionOptions{
			Heads: b.Heads, KVHeads: b.KVHeads, HeadDim: head, Mode: mode, Keys: at.stride,
			ALiBi: b.kind.positions == alibi, RotaryDims: b.RotaryDims, RotaryBase: b.RotaryBase,
		})
	}
	return b.Out.Forward(p, a, ops.Epilogue{Residual: residual})
}

// mlp returns residual + MLP(x).
func (b lmBlock) mlp(p *gpu.Pass, x, residual gpu.Tensor) gpu.Tensor {
	h := b.Up.Forward(p, x, ops.Epilogue{Act: b.kind.act})
	if b.kind.gated {
		h = ops.SwiGLU(p, h)
	}
	return b.Down.Forward(p, h, ops.Epilogue{Residual: residual})
}

// sinusoids encode the distances 0 … n-1 (Vaswani et al. 2017): [n, dim], sines, then cosines.
func sinusoids(n, dim int) tensor.Tensor {
	v := make([]float32, 0, n*dim)
	for d := range n {
		for _, f := range []func(float64) float64{math.Sin, math.Cos} {
			for t := range dim / 2 {
				v = append(v, float32(f(float64(d)*math.Pow(10000, -2*float64(t)/float64(dim)))))
			}
		}
	}
	return tensor.FromF32(v, n, dim)
}
