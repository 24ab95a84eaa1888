package gpu

import (
	"fmt"
	"strings"

	"flamingo/tensor"
)

// A Pass records ops. Nothing runs before it is compiled into a Plan. It keeps the first error and
// ignores what follows, so that model code need not check each step.
type Pass struct {
	dev   Device
	path  []string
	steps []step
	temps []int        // bytes of each temporary
	kept  map[int]bool // temporaries that outlive the pass
	err   error
}

type step struct {
	op   *Op
	call Call
	args []Tensor
	path string
}

// NewPass starts an empty recording for a device.
func NewPass(d Device) *Pass { return &Pass{dev: d} }

// Device is where the pass will run.
func (p *Pass) Device() Device { return p.dev }

// In enters a named part of the model and returns the function that leaves it:
// defer p.In("resampler")().
func (p *Pass) In(format string, args ...any) func() {
	p.path = append(p.path, fmt.Sprintf(format, args...))
	return func() { p.path = p.path[:len(p.path)-1] }
}

// Tensor returns an f32 temporary. Its memory is shared with temporaries that are not alive at the
// same time; its content does not survive the pass.
func (p *Pass) Tensor(shape ...int) Tensor { return p.TensorOf(tensor.F32, shape...) }

// TensorOf is Tensor with another element type.
func (p *Pass) TensorOf(t tensor.DType, shape ...int) Tensor {
	n, err := t.Bytes(shape)
	if err != nil && p.err == nil {
		p.err = fmt.Errorf("%s: %w", p.where(), err)
	}
	p.temps = append(p.temps, n)
	return Tensor{Shape: shape, DType: t, temp: len(p.temps)}
}

// Keep makes a temporary outlive the pass: Plan.Tensor gives its value after the plan has run.
func (p *Pass) Keep(t Tensor) {
	if p.kept == nil {
		p.kept = map[int]bool{}
	}
	p.kept[t.temp] = true
}

// Run records one dispatch; args are the op's In and Out in order.
func (p *Pass) Run(op *Op, call Call, args ...Tensor) {
	if p.err != nil {
		return
	}
	if len(args) != len(op.In)+len(op.Out) {
		p.Fail(op, "got %d arguments, want %d", len(args), len(op.In)+len(op.Out))
		return
	}
	for i, a := range args {
		if !a.Valid() {
			p.Fail(op, "argument %s is not set", op.arg(i))
			return
		}
	}
	for i, g := range call.Size() {
		if limit := p.dev.Info().MaxGroups; limit > 0 && g > limit {
			p.Fail(op, "%d workgroups along axis %d, the device takes %d", g, i, limit)
			return
		}
	}
	p.steps = append(p.steps, step{op, call, args, p.where()})
}

// Want checks the shape of argument i of op before it is recorded; -1 matches any extent.
func (p *Pass) Want(op *Op, i int, t Tensor, shape ...int) {
	ok := len(t.Shape) == len(shape)
	for a := range shape {
		ok = ok && (shape[a] < 0 || t.Shape[a] == shape[a])
	}
	if !ok {
		p.Fail(op, "%s is %v, want %v", op.arg(i), t.Shape, tensor.Shape(shape))
	}
}

// Fail records an error of op, unless there is one already.
func (p *Pass) Fail(op *Op, format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf("%s: %s: %s", p.where(), op.Name, fmt.Sprintf(format, args...))
	}
}

// Err is the first error so far.
func (p *Pass) Err() error { return p.err }

func (p *Pass) where() string {
	if len(p.path) == 0 {
		return "pass"
	}
	return strings.Join(p.path, ".")
}

func (o *Op) arg(i int) string {
	if i < len(o.In) {
		return o.In[i]
	}
	return o.Out[i-len(o.In)]
}
