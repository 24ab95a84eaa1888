package ops

import (
	"math"
	"sort"

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

// TopK returns the k largest logits+bias of each row of logits [..., V], f32 [..., k], and their
// indices, i32 [..., k]: largest first, the lowest index on a tie. The bias [V], one for all rows,
// forbids tokens (-1e30) or is zero.
func TopK(p *gpu.Pass, logits, bias gpu.Tensor, k int) (values, ids gpu.Tensor) {
	op := &topk
	v := logits.Dim(-1)
	p.Want(op, 1, bias, v)
	wantF32(p, op, 0, logits)
	wantF32(p, op, 1, bias)
	if k < 1 || k > min(v, MaxTopK) {
		p.Fail(op, "k is %d, want 1 to %d", k, min(v, MaxTopK))
	}
	shape := append(tensor.Shape{}, logits.Shape...)
	if len(shape) > 0 {
		shape[len(shape)-1] = k
	}
	values, ids = p.Tensor(shape...), p.TensorOf(tensor.I32, shape...)
	p.Run(op, gpu.Call{
		Consts: gpu.Consts{"WG": 256},
		Params: topkParams{uint32(v), uint32(k)},
		Groups: [3]int{logits.Rows()},
	}, logits, bias, values, ids)
	return values, ids
}

func topkCPU(r *gpu.Run) {
	p := r.Params.(topkParams)
	v, k := int(p.V), int(p.K)
	logits, bias, values, ids := r.F32(0), r.F32(1), r.F32(2), r.I32(3)
	gpu.Parallel(r.Arg(2).Shape.Rows(), func(row int) {
		order := make([]int, v)
		sums := make([]float32, v)
		for i := range order {
			order[i], sums[i] = i, logits[row*v+i]+bias[i]
		}
		sort.Slice(order, func(i, j int) bool {
			a, b := order[i], order[j]
			x, y := sortKey(sums[a]), sortKey(sums[b])
			return x > y || x == y && a < b
		})
		for i, id := range order[:k] {
			values[row*k+i], ids[row*k+i] = sums[id], int32(id)
		}
	})
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
