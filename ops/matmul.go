package ops

import (
	"math"

	"flamingo/gpu"
	"flamingo/tensor"
)

// Matmul and matvec are one operation; the second kernel is for few rows of x, where reading the
// weights is all the work.
var (
	matmul = gpu.Op{
		Name: "matmul",
		In:   []string{"x", "w", "bias", "residual", "gate"},
		Out:  []string{"y"},
		CPU:  matmulCPU,
	}
	matvec = gpu.Op{
		Name: "matvec",
		In:   matmul.In,
		Out:  matmul.Out,
		CPU:  matmulCPU,
		Variants: []gpu.Variant{
			{Suffix: "subgroups", Needs: []string{"subgroups"}},
		},
	}
)

type matmulParams struct {
	M, N, K uint32
	Act     Activation
	Has     uint32 // which of the epilogue's tensors are set
}

const (
	hasBias = 1 << iota
	hasResidual
	hasGate
)

// An Epilogue is what a matmul does to its product before storing it:
// y = Residual + tanh(Gate)·Act(x·Wᵀ + Bias). Tensors that are not set are left out.
type Epilogue struct {
	Bias     gpu.Tensor // [N]
	Act      Activation
	Residual gpu.Tensor // [..., N], as many rows as x
	Gate     gpu.Tensor // [1], raw, before tanh
}

// matvecRows is the largest number of rows of x that the matvec kernel takes.
const matvecRows = 4

// Matmul returns the epilogue of x·wᵀ: x [..., K] f32 and w [N, K] in any weight format give
// [..., N]. K is a multiple of 4.
func Matmul(p *gpu.Pass, x, w gpu.Tensor, e Epilogue) gpu.Tensor {
	m, k, n := x.Rows(), x.Dim(-1), w.Dim(0)
	op := &matmul
	if m <= matvecRows {
		op = &matvec
	}
	if len(w.Shape) != 2 || w.Dim(1) != k || k%4 != 0 || k == 0 {
		p.Fail(op, "x is %v and w is %v, want [..., K] and [N, K] with K a multiple of 4", x.Shape, w.Shape)
	}
	wantF32(p, op, 0, x)
	wantWeights(p, op, 1, w)
	bias, residual, gate, has := x, x, x, uint32(0)
	if e.Bias.Valid() {
		bias, has = e.Bias, has|hasBias
		p.Want(op, 2, bias, n)
	}
	if e.Residual.Valid() {
		residual, has = e.Residual, has|hasResidual
		if residual.Dim(-1) != n || residual.Rows() != m {
			p.Fail(op, "residual is %v, want %d rows of %d", residual.Shape, m, n)
		}
	}
	if e.Gate.Valid() {
		gate, has = e.Gate, has|hasGate
		p.Want(op, 4, gate, 1)
	}
	shape := append(tensor.Shape{}, x.Shape...)
	if len(shape) > 0 {
		shape[len(shape)-1] = n
	}
	y := p.Tensor(shape...)
	call := gpu.Call{
		Consts: gpu.Consts{"W": w.DType.String()},
		Params: matmulParams{uint32(m), uint32(n), uint32(k), e.Act, has},
	}
	if op == &matvec {
		lanes := 8 // or 32, as matvec_subgroups.wgsl counts on
		if k >= 512 {
			lanes = 32
		}
		call.Consts["WG"], call.Consts["LANES"], call.Consts["ROWS"] = 64, lanes, 1
		if m > 1 {
			call.Consts["ROWS"] = matvecRows
		}
		call.Groups = [3]int{ceilDiv(n, 4*64/lanes)}
	} else {
		call.Groups = [3]int{ceilDiv(n, 32), ceilDiv(m, 32)}
	}
	p.Run(op, call, x, w, bias, residual, gate, y)
	return y
}

// wantF32 and wantWeights check the element type of argument i.
func wantF32(p *gpu.Pass, op *gpu.Op, i int, t gpu.Tensor) {
	if t.DType != tensor.F32 {
		p.Fail(op, "%s is %v, want f32", op.In[i], t.DType)
	}
}

func wantWeights(p *gpu.Pass, op *gpu.Op, i int, t gpu.Tensor) {
	if t.DType == tensor.I32 {
		p.Fail(op, "%s is i32, want f32, f16, q8 or q4", op.In[i])
	}
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

// matmulCPU dequantises four rows of w at a time. It multiplies in float64 throughout: that is as
// fast as float32 without vector instructions, once both sides have been converted.
func matmulCPU(r *gpu.Run) {
	p := r.Params.(matmulParams)
	m, n, k := int(p.M), int(p.N), int(p.K)
	x := widen(r.F32(0))
	finish := epilogueCPU(r, n)
	gpu.Parallel(ceilDiv(n, 4), func(i int) {
		w := unpackRows(r.Arg(1), 4*i, min(4, n-4*i))
		for row := range m {
			for j, s := range dot4(x[row*k:(row+1)*k], w) {
				if 4*i+j < n {
					finish(row, 4*i+j, s)
				}
			}
		}
	})
}

// epilogueCPU returns the function that stores one element of the product.
func epilogueCPU(r *gpu.Run, n int) func(row, col int, v float64) {
	bias, residual, y := r.F32(2), r.F32(3), r.F32(5)
	p, gate := r.Params.(matmulParams), 1.0
	if p.Has&hasGate != 0 {
		gate = math.Tanh(float64(r.F32(4)[0]))
	}
	return func(row, col int, v float64) {
		if p.Has&hasBias != 0 {
			v += float64(bias[col])
		}
		v = p.Act.apply(v) * gate
		if p.Has&hasResidual != 0 {
			v += float64(residual[row*n+col])
		}
		y[row*n+col] = float32(v)
	}
}

// unpackRows dequantises rows from … from+count-1 of w; of the four returned, the rest are zero.
func unpackRows(w tensor.Tensor, from, count int) [4][]float64 {
	k := w.Shape.Dim(-1)
	row := make([]float32, k)
	all := make([]float64, 4*k)
	var out [4][]float64
	for i := range out {
		out[i] = all[i*k : (i+1)*k]
		if i < count {
			w.UnpackRow(row, from+i)
			for j, v := range row {
				out[i][j] = float64(v)
			}
		}
	}
	return out
}

func widen(x []float32) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = float64(v)
	}
	return out
}

// dot4 multiplies x with four rows, which share the loads of x.
func dot4(x []float64, w [4][]float64) (s [4]float64) {
	n := len(x)
	w0, w1, w2, w3 := w[0][:n], w[1][:n], w[2][:n], w[3][:n]
	var s0, s1, s2, s3 float64
	for i, v := range x {
		s0 += v * w0[i]
		s1 += v * w1[i]
		s2 += v * w2[i]
		s3 += v * w3[i]
	}
	return [4]float64{s0, s1, s2, s3}
}
