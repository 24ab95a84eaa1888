package ops

import (
	"fmt"
	"testing"

	"flamingo/gpu"
	"flamingo/tensor"
)

func init() {
	// Rows, width, queries, keys; the last has more rows than an axis of workgroups.
	for _, s := range [][4]int{{1, 2, 1, 1}, {3, 192, 64, 64}, {5, 131, 65, 63}, {2, 771, 257, 257}, {17, 90, 64, 16}, {32770, 16, 7, 9}} {
		addRows(row{
			op: &qkNorm, name: fmt.Sprint(s),
			inputs: func(r *random) []tensor.Tensor {
				return []tensor.Tensor{r.normal(s[0], s[1]), r.normal(s[2]), r.normal(s[3])}
			},
			record: func(p *gpu.Pass, in []gpu.Tensor) []gpu.Tensor {
				return []gpu.Tensor{QKNorm(p, in[0], in[1], in[2], 1e-5)}
			},
		})
	}
}

func TestQKNormByHand(t *testing.T) {
	// Queries have mean 1 and variance 2, keys mean 6 and variance 4.
	x := tensor.FromF32([]float32{1, 3, -1, 1, 4, 8, 5, 7}, 1, 8)
	q, k := tensor.FromF32([]float32{1, 1, 1, 2}, 4), tensor.FromF32([]float32{3, -1}, 2)
	norm := func(p *gpu.Pass, in []gpu.Tensor) gpu.Tensor { return QKNorm(p, in[0], in[1], in[2], 2) }
	close32(t, run(t, norm, x, q, tensor.FromF32([]float32{0, 0}, 2)), 0, 1, -1, 0, 0, 0, 5, 7)
	const a = 0.8164965809277260 // 2/√6
	close32(t, run(t, norm, x, q, k), 0, 1, -1, 0, -3*a, -a, 5, 7)
}

// It is LayerNorm of the two parts.
func TestQKNormIsLayerNorm(t *testing.T) {
	r := &random{newRand(4)}
	x, q, k := r.normal(1, 24), r.normal(8), r.normal(12)
	got := run(t, func(p *gpu.Pass, in []gpu.Tensor) gpu.Tensor { return QKNorm(p, in[0], in[1], in[2], 1e-5) }, x, q, k)
	layer := func(p *gpu.Pass, in []gpu.Tensor) gpu.Tensor { return LayerNorm(p, in[0], in[1], gpu.Tensor{}, 1e-5) }
	near(t, "queries", got[:8], run(t, layer, tensor.FromF32(x.F32()[:8], 1, 8), q), 0)
	near(t, "keys", got[8:20], run(t, layer, tensor.FromF32(x.F32()[8:20], 1, 12), k), 0)
	near(t, "the rest", got[20:], x.F32()[20:], 0)
}

func TestQKNormRefuses(t *testing.T) {
	d := gpu.NewCPU()
	x, _ := gpu.Alloc(d, "test", tensor.F32, 4, 6)
	w, _ := gpu.Alloc(d, "test", tensor.F32, 4)
	i, _ := gpu.Alloc(d, "test", tensor.I32, 2)
	recordError(t, "at least 4 queries and 4 keys", func(p *gpu.Pass) { QKNorm(p, x, w, w, 1e-5) })
	recordError(t, "q is [4,6]", func(p *gpu.Pass) { QKNorm(p, x, x, w, 1e-5) })
	recordError(t, "k is i32, want f32", func(p *gpu.Pass) { QKNorm(p, x, w, i, 1e-5) })
}
