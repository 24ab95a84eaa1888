package ops

import (
	"fmt"
	"testing"

	"flamingo/gpu"
	"flamingo/tensor"
)

func init() {
	for _, s := range [][3]int{{1, 1, 1}, {3, 1, 63}, {5, 7, 65}, {64, 16, 257}} {
		addRows(row{
			op: &concatRows, name: fmt.Sprint(s),
			inputs: func(r *random) []tensor.Tensor {
				return []tensor.Tensor{r.normal(s[0], s[2]), r.normal(s[1], s[2])}
			},
			record: func(p *gpu.Pass, in []gpu.Tensor) []gpu.Tensor {
				return []gpu.Tensor{ConcatRows(p, in[0], in[1]), ConcatRows(p, in[0], in[0])}
			},
		}, row{
			op: &rows, name: fmt.Sprint(s),
			inputs: func(r *random) []tensor.Tensor { return []tensor.Tensor{r.normal(s[0], s[2])} },
			record: func(p *gpu.Pass, in []gpu.Tensor) []gpu.Tensor {
				return []gpu.Tensor{Rows(p, in[0], s[0]-1, 1), Rows(p, in[0], s[0]/2, (s[0]+1)/2)}
			},
		})
	}
	for _, d := range weightFormats {
		for _, s := range [][2]int{{1, 32}, {63, 64}, {5, 36}, {257, 96}, {3, 4}} {
			if d.Quantised() && s[1]%tensor.BlockLen != 0 {
				continue
			}
			addRows(row{
				op: &embed, name: fmt.Sprint(s, d),
				inputs: func(r *random) []tensor.Tensor {
					ids := r.ints(s[0]+2, 65) // the largest two are out of range, and so is -1
					ids.Data[0], ids.Data[1], ids.Data[2], ids.Data[3] = 255, 255, 255, 255
					return []tensor.Tensor{ids, r.weights(d, s[0], s[1])}
				},
				record: func(p *gpu.Pass, in []gpu.Tensor) []gpu.Tensor { return []gpu.Tensor{Embed(p, in[0], in[1])} },
			})
		}
	}
}

func TestRowsByHand(t *testing.T) {
	a, b := tensor.FromF32([]float32{1, 2, 3, 4}, 2, 2), tensor.FromF32([]float32{5, 6}, 1, 2)
	close32(t, run(t, func(p *gpu.Pass, in []gpu.Tensor) gpu.Tensor { return ConcatRows(p, in[0], in[1]) }, a, b), 1, 2, 3, 4, 5, 6)
	close32(t, run(t, func(p *gpu.Pass, in []gpu.Tensor) gpu.Tensor { return Rows(p, in[0], 1, 1) }, a), 3, 4)
}

func TestEmbedByHand(t *testing.T) {
	got := run(t, func(p *gpu.Pass, in []gpu.Tensor) gpu.Tensor { return Embed(p, in[0], in[1]) },
		tensor.FromI32([]int32{1, -1, 0, 2}, 4), tensor.FromF32([]float32{1, 2, 3, 4, 5, 6, 7, 8}, 2, 4))
	close32(t, got, 5, 6, 7, 8, 0, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0)
}

func TestRowsRefuse(t *testing.T) {
	d := gpu.NewCPU()
	x, _ := gpu.Alloc(d, "test", tensor.F32, 4, 6)
	y, _ := gpu.Alloc(d, "test", tensor.F32, 4, 4)
	recordError(t, "equal length", func(p *gpu.Pass) { ConcatRows(p, x, y) })
	recordError(t, "inside it", func(p *gpu.Pass) { Rows(p, x, 2, 3) })
	recordError(t, "want i32", func(p *gpu.Pass) { Embed(p, x.Reshape(24), y) })
	ids, _ := gpu.Alloc(d, "test", tensor.I32, 3)
	recordError(t, "multiple of 4", func(p *gpu.Pass) { Embed(p, ids, x) })
}
