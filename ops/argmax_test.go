package ops

import (
	"fmt"
	"math"
	"testing"

	"flamingo/gpu"
	"flamingo/tensor"
)

var inf = float32(math.Inf(1))
var nan = float32(math.NaN())

func init() {
	type input struct {
		v, ring, step int
		change        func(logits, bias []float32)
	}
	inputs := []input{
		{1, 1, 0, nil},
		{3, 4, 3, nil},
		{63, 4, 6, nil},
		{257, 16, 33, nil},
		{5000, 16, 15, nil},
		{300, 3, 1, func(x, b []float32) { copy(x[44:], []float32{9, 8, 9}); x[299] = 9 }},
		{300, 3, 1, func(x, b []float32) { x[280], b[280], x[7] = 9, -1e30, 7 }},
		{600, 3, 1, func(x, b []float32) { clear(x) }},
		{600, 3, 1, func(x, b []float32) { x[599] = nan }},
		{600, 3, 1, func(x, b []float32) { x[0] = -inf }},
		{600, 3, 1, func(x, b []float32) { x[300] = inf }},
	}
	// At the edges of what a lane, and then one lane for several, looks through.
	for _, at := range []int{15, 16, 63, 240, 255, 256, 271, 511} {
		inputs = append(inputs, input{512, 5, at, func(x, _ []float32) { x[at] = 9 }})
	}
	for _, c := range inputs {
		addRows(row{
			op: &argmax, name: fmt.Sprintf("%d, ring of %d at %d", c.v, c.ring, c.step),
			inputs: func(r *random) []tensor.Tensor {
				x, bias := r.normal(c.v).F32(), make([]float32, c.v)
				if c.change != nil {
					c.change(x, bias)
				}
				return []tensor.Tensor{
					tensor.FromF32(x, 1, c.v), tensor.FromF32(bias, c.v),
					tensor.FromI32([]int32{7}, 1), r.ints(9, c.ring), tensor.FromI32([]int32{9, int32(c.step), 9, 9}, StateLen),
				}
			},
			record: func(p *gpu.Pass, in []gpu.Tensor) []gpu.Tensor {
				Argmax(p, in[0], in[1], in[2], in[3], in[4])
				return nil
			},
			changed: []int{2, 3},
		})
	}
}

func TestArgmaxByHand(t *testing.T) {
	c := row{op: &argmax, changed: []int{2, 3}, record: func(p *gpu.Pass, in []gpu.Tensor) []gpu.Tensor {
		Argmax(p, in[0], in[1], in[2], in[3], in[4])
		return nil
	}}
	for i, e := range []struct {
		logits, bias []float32
		want         int32
	}{
		{[]float32{1, 3, 2}, []float32{0, 0, 0}, 1},
		{[]float32{1, 3, 3}, []float32{0, 0, 0}, 1},
		{[]float32{1, 3, 3}, []float32{0, -1e30, 0}, 2},
		{[]float32{-5, -3, -9}, []float32{0, 0, 0}, 1},
		{[]float32{1, nan, 3}, []float32{0, 0, 0}, -1},
		{[]float32{1, 3, inf}, []float32{0, 0, 0}, -1},
		{[]float32{-inf, 3, 1}, []float32{0, 0, 0}, -1},
	} {
		out := c.execute(t, device, []tensor.Tensor{
			tensor.FromF32(e.logits, 3), tensor.FromF32(e.bias, 3),
			tensor.FromI32([]int32{7}, 1), tensor.FromI32([]int32{5, 5, 5, 5}, 4), tensor.FromI32([]int32{0, 6, 0, 0}, StateLen),
		})
		if token, ring := out[0].I32()[0], out[1].I32(); token != e.want || ring[2] != e.want || ring[1] != 5 || ring[3] != 5 {
			t.Errorf("case %d: token %d and ring %v, want %d, also at 2", i, token, ring, e.want)
		}
	}
}
