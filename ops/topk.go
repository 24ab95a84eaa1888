package ops

import (
	"math"
	"slices"

	"flamingo/gpu"
	"flamingo/tensor"
)

var topk = gpu.Op{
	Name: "topk",
	In:   []string{"logits", "bias"},
	Out:  []string{"values", "ids"},
	CPU:  topkCPU,
}

type topkParams struct{ V, K uint32 }

// MaxTopK is the largest k of TopK.
const MaxTopK = 128

// TopK returns the k largest logits+bias, f32 [k], and their indices, i32 [k]: largest first, the
// lowest index on a tie. The bias [V] forbids tokens (-1e30) or is zero.
func TopK(p *gpu.Pass, logits, bias gpu.Tensor, k int) (values, ids gpu.Tensor) {
	v := logits.Shape.Len()
	p.Want(&topk, 1, bias, v)
	if k < 1 || k > min(v, MaxTopK) {
		p.Fail(&topk, "k is %d, want 1 to %d", k, min(v, MaxTopK))
	}
	values, ids = p.Tensor(k), p.TensorOf(tensor.I32, k)
	p.Run(&topk, gpu.Call{
		Consts: gpu.Consts{"WG": 256},
		Params: topkParams{uint32(v), uint32(k)},
	}, logits, bias, values, ids)
	return values, ids
}

func topkCPU(r *gpu.Run) {
	p := r.Params.(topkParams)
	logits, bias := r.F32(0), r.F32(1)
	order := make([]int, p.V)
	sums := make([]float32, p.V)
	for i := range order {
		order[i], sums[i] = i, logits[i]+bias[i]
	}
	slices.SortStableFunc(order, func(a, b int) int {
		ka, kb := sortKey(sums[a]), sortKey(sums[b])
		switch {
		case ka > kb:
			return -1
		case ka < kb:
			return 1
		}
		return 0
	})
	values, ids := r.F32(2), r.I32(3)
	for i := range values {
		values[i], ids[i] = sums[order[i]], int32(order[i])
	}
}

// sortKey maps f32 values to numbers in the same order. Both zeros are equal, and what is no number
// has a place at either end.
func sortKey(x float32) uint32 {
	b := math.Float32bits(x)
	switch {
	case x == 0:
		return 1 << 31
	case b>>31 == 1:
		return ^b
	}
	return b | 1<<31
}
