package ops

import (
	"fmt"
	"testing"

	"flamingo/gpu"
	"flamingo/tensor"
)

func init() {
	for _, s := range [][3]int{{1, 1, 1}, {2, 2, 4}, {1, 5, 3}, {6, 1, 63}, {7, 9, 65}, {12, 13, 32}} {
		addRows(row{
			op: &avgPool2, name: fmt.Sprint(s),
			inputs: func(r *random) []tensor.Tensor { return []tensor.Tensor{r.normal(s[0], s[1], s[2])} },
			record: func(p *gpu.Pass, in []gpu.Tensor) []gpu.Tensor { return []gpu.Tensor{AvgPool2(p, in[0])} },
		})
	}
	for _, s := range [][3]int{{1, 1, 1}, {1, 3, 63}, {5, 13, 65}, {3, 3, 257}, {24, 24, 64}, {65, 63, 3}} {
		addRows(row{
			op: &meanRows, name: fmt.Sprint(s),
			inputs: func(r *random) []tensor.Tensor { return []tensor.Tensor{r.normal(s[0], s[1], s[2])} },
			record: func(p *gpu.Pass, in []gpu.Tensor) []gpu.Tensor { return []gpu.Tensor{MeanRows(p, in[0])} },
		})
	}
}

func TestAvgPool2ByHand(t *testing.T) {
	got := run(t, func(p *gpu.Pass, in []gpu.Tensor) gpu.Tensor { return AvgPool2(p, in[0]) },
		tensor.FromF32([]float32{1, 2, 3, 5, 6, 7, 10, 20, 40}, 3, 3, 1))
	close32(t, got, 3.5, 5, 15, 40)
}

func TestMeanRowsByHand(t *testing.T) {
	got := run(t, func(p *gpu.Pass, in []gpu.Tensor) gpu.Tensor { return MeanRows(p, in[0]) },
		tensor.FromF32([]float32{1, 2, 3, 4, 8, 6}, 3, 1, 2))
	close32(t, got, 4, 4)
}
