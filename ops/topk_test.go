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
		rows   int // 0: the logits are [V]
	}{
		{1, 1, nil, 0},
		{63, 63, nil, 0},
		{257, 1, nil, 1},
		{320, 128, nil, 0},
		{50000, 40, nil, 0},
		{1, 1, nil, 33},
		{65, 3, nil, 33},
		{50280, 8, nil, 3},
		// Ties: the lowest indices, across the edge of what is taken and across digits of the index.
		{3000, 100, func(x, _ []float32) { clear(x) }, 0},
		{300, 9, func(x, _ []float32) { clear(x) }, 5},
		{70000, 7, func(x, _ []float32) { x[66000], x[300], x[44], x[299] = 9, 9, 9, 9 }, 0},
		{600, 20, func(x, b []float32) {
			for i := range x {
				x[i] = -float32(i % 7)
			}
			for i := 0; i < len(b); i += 3 {
				b[i] = -1e30
			}
		}, 2},
		{300, 5, func(x, _ []float32) { x[7], x[8] = inf, -inf }, 0},
	} {
		addRows(row{
			op: &topk, name: fmt.Sprintf("%d of %d×%d", c.k, c.rows, c.v),
			inputs: func(r *random) []tensor.Tensor {
				shape := []int{c.rows, c.v}
				if c.rows == 0 {
					shape = shape[1:]
				}
				x, bias := r.normal(shape...).F32(), r.normal(c.v).F32()
				if c.change != nil {
					clear(bias)
					c.change(x, bias)
				}
				return []tensor.Tensor{tensor.FromF32(x, shape...), tensor.FromF32(bias, c.v)}
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
	logits, bias := []float32{-2, 5, 0, 5, 9, -1}, tensor.FromF32([]float32{0, 0, 0, 0, -1e30, 0}, 6)
	out := c.execute(t, device, []tensor.Tensor{tensor.FromF32(logits, 6), bias})
	near(t, "values", out[0].F32(), []float32{5, 5, 0, -1}, 0)
	if ids := out[1].I32(); !slices.Equal(ids, []int32{1, 3, 2, 5}) {
		t.Errorf("ids %v, want [1 3 2 5]", ids)
	}

	logits = append([]float32{1, 2, 3, 4, 5, 6}, logits...)
	out = c.execute(t, device, []tensor.Tensor{tensor.FromF32(logits, 2, 6), bias})
	near(t, "values of two rows", out[0].F32(), []float32{6, 4, 3, 2, 5, 5, 0, -1}, 0)
	if ids := out[1].I32(); !slices.Equal(ids, []int32{5, 3, 2, 1, 1, 3, 2, 5}) || !out[1].Shape.Equal(tensor.Shape{2, 4}) {
		t.Errorf("ids %v of two rows, %v, want [5 3 2 1 1 3 2 5], [2,4]", ids, out[1].Shape)
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
