package ops

import (
	"fmt"
	"testing"

	"flamingo/gpu"
	"flamingo/tensor"
)

func init() {
	// Rows, columns, frames: longer, shorter, equal, from one and to one.
	for _, s := range [][3]int{{1, 1, 1}, {8, 65, 30}, {8, 257, 8}, {1, 5, 7}, {7, 64, 1}, {101, 3, 2}, {40000, 1, 50000}} {
		addRows(row{
			op: &interpolate, name: fmt.Sprint(s),
			inputs: func(r *random) []tensor.Tensor { return []tensor.Tensor{r.normal(s[0], s[1])} },
			record: func(p *gpu.Pass, in []gpu.Tensor) []gpu.Tensor { return []gpu.Tensor{Interpolate(p, in[0], s[2])} },
		})
	}
}

func TestInterpolateByHand(t *testing.T) {
	e := tensor.FromF32([]float32{0, 9, 3, 6, 6, 0}, 3, 2)
	for _, c := range []struct {
		frames int
		want   []float64
	}{
		{1, []float64{0, 9}},
		{2, []float64{0, 9, 6, 0}},
		{3, []float64{0, 9, 3, 6, 6, 0}},
		{4, []float64{0, 9, 2, 7, 4, 4, 6, 0}},
		{5, []float64{0, 9, 1.5, 7.5, 3, 6, 4.5, 3, 6, 0}},
	} {
		close32(t, run(t, func(p *gpu.Pass, in []gpu.Tensor) gpu.Tensor { return Interpolate(p, in[0], c.frames) }, e), c.want...)
	}
	close32(t, run(t, func(p *gpu.Pass, in []gpu.Tensor) gpu.Tensor { return Interpolate(p, in[0], 3) },
		tensor.FromF32([]float32{4, 5}, 1, 2)), 4, 5, 4, 5, 4, 5)
}

func TestInterpolateRefuses(t *testing.T) {
	d := gpu.NewCPU()
	e, _ := gpu.Alloc(d, "test", tensor.F32, 8, 4)
	none, _ := gpu.Alloc(d, "test", tensor.F32, 0, 4)
	recordError(t, "for 0 frames", func(p *gpu.Pass) { Interpolate(p, e, 0) })
	recordError(t, "for 65537 frames", func(p *gpu.Pass) { Interpolate(p, e, 65537) })
	recordError(t, "e is [0,4]", func(p *gpu.Pass) { Interpolate(p, none, 3) })
	recordError(t, "e is [32]", func(p *gpu.Pass) { Interpolate(p, e.Reshape(32), 3) })
}
