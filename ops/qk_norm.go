package ops

import (
	"math"

	"flamingo/gpu"
)

var qkNorm = gpu.Op{
	Name: "qk_norm",
	In:   []string{"x", "q", "k"},
	Out:  []string{"y"},
	CPU:  qkNormCPU,
}

type qkNormParams struct {
	Rows, Width, Queries, Keys uint32
	Eps                        float32
}

// QKNorm normalises queries and keys over their full width, before heads are split (q_ln and k_ln of
// mosaic_gpt): the rows of x [T, ≥Dq+Dk] hold queries, keys, and the rest, which is copied. It is
// LayerNorm with the weights q [Dq] and k [Dk] and no bias.
func QKNorm(p *gpu.Pass, x, q, k gpu.Tensor, eps float32) gpu.Tensor {
	op := &qkNorm
	p.Want(op, 1, q, -1)
	p.Want(op, 2, k, -1)
	for i, t := range []gpu.Tensor{x, q, k} {
		wantF32(p, op, i, t)
	}
	width, queries, keys := x.Dim(-1), q.Shape.Len(), k.Shape.Len()
	if queries+keys > width {
		p.Fail(op, "x is %v, want rows of at least %d queries and %d keys", x.Shape, queries, keys)
	}
	y := p.Tensor(x.Shape...)
	groups := spread(x.Rows(), 1)
	groups[2] = 2
	if width > queries+keys {
		groups[2] = 3
	}
	p.Run(op, gpu.Call{
		Consts: gpu.Consts{"WG": 64},
		Params: qkNormParams{uint32(x.Rows()), uint32(width), uint32(queries), uint32(keys), eps},
		Groups: groups,
	}, x, q, k, y)
	return y
}

func qkNormCPU(r *gpu.Run) {
	p := r.Params.(qkNormParams)
	x, q, k, y := r.F32(0), r.F32(1), r.F32(2), r.F32(3)
	copy(y, x)
	for row := 0; row < len(x); row += int(p.Width) {
		from := y[row : row+int(p.Width)]
		scaledNorm(from[:p.Queries], q, float64(p.Eps))
		scaledNorm(from[p.Queries:p.Queries+p.Keys], k, float64(p.Eps))
	}
}

// scaledNorm is LayerNorm without a bias, in place.
func scaledNorm(v, weight []float32, eps float64) {
	mean, squares := 0.0, 0.0
	for _, a := range v {
		mean += float64(a)
	}
	mean /= float64(len(v))
	for _, a := range v {
		squares += (float64(a) - mean) * (float64(a) - mean)
	}
	inv := 1 / math.Sqrt(squares/float64(len(v))+eps)
	for i, a := range v {
		v[i] = float32((float64(a) - mean) * inv * float64(weight[i]))
	}
}
