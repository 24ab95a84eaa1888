package ops

import (
	"fmt"
	"testing"

	"flamingo/gpu"
	"flamingo/tensor"
)

func init() {
	for _, s := range [][2]int{{1, 1}, {3, 63}, {2, 65}, {5, 257}, {64, 128}} {
		addRows(row{
			op: &layerNorm, name: fmt.Sprint(s),
			inputs: func(r *random) []tensor.Tensor {
				return []tensor.Tensor{r.normal(s[0], s[1]), r.normal(s[1]), r.normal(s[1])}
			},
			record: func(p *gpu.Pass, in []gpu.Tensor) []gpu.Tensor {
				return []gpu.Tensor{LayerNorm(p, in[0], in[1], in[2], 1e-5), LayerNorm(p, in[0], in[1], gpu.Tensor{}, 1e-5)}
			},
		}, row{
			op: &rmsNorm, name: fmt.Sprint(s),
			inputs: func(r *random) []tensor.Tensor { return []tensor.Tensor{r.normal(s[0], s[1]), r.normal(s[1])} },
			record: func(p *gpu.Pass, in []gpu.Tensor) []gpu.Tensor { return []gpu.Tensor{RMSNorm(p, in[0], in[1], 1e-5)} },
		})
	}
}

func TestNormsByHand(t *testing.T) {
	x, w := tensor.FromF32([]float32{1, 3, -1, 1}, 1, 4), tensor.FromF32([]float32{1, 1, 1, 2}, 4)
	close32(t, run(t, func(p *gpu.Pass, in []gpu.Tensor) gpu.Tensor { return RMSNorm(p, in[0], in[1], 1) }, x, w),
		0.5, 1.5, -0.5, 1)
	close32(t, run(t, func(p *gpu.Pass, in []gpu.Tensor) gpu.Tensor { return LayerNorm(p, in[0], in[1], in[1], 2) }, x, w),
		1, 2, 0, 2)
}
