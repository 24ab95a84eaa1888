package ops

import (
	"math"

	"flamingo/gpu"
	"flamingo/tensor"
)

var argmax = gpu.Op{
	Name: "argmax",
	In:   []string{"logits", "bias", "state"},
	Out:  []string{"token", "ring"},
	CPU:  argmaxCPU,
}

type argmaxParams struct{ V, Ring uint32 }

// Argmax writes the index of the largest logits+bias, the lowest one on a tie, to token [1] and to
// ring[state[StateStep] mod len(ring)]. When a logit is infinite or no number it writes -1. The
// bias [V] forbids tokens (-1e30) or is zero.
func Argmax(p *gpu.Pass, logits, bias, token, ring, state gpu.Tensor) {
	v := logits.Shape.Len()
	p.Want(&argmax, 1, bias, v)
	p.Want(&argmax, 2, state, StateLen)
	p.Want(&argmax, 3, token, 1)
	p.Want(&argmax, 4, ring, -1)
	if v < 1 || ring.DType != tensor.I32 || token.DType != tensor.I32 {
		p.Fail(&argmax, "%d logits, token %v and ring %v, want some logits and i32", v, token.DType, ring.DType)
	}
	p.Run(&argmax, gpu.Call{
		Consts: gpu.Consts{"WG": 256},
		Params: argmaxParams{uint32(v), uint32(ring.Dim(0))},
	}, logits, bias, state, token, ring)
}

func argmaxCPU(r *gpu.Run) {
	p := r.Params.(argmaxParams)
	logits, bias := r.F32(0), r.F32(1)
	best := int32(0)
	for i, x := range logits {
		if f := float64(x); math.IsNaN(f) || math.IsInf(f, 0) {
			best = -1
			break
		}
		// In f32, as the kernel adds: rounding decides ties.
		if x+bias[i] > logits[best]+bias[best] {
			best = int32(i)
		}
	}
	r.I32(3)[0] = best
	r.I32(4)[uint32(r.I32(2)[StateStep])%p.Ring] = best
}
