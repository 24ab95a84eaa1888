package ops

import "flamingo/gpu"

var addPositions = gpu.Op{
	Name: "add_positions",
	In:   []string{"x", "table", "state"},
	Out:  []string{"y"},
	CPU:  addPositionsCPU,
}

type addPositionsParams struct {
	N, Width, D  uint32
	Rows, Offset int32
	Listed       uint32 // 1 when state is places
}

// AddPositions adds row state[StatePos]+t+offset of table [P, D], f32, to row t of x [T, D]: learned
// positions. A row outside the table counts as its last.
func AddPositions(p *gpu.Pass, x, table, state gpu.Tensor, offset int) gpu.Tensor {
	p.Want(&addPositions, 2, state, StateLen)
	return addPositionsOf(p, x, table, state, offset, 0)
}

// AddPositionsListed is AddPositions in a listed pass: places [T, PlaceLen], i32, hold the position
// of each row.
func AddPositionsListed(p *gpu.Pass, x, table, places gpu.Tensor, offset int) gpu.Tensor {
	p.Want(&addPositions, 2, places, x.Rows(), PlaceLen)
	return addPositionsOf(p, x, table, places, offset, 1)
}

func addPositionsOf(p *gpu.Pass, x, table, state gpu.Tensor, offset int, listed uint32) gpu.Tensor {
	op := &addPositions
	d := x.Dim(-1)
	p.Want(op, 1, table, -1, d)
	wantF32(p, op, 0, x)
	wantF32(p, op, 1, table)
	wantI32(p, op, 2, state)
	if table.Rows() < 1 {
		p.Fail(op, "table is %v, want at least one row", table.Shape)
	}
	y := p.Tensor(x.Shape...)
	groups, width := elementGroups(x.Shape.Len())
	p.Run(op, gpu.Call{
		Consts: gpu.Consts{"WG": elementWG},
		Params: addPositionsParams{uint32(x.Shape.Len()), width, uint32(d), int32(table.Rows()), int32(offset), listed},
		Groups: groups,
	}, x, table, state, y)
	return y
}

func addPositionsCPU(r *gpu.Run) {
	p := r.Params.(addPositionsParams)
	x, table, state, y := r.F32(0), r.F32(1), r.I32(2), r.F32(3)
	d := int(p.D)
	for i, v := range x {
		row := int(state[StatePos]) + i/d
		if p.Listed == 1 {
			row = int(state[i/d*PlaceLen+PlacePos])
		}
		row += int(p.Offset)
		if row < 0 || row >= int(p.Rows) {
			row = int(p.Rows) - 1
		}
		y[i] = v + table[row*d+i%d]
	}
}
