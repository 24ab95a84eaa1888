package ops

import "flamingo/gpu"

var (
	concatRows = gpu.Op{
		Name: "concat_rows",
		In:   []string{"a", "b"},
		Out:  []string{"y"},
		CPU:  concatRowsCPU,
	}
	rows = gpu.Op{
		Name: "rows",
		In:   []string{"x"},
		Out:  []string{"y"},
		CPU:  rowsCPU,
	}
)

type concatParams struct{ N, Width, Split uint32 }

// ConcatRows puts the rows of b [..., D] below those of a [..., D], as [rows of both, D].
func ConcatRows(p *gpu.Pass, a, b gpu.Tensor) gpu.Tensor {
	op := &concatRows
	d := a.Dim(-1)
	if b.Dim(-1) != d {
		p.Fail(op, "a is %v and b is %v, want rows of equal length", a.Shape, b.Shape)
	}
	wantF32(p, op, 0, a)
	wantF32(p, op, 1, b)
	y := p.Tensor(a.Rows()+b.Rows(), d)
	groups, width := elementGroups(y.Shape.Len())
	p.Run(op, gpu.Call{
		Consts: gpu.Consts{"WG": elementWG},
		Params: concatParams{uint32(y.Shape.Len()), width, uint32(a.Shape.Len())},
		Groups: groups,
	}, a, b, y)
	return y
}

func concatRowsCPU(r *gpu.Run) {
	a, b, y := r.F32(0), r.F32(1), r.F32(2)
	copy(y[copy(y, a):], b)
}

type rowsParams struct{ N, Width, From uint32 }

// Rows copies n rows of x [..., D], from the given one on, as [n, D].
func Rows(p *gpu.Pass, x gpu.Tensor, from, n int) gpu.Tensor {
	d := x.Dim(-1)
	if from < 0 || n < 0 || from+n > x.Rows() {
		p.Fail(&rows, "%d rows from row %d of %v, want rows inside it", n, from, x.Shape)
		from, n = 0, 0
	}
	wantF32(p, &rows, 0, x)
	y := p.Tensor(n, d)
	groups, width := elementGroups(n * d)
	p.Run(&rows, gpu.Call{
		Consts: gpu.Consts{"WG": elementWG},
		Params: rowsParams{uint32(n * d), width, uint32(from * d)},
		Groups: groups,
	}, x, y)
	return y
}

func rowsCPU(r *gpu.Run) {
	copy(r.F32(1), r.F32(0)[r.Params.(rowsParams).From:])
}
