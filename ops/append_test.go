package ops

import (
	"fmt"
	"testing"

	"flamingo/gpu"
	"flamingo/tensor"
)

func init() {
	for _, c := range []struct {
		rows, srcWidth, capacity, width int
		state                           []int32
		rel                             float64
		AppendOptions
	}{
		{1, 1, 1, 1, []int32{0, 0, 0, 0}, 0, AppendOptions{}},
		{3, 65, 7, 63, []int32{0, 2, 0, 0}, 0, AppendOptions{From: 2, Slot: StateStep, Stride: 2}},
		{5, 257, 9, 257, []int32{0, 0, 1, 0}, 0, AppendOptions{Slot: StateImages, Stride: 3}},
		// Outside of the cache at either end.
		{6, 8, 7, 4, []int32{4, 0, 0, 0}, 0, AppendOptions{From: 4, Stride: 1}},
		{6, 8, 7, 4, []int32{0, 0, 0, -1}, 0, AppendOptions{Slot: StateFrames, Stride: 2}},
		{1, 288, 128, 192, []int32{77, 0, 0, 0}, 0, AppendOptions{From: 96, Stride: 1, Heads: 4, HeadDim: 24, RotaryDims: 24, RotaryBase: 10000}},
		{9, 60, 33, 40, []int32{20, 0, 0, 0}, 0, AppendOptions{From: 20, Stride: 1, Heads: 1, HeadDim: 20, RotaryDims: 6, RotaryBase: 500000}},
		// The angle's rounding, 2^-30 of a turn for each position.
		{3, 256, 5000, 256, []int32{4000, 0, 0, 0}, 5e-5, AppendOptions{Stride: 1, Heads: 1, HeadDim: 128, RotaryDims: 128, RotaryBase: 10000}},
	} {
		addRows(row{
			op: &appendRows, name: fmt.Sprintf("%d×%d at %v of %d×%d", c.rows, c.srcWidth, c.state, c.capacity, c.width), rel: c.rel,
			inputs: func(r *random) []tensor.Tensor {
				return []tensor.Tensor{r.normal(c.rows, c.srcWidth), r.normal(c.capacity, c.width), tensor.FromI32(c.state, StateLen)}
			},
			record: func(p *gpu.Pass, in []gpu.Tensor) []gpu.Tensor {
				Append(p, in[0], in[1], in[2], c.AppendOptions)
				return nil
			},
			changed: []int{1},
		})
	}
}

func TestAppendByHand(t *testing.T) {
	src := tensor.FromF32([]float32{1, 2, 3, 4, 5, 6}, 2, 3)
	c := row{op: &appendRows, changed: []int{1}, record: func(p *gpu.Pass, in []gpu.Tensor) []gpu.Tensor {
		Append(p, in[0], in[1], in[2], AppendOptions{From: 1, Slot: StateImages, Stride: 2})
		return nil
	}}
	at := func(n int32) []float32 {
		return c.execute(t, device, []tensor.Tensor{src, tensor.New(tensor.F32, 3, 2), tensor.FromI32([]int32{9, 9, n, 9}, StateLen)})[0].F32()
	}
	near(t, "at 0", at(0), []float32{2, 3, 5, 6, 0, 0}, 0)
	near(t, "at the end", at(1), []float32{0, 0, 0, 0, 2, 3}, 0)
	near(t, "past the end", at(2), make([]float32, 6), 0)
}

func TestAppendRotates(t *testing.T) {
	// One radian at position 1 for the pair of the key; the value stays.
	src := tensor.FromF32([]float32{1, 0, 3, 4}, 1, 4)
	c := row{op: &appendRows, changed: []int{1}, record: func(p *gpu.Pass, in []gpu.Tensor) []gpu.Tensor {
		Append(p, in[0], in[1], in[2], AppendOptions{Stride: 1, Heads: 1, HeadDim: 2, RotaryDims: 2, RotaryBase: 10000})
		return nil
	}}
	got := c.execute(t, device, []tensor.Tensor{src, tensor.New(tensor.F32, 2, 4), tensor.FromI32([]int32{1, 0, 0, 0}, StateLen)})[0]
	near(t, "rotated", got.F32()[4:], []float32{0.5403023, 0.84147098, 3, 4}, 1e-6)
}
