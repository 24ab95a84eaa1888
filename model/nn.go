package model

import (
	"flamingo/gpu"
	"flamingo/ops"
)

// Linear is y = x·Wᵀ + b; b may be unset.
type Linear struct{ Weight, Bias gpu.Tensor }

func newLinear(w Weights, name string, in, out int, bias bool) Linear {
	l := Linear{Weight: w.Matrix(name+".weight", out, in)}
	if bias {
		l.Bias = w.Vector(name+".bias", out)
	}
	return l
}

// Forward maps x [..., in] to [..., out] and applies the rest of e.
func (l Linear) Forward(p *gpu.Pass, x gpu.Tensor, e ops.Epilogue) gpu.Tensor {
	e.Bias = l.Bias
	return ops.Matmul(p, x, l.Weight, e)
}

// Norm is a LayerNorm, or an RMSNorm where a language model has that.
type Norm struct {
	Weight, Bias gpu.Tensor
	eps          float32
	rms          bool
}

func newLayerNorm(w Weights, name string, dim int) Norm {
	w = w.In("%s", name)
	return Norm{Weight: w.Vector("weight", dim), Bias: w.Vector("bias", dim), eps: 1e-5}
}

// Forward normalises the last axis.
func (n Norm) Forward(p *gpu.Pass, x gpu.Tensor) gpu.Tensor {
	if n.rms {
		return ops.RMSNorm(p, x, n.Weight, n.eps)
	}
	return ops.LayerNorm(p, x, n.Weight, n.Bias, n.eps)
}

// FeedForward is x + gate·W₂·f(W₁·LN(x)), the dense half of the resampler's layers and of gated
// cross-attention. Its linears have no biases.
type FeedForward struct {
	Norm     Norm
	Up, Down Linear
	act      ops.Activation
}

func newFeedForward(w Weights, dim, hidden int, act ops.Activation) FeedForward {
	return FeedForward{
		Norm: newLayerNorm(w, "ff_norm", dim),
		Up:   newLinear(w, "up", dim, hidden, false),
		Down: newLinear(w, "down", hidden, dim, false),
		act:  act,
	}
}

// Forward adds the branch to x [T, dim]; gate is a raw scalar before tanh, or unset for 1.
func (f FeedForward) Forward(p *gpu.Pass, x, gate gpu.Tensor) gpu.Tensor {
	h := f.Up.Forward(p, f.Norm.Forward(p, x), ops.Epilogue{Act: f.act})
	return f.Down.Forward(p, h, ops.Epilogue{Residual: x, Gate: gate})
}
