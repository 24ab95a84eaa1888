package ops

import (
	"math"

	"flamingo/gpu"
	"flamingo/tensor"
)

// Elementwise ops give each thread one element, in workgroups of elementWG threads.
const elementWG = 256

// elementGroups covers n elements with workgroups, over two axes as one takes no more than 65,535,
// and returns the number of threads along the first.
func elementGroups(n int) (groups [3]int, width uint32) {
	count := max(ceilDiv(n, elementWG), 1)
	x := min(count, 1<<15)
	return [3]int{x, ceilDiv(count, x)}, uint32(x * elementWG)
}

var (
	activate = gpu.Op{
		Name: "activate",
		In:   []string{"x"},
		Out:  []string{"y"},
		CPU:  activateCPU,
	}
	add = gpu.Op{
		Name: "add",
		In:   []string{"a", "b"},
		Out:  []string{"y"},
		CPU:  addCPU,
	}
	scaleAdd = gpu.Op{
		Name: "scale_add",
		In:   []string{"x", "gate", "scale", "residual"},
		Out:  []string{"y"},
		CPU:  scaleAddCPU,
	}
	swiGLU = gpu.Op{
		Name: "swiglu",
		In:   []string{"x"},
		Out:  []string{"y"},
		CPU:  swiGLUCPU,
	}
)

type activateParams struct {
	N, Width uint32
	Scale    float32
	Act      Activation
}

// Activate returns scale·act(x), elementwise.
func Activate(p *gpu.Pass, x gpu.Tensor, act Activation, scale float32) gpu.Tensor {
	wantF32(p, &activate, 0, x)
	y := p.Tensor(x.Shape...)
	groups, width := elementGroups(x.Shape.Len())
	p.Run(&activate, gpu.Call{
		Consts: gpu.Consts{"WG": elementWG},
		Params: activateParams{uint32(x.Shape.Len()), width, scale, act},
		Groups: groups,
	}, x, y)
	return y
}

func activateCPU(r *gpu.Run) {
	x, y := r.F32(0), r.F32(1)
	p := r.Params.(activateParams)
	for i, v := range x {
		y[i] = float32(float64(p.Scale) * p.Act.apply(float64(v)))
	}
}

// apply is the activation of one value.
func (a Activation) apply(x float64) float64 {
	switch a {
	case GELU:
		return 0.5 * x * (1 + math.Erf(x*math.Sqrt2/2))
	case GELUTanh:
		return 0.5 * x * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
	case QuickGELU:
		return x / (1 + math.Exp(-1.702*x))
	case SquaredReLU:
		return max(x, 0) * max(x, 0)
	case SiLU:
		return x / (1 + math.Exp(-x))
	case ReLU:
		return max(x, 0)
	case Sigmoid:
		return 1 / (1 + math.Exp(-x))
	}
	return x
}

type addParams struct {
	N, Width uint32
	D        uint32
	Each     uint32 // consecutive rows of a that get the same row of b
}

// Add returns a + b of equal shapes.
func Add(p *gpu.Pass, a, b gpu.Tensor) gpu.Tensor {
	if !a.Shape.Equal(b.Shape) {
		p.Fail(&add, "a is %v and b is %v, want equal shapes", a.Shape, b.Shape)
	}
	return addRowsOf(p, a, b, 1)
}

// AddEach adds row f of e [≥ frames, D] to all rows of frame f of x [frames·V, D].
func AddEach(p *gpu.Pass, x, e gpu.Tensor, frames int) gpu.Tensor {
	if frames < 1 || x.Rows()%frames != 0 || e.Rows() < frames || e.Dim(-1) != x.Dim(-1) {
		p.Fail(&add, "x is %v and e is %v for %d frames, want [frames·V, D] and at least as many rows of D as frames", x.Shape, e.Shape, frames)
		frames = 1
	}
	return addRowsOf(p, x, e, x.Rows()/frames)
}

func addRowsOf(p *gpu.Pass, a, b gpu.Tensor, each int) gpu.Tensor {
	wantF32(p, &add, 0, a)
	wantF32(p, &add, 1, b)
	y := p.Tensor(a.Shape...)
	groups, width := elementGroups(a.Shape.Len())
	p.Run(&add, gpu.Call{
		Consts: gpu.Consts{"WG": elementWG},
		Params: addParams{uint32(a.Shape.Len()), width, uint32(a.Dim(-1)), uint32(each)},
		Groups: groups,
	}, a, b, y)
	return y
}

func addCPU(r *gpu.Run) {
	p := r.Params.(addParams)
	a, b, y := r.F32(0), r.F32(1), r.F32(2)
	d := int(p.D)
	for i, v := range a {
		y[i] = v + b[i/d/int(p.Each)*d+i%d]
	}
}

type scaleAddParams struct{ N, Width, C uint32 }

// ScaleAdd returns residual + x·gate·scale: x and residual [..., C], gate [1, C], scale [1].
func ScaleAdd(p *gpu.Pass, x, gate, scale, residual gpu.Tensor) gpu.Tensor {
	op := &scaleAdd
	c := x.Dim(-1)
	p.Want(op, 1, gate, 1, c)
	p.Want(op, 2, scale, 1)
	if residual.Shape.Len() != x.Shape.Len() || residual.Dim(-1) != c {
		p.Fail(op, "x is %v and residual is %v, want equal shapes", x.Shape, residual.Shape)
	}
	for i, t := range []gpu.Tensor{x, gate, scale, residual} {
		wantF32(p, op, i, t)
	}
	y := p.Tensor(x.Shape...)
	groups, width := elementGroups(x.Shape.Len())
	p.Run(op, gpu.Call{
		Consts: gpu.Consts{"WG": elementWG},
		Params: scaleAddParams{uint32(x.Shape.Len()), width, uint32(c)},
		Groups: groups,
	}, x, gate, scale, residual, y)
	return y
}

func scaleAddCPU(r *gpu.Run) {
	c := int(r.Params.(scaleAddParams).C)
	x, gate, scale, residual, y := r.F32(0), r.F32(1), r.F32(2), r.F32(3), r.F32(4)
	for i, v := range x {
		y[i] = float32(float64(residual[i]) + float64(v)*float64(gate[i%c])*float64(scale[0]))
	}
}

type swiGLUParams struct{ N, Width, H uint32 }

// SwiGLU returns silu(gate)·up: x [..., 2H], gate then up, gives [..., H].
func SwiGLU(p *gpu.Pass, x gpu.Tensor) gpu.Tensor {
	h := x.Dim(-1) / 2
	if x.Dim(-1)%2 != 0 || len(x.Shape) == 0 {
		p.Fail(&swiGLU, "x is %v, want an even number of columns", x.Shape)
		return p.Tensor(1)
	}
	wantF32(p, &swiGLU, 0, x)
	shape := append(tensor.Shape{}, x.Shape...)
	shape[len(shape)-1] = h
	y := p.Tensor(shape...)
	groups, width := elementGroups(shape.Len())
	p.Run(&swiGLU, gpu.Call{
		Consts: gpu.Consts{"WG": elementWG},
		Params: swiGLUParams{uint32(shape.Len()), width, uint32(h)},
		Groups: groups,
	}, x, y)
	return y
}

func swiGLUCPU(r *gpu.Run) {
	h := int(r.Params.(swiGLUParams).H)
	x, y := r.F32(0), r.F32(1)
	for i := range y {
		from := i/h*2*h + i%h
		y[i] = float32(SiLU.apply(float64(x[from])) * float64(x[from+h]))
	}
}
