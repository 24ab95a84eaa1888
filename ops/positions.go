package ops

import (
	"flamingo/gpu"
	"flamingo/tensor"
)

var addPositions = gpu.Op{
	Name: "add_positions",
	In:   []string{"x", "table", "state"},
	Out:  []string{"y"},
	CPU:  addPositionsCPU,
}

type addPositionsParams struct {
	N, Width, D  uint32
	Rows, Offset int32
}

// AddPositions adds row state[StatePos]+t+offset of table [P, D], f32, to row t of x [T, D]: learned
// positions. A row outside the table counts as its last.
func AddPositions(p *gpu.Pass, x, table, state gpu.Tensor, offset int) gpu.Tensor {
	op := &addPositions
	d := x.Dim(-1)
	p.Want(op, 1, table, -1, d)
	p.Want(op, 2, state, StateLen)
	wantF32(p, op, 0, x)
	wantF32(p, op, 1, table)
	if state.DType != tensor.I32 {
		p.Fail(op, "state is %v, want i32", state.DType)
	}
	if table.Rows() < 1 {
		p.Fail(op, "table is %v, want at least one row", table.Shape)
	}
	y := p.Tensor(x.Shape...)
	groups, width := elementGroups(x.Shape.Len())
	p.Run(op, gpu.Call{
		Consts: gpu.Consts{"WG": elementWG},
		Params: addPositionsParams{uint32(x.Shape.Len()), width, uint32(d), int32(table.Rows()), int32(offset)},
		Groups: groups,
	}, x, table, state, y)
	return y
}

func addPositionsCPU(r *gpu.Run) {
	p := r.Params.(addPositionsParams)
	x, table, y := r.F32(0), r.F32(1), r.F32(3)
	d, first := int(p.D), int(r.I32(2)[StatePos])+int(p.Offset)
	for i, v := range x {
		row := first + i/d
		if row < 0 || row >= int(p.Rows) {
			row = int(p.Rows) - 1
		}
		y[i] = v + table[row*d+i%d]
	}
}
