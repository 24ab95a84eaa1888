package ops

import (
	"fmt"
	"slices"
	"testing"

	"flamingo/gpu"
	"flamingo/tensor"
)

func init() {
	for _, c := range []struct {
		v, k   int
		change func(logits, bias []float32)
	}{
		{1, 1, nil},
		{63, 63, nil},
		{257, 1, nil},
		{320, 128, nil},
		{50000, 40, nil},
		// Ties: the lowest indices, across the edge of what is taken and across digits of the index.
		{3000, 100, func(x, _ []float32) { clear(x) }},
		{70000, 7, func(x, _ []float32) { x[66000], x[300], x[44], x[299] = 9, 9, 9, 9 }},
		{600, 20, func(x, b []float32) {
			for i := range x {
				x[i] = -float32(i % 7)
				if i%3 == 0 {
					b[i] = -1e30
				}
			}
		}},
		{300, 5, func(x, _ []float32) { x[7], x[8] = inf, -inf }},
	} {
		addRows(row{
			op: &topk, name: fmt.Sprintf("%d of %d", c.k, c.v),
			inputs: func(r *random) []tensor.Tensor {
				x, bias := r.normal(c.v).F32(), make([]float32, c.v)
				if c.change != nil {
					c.change(x, bias)
				}
				return []tensor.Tensor{tensor.FromF32(x, c.v), tensor.FromF32(bias, c.v)}
			},
			record: func(p *gpu.Pass, in []gpu.Tensor) []gpu.Tensor {
				values, ids := TopK(p, in[0], in[1], c.k)
				return []gpu.Tensor{values, ids}
			},
		})
	}
}

func TestTopKByHand(t *testing.T) {
	c := row{op: &topk, record: func(p *gpu.Pass, in []gpu.Tensor) []gpu.Tensor {
		values, ids := TopK(p, in[0], in[1], 4)
		return []gpu.Tensor{values, ids}
	}}
	out := c.execute(t, device, []tensor.Tensor{
		tensor.FromF32([]float32{-2, 5, 0, 5, 9, -1}, 6), tensor.FromF32([]float32{0, 0, 0, 0, -1e30, 0}, 6),
	})
	near(t, "values", out[0].F32(), []float32{5, 5, 0, -1}, 0)
	if ids := out[1].I32(); !slices.Equal(ids, []int32{1, 3, 2, 5}) {
		t.Errorf("ids %v, want [1 3 2 5]", ids)
	}
}

func TestTopKRefuses(t *testing.T) {
	x, err := gpu.Alloc(device, "logits", tensor.F32, 200)
	if err != nil {
		t.Fatal(err)
	}
	defer x.Free(device)
	for k, ok := range map[int]bool{0: false, 1: true, MaxTopK: true, MaxTopK + 1: false} {
		p := gpu.NewPass(device)
		if TopK(p, x, x, k); (p.Err() == nil) != ok {
			t.Errorf("k %d: error %v", k, p.Err())
		}
	}
}
