package ops

import (
	"fmt"
	"testing"

	"flamingo/gpu"
	"flamingo/tensor"
)

func init() {
	for _, c := range []struct {
		rows, dim, table int
		at               int32
		offset           int
	}{
		{1, 1, 1, 0, 0}, {3, 65, 9, 4, 2}, {5, 63, 64, 57, 0}, {17, 257, 40, 3, 2}, {1, 768, 2050, 2047, 2},
		// Past the table, and before it.
		{9, 64, 12, 6, 2}, {3, 4, 5, 2147483600, 2}, {6, 8, 5, -3, 0}, {4, 8, 5, 1, -2},
		{3, 100000, 4, 1, 0},
	} {
		addRows(row{
			op: &addPositions, name: fmt.Sprintf("%d×%d of %d from %d", c.rows, c.dim, c.table, int(c.at)+c.offset),
			inputs: func(r *random) []tensor.Tensor {
				return []tensor.Tensor{r.normal(c.rows, c.dim), r.normal(c.table, c.dim), tensor.FromI32([]int32{c.at, 9, 9, 9}, StateLen)}
			},
			record: func(p *gpu.Pass, in []gpu.Tensor) []gpu.Tensor {
				return []gpu.Tensor{AddPositions(p, in[0], in[1], in[2], c.offset)}
			},
		})
	}
}

func TestAddPositionsByHand(t *testing.T) {
	x := tensor.FromF32([]float32{1, 2, 3, 4, 5, 6}, 3, 2)
	table := tensor.FromF32([]float32{10, 20, 30, 40, 50, 60, 70, 80}, 4, 2)
	for _, c := range []struct {
		at     int32
		offset int
		want   []float64
	}{
		{0, 0, []float64{11, 22, 33, 44, 55, 66}},
		{0, 1, []float64{31, 42, 53, 64, 75, 86}},
		{1, 1, []float64{51, 62, 73, 84, 75, 86}},
		{-1, 0, []float64{71, 82, 13, 24, 35, 46}},
	} {
		close32(t, run(t, func(p *gpu.Pass, in []gpu.Tensor) gpu.Tensor { return AddPositions(p, in[0], in[1], in[2], c.offset) },
			x, table, tensor.FromI32([]int32{c.at, 3, 3, 3}, StateLen)), c.want...)
	}
}

func TestAddPositionsRefuses(t *testing.T) {
	d := gpu.NewCPU()
	x, _ := gpu.Alloc(d, "test", tensor.F32, 4, 6)
	table, _ := gpu.Alloc(d, "test", tensor.F32, 4, 5)
	none, _ := gpu.Alloc(d, "test", tensor.F32, 0, 6)
	state, _ := gpu.Alloc(d, "test", tensor.I32, StateLen)
	floats, _ := gpu.Alloc(d, "test", tensor.F32, StateLen)
	recordError(t, "table is [4,5]", func(p *gpu.Pass) { AddPositions(p, x, table, state, 0) })
	recordError(t, "at least one row", func(p *gpu.Pass) { AddPositions(p, x, none, state, 0) })
	recordError(t, "state is f32, want i32", func(p *gpu.Pass) { AddPositions(p, x, x, floats, 0) })
}
