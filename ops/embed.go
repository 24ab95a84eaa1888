package ops

import (
	"flamingo/gpu"
	"flamingo/tensor"
)

var embed = gpu.Op{
	Name: "embed",
	In:   []string{"ids", "w"},
	Out:  []string{"y"},
	CPU:  embedCPU,
}

type embedParams struct{ T, Width, N, K uint32 }

// Embed returns the rows of w [V, D], in any weight format, that ids i32 [T] name, as [T, D]. An
// id outside of w gives zeros. D is a multiple of 4.
func Embed(p *gpu.Pass, ids, w gpu.Tensor) gpu.Tensor {
	op := &embed
	p.Want(op, 0, ids, -1)
	p.Want(op, 1, w, -1, -1)
	t, v, d := ids.Dim(0), w.Dim(0), w.Dim(-1)
	if ids.DType != tensor.I32 {
		p.Fail(op, "ids are %v, want i32", ids.DType)
	}
	wantWeights(p, op, 1, w)
	if d%4 != 0 {
		p.Fail(op, "w is %v, want rows of a multiple of 4", w.Shape)
	}
	y := p.Tensor(t, d)
	groups, width := elementGroups(t * d / 4)
	p.Run(op, gpu.Call{
		Consts: gpu.Consts{"WG": elementWG, "W": w.DType.String()},
		Params: embedParams{uint32(t), width, uint32(v), uint32(d)},
		Groups: groups,
	}, ids, w, y)
	return y
}

func embedCPU(r *gpu.Run) {
	p := r.Params.(embedParams)
	y, d := r.F32(2), int(p.K)
	for t, id := range r.I32(0) {
		row := y[t*d : (t+1)*d]
		if id < 0 || uint32(id) >= p.N {
			clear(row)
			continue
		}
		r.Arg(1).UnpackRow(row, int(id))
	}
}
