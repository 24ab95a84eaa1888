package ops

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"testing"

	"flamingo/gpu"
	"flamingo/shaders"
	"flamingo/tensor"
)

// openDevice opens the device under test. Builds that have WebGPU replace it when
// FLAMINGO_DEVICE=webgpu.
var openDevice = func(context.Context) (gpu.Device, error) { return gpu.NewCPU(), nil }

var device gpu.Device

func TestMain(m *testing.M) {
	var err error
	if device, err = openDevice(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("device:", device.Info().Description)
	code := m.Run()
	device.Close()
	os.Exit(code)
}

// A row of the table is one op at one shape. The inputs are made once and given to the twin on the
// CPU device and to the kernel on the device under test.
type row struct {
	op     *gpu.Op
	name   string // the shape, in words
	inputs func(r *random) []tensor.Tensor
	// record runs the op. Outputs are the temporaries it returns, followed by the inputs it
	// changes in place, as changed says.
	record  func(p *gpu.Pass, in []gpu.Tensor) []gpu.Tensor
	changed []int
	// rel bounds the largest error over the largest value; 0 means 2e-6. A looser bound has a
	// comment in its row.
	rel float64
}

// table holds the rows of every op; each file of tests adds its own.
var table []row

func addRows(rows ...row) { table = append(table, rows...) }

// random makes inputs that are the same on every platform.
type random struct{ *rand.Rand }

func (r *random) normal(shape ...int) tensor.Tensor {
	v := make([]float32, tensor.Shape(shape).Len())
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	return tensor.FromF32(v, shape...)
}

// weights are normal values stored as d.
func (r *random) weights(d tensor.DType, shape ...int) tensor.Tensor {
	t, err := tensor.Pack(d, r.normal(shape...).F32(), shape...)
	if err != nil {
		panic(err)
	}
	return t
}

func (r *random) ints(n int, shape ...int) tensor.Tensor {
	v := make([]int32, tensor.Shape(shape).Len())
	for i := range v {
		v[i] = int32(r.IntN(n))
	}
	return tensor.FromI32(v, shape...)
}

// execute runs a row on a device and returns its outputs.
func (c *row) execute(t *testing.T, d gpu.Device, inputs []tensor.Tensor) []tensor.Tensor {
	t.Helper()
	ctx := context.Background()
	var in []gpu.Tensor
	for _, v := range inputs {
		x, err := gpu.Upload(d, c.op.Name, v)
		if err != nil {
			t.Fatal(err)
		}
		defer x.Free(d)
		in = append(in, x)
	}
	p := gpu.NewPass(d)
	out := c.record(p, in)
	for _, o := range out {
		p.Keep(o)
	}
	plan, err := p.Compile(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer plan.Release()
	if err := plan.Submit(1); err != nil {
		t.Fatal(err)
	}
	for i, o := range out {
		out[i] = plan.Tensor(o)
	}
	for _, i := range c.changed {
		out = append(out, in[i])
	}
	var values []tensor.Tensor
	for _, o := range out {
		v, err := o.Read(ctx, d)
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, v)
	}
	return values
}

// TestOps holds every row's kernel, and each variant of it that the device offers, against the twin.
func TestOps(t *testing.T) {
	twin := gpu.NewCPU()
	for _, c := range table {
		t.Run(c.op.Name+"/"+c.name, func(t *testing.T) {
			seed := fnv.New64a() // of the name, so that a new row changes no other
			seed.Write([]byte(t.Name()))
			inputs := c.inputs(&random{rand.New(rand.NewPCG(7, seed.Sum64()))})
			want := c.execute(t, twin, inputs)
			eachKernel(c.op, func(kernel string) { c.compare(t, kernel, c.execute(t, device, inputs), want) })
		})
	}
}

// eachKernel calls f with op restricted to its base kernel, then to each variant for the device.
func eachKernel(op *gpu.Op, f func(kernel string)) {
	all := op.Variants
	defer func() { op.Variants = all }()
	op.Variants = nil
	f(op.Name)
	for _, v := range all {
		if device.Info().Has(v.Needs...) {
			op.Variants = []gpu.Variant{v}
			f(op.Kernel(device.Info()))
		}
	}
}

func (c *row) compare(t *testing.T, kernel string, got, want []tensor.Tensor) {
	t.Helper()
	for o := range want {
		if got[o].DType == tensor.I32 {
			ints := got[o].I32()
			for j, w := range want[o].I32() {
				if ints[j] != w {
					t.Fatalf("%s: output %d: element %d is %d, want %d", kernel, o, j, ints[j], w)
				}
			}
			continue
		}
		bound := c.rel
		if bound == 0 {
			bound = 2e-6
		}
		// A few sums that cancel to nearly nothing have no relative precision to speak of.
		const nothing = 2e-7
		if d := tensor.Compare(got[o].F32(), want[o].F32()); !(d.MaxRel <= bound) && !(d.MaxAbs <= nothing) {
			t.Errorf("%s: output %d %v: %v; bound %g", kernel, o, got[o].Shape, d, bound)
		}
	}
}

// TestEveryKernelHasRows fails when a kernel has no row in the table, or an op no kernel.
func TestEveryKernelHasRows(t *testing.T) {
	tested := map[string]bool{}
	for _, c := range table {
		tested[c.op.Name] = true
		for _, v := range c.op.Variants {
			tested[c.op.Name+"_"+v.Suffix] = true
		}
	}
	for _, name := range shaders.Names() {
		if !tested[name] {
			t.Errorf("shaders/%s.wgsl has no row in the op table", name)
		}
		delete(tested, name)
	}
	for name := range tested {
		t.Errorf("op %s has no file in shaders/", name)
	}
}
