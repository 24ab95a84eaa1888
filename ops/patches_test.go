package ops

import (
	"fmt"
	"testing"

	"flamingo/gpu"
	"flamingo/tensor"
)

func init() {
	// Height, width, size.
	for _, s := range [][3]int{{1, 1, 1}, {5, 3, 1}, {28, 42, 14}, {30, 45, 14}, {65, 63, 9}, {7, 7, 7}, {33, 100, 32}, {257, 260, 4}} {
		addRows(row{
			op: &patches, name: fmt.Sprint(s),
			inputs: func(r *random) []tensor.Tensor { return []tensor.Tensor{r.normal(s[0], s[1], 4)} },
			record: func(p *gpu.Pass, in []gpu.Tensor) []gpu.Tensor { return []gpu.Tensor{Patches(p, in[0], s[2])} },
		})
	}
}

func TestPatchesByHand(t *testing.T) {
	// Pixel n holds n, n+0.25, n+0.5, n+0.75; the fifth column and the third row are dropped.
	pixels := make([]float32, 3*5*4)
	for i := range pixels {
		pixels[i] = float32(i) / 4
	}
	var want []float64
	for _, n := range []float64{0, 1, 5, 6, 2, 3, 7, 8} {
		want = append(want, n, n+0.25, n+0.5, n+0.75)
	}
	close32(t, run(t, func(p *gpu.Pass, in []gpu.Tensor) gpu.Tensor { return Patches(p, in[0], 2) },
		tensor.FromF32(pixels, 3, 5, 4)), want...)
}

func TestPatchesRefuses(t *testing.T) {
	d := gpu.NewCPU()
	x, _ := gpu.Alloc(d, "test", tensor.F32, 4, 6, 4)
	rgb, _ := gpu.Alloc(d, "test", tensor.F32, 4, 6, 3)
	recordError(t, "have a side of 5", func(p *gpu.Pass) { Patches(p, x, 5) })
	recordError(t, "have a side of 0", func(p *gpu.Pass) { Patches(p, x, 0) })
	recordError(t, "x is [4,6,3]", func(p *gpu.Pass) { Patches(p, rgb, 2) })
}
