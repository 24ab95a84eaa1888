package ops

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"

	"flamingo/gpu"
	"flamingo/tensor"
)

// weightFormats are those that matrices are stored in.
var weightFormats = []tensor.DType{tensor.F32, tensor.F16, tensor.Q8, tensor.Q4}

func init() {
	for _, s := range [][3]int{ // M, N, K
		{1, 1, 4}, {1, 3, 32}, {1, 65, 96}, {1, 257, 36}, {1, 96, 384}, {1, 63, 2048}, {2, 31, 512}, {3, 65, 64}, {4, 257, 68},
		{5, 1, 4}, {5, 3, 32}, {63, 65, 96}, {65, 63, 36}, {257, 33, 128}, {32, 32, 512}, {9, 257, 1024},
	} {
		for _, d := range weightFormats {
			if d.Quantised() && s[2]%tensor.BlockLen != 0 {
				continue
			}
			op := &matmul
			if s[0] <= matvecRows {
				op = &matvec
			}
			addRows(row{
				op: op, name: fmt.Sprint(s, d),
				inputs: func(r *random) []tensor.Tensor {
					return []tensor.Tensor{r.normal(s[0], s[2]), r.weights(d, s[1], s[2]), r.normal(s[1]), r.normal(s[0], s[1]), r.normal(1)}
				},
				record: func(p *gpu.Pass, in []gpu.Tensor) []gpu.Tensor {
					x, w, bias, residual, gate := in[0], in[1], in[2], in[3], in[4]
					return []gpu.Tensor{
						Matmul(p, x, w, Epilogue{}),
						Matmul(p, x.Reshape(1, s[0], s[2]), w, Epilogue{Bias: bias, Act: GELU}),
						Matmul(p, x, w, Epilogue{Residual: residual, Gate: gate}),
						Matmul(p, x, w, Epilogue{Bias: bias, Residual: residual, Act: ReLU}),
					}
				},
			})
		}
	}
}

// run records one op on the CPU device and returns its output.
func run(t *testing.T, record func(p *gpu.Pass, in []gpu.Tensor) gpu.Tensor, inputs ...tensor.Tensor) []float32 {
	t.Helper()
	c := row{op: &matmul, record: func(p *gpu.Pass, in []gpu.Tensor) []gpu.Tensor { return []gpu.Tensor{record(p, in)} }}
	return c.execute(t, gpu.NewCPU(), inputs)[0].F32()
}

// close32 compares a twin's result with values computed by hand.
func close32(t *testing.T, got []float32, want ...float64) {
	t.Helper()
	v := make([]float32, len(want))
	for i, w := range want {
		v[i] = float32(w)
	}
	if d := tensor.Compare(got, v); !(d.MaxAbs <= 1e-6) {
		t.Errorf("got %v, want %v: %v", got, v, d)
	}
}

// recordError records on the CPU device what must fail, and checks the error's text.
func recordError(t *testing.T, want string, record func(p *gpu.Pass), where ...string) {
	t.Helper()
	p := gpu.NewPass(gpu.NewCPU())
	record(p)
	if _, err := p.Compile(context.Background()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v: got error %v, want one with %q", where, err, want)
	}
}

func TestMatmulByHand(t *testing.T) {
	x := tensor.FromF32([]float32{1, 2, 3, 4, 0, -1, 0, 1}, 2, 4)
	w := tensor.FromF32([]float32{1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 2, -1}, 3, 4)
	bias := tensor.FromF32([]float32{0.5, 0, -1}, 3)
	residual := tensor.FromF32([]float32{1, 2, 3, 4, 5, 6}, 2, 3)
	gate := tensor.FromF32([]float32{0.5}, 1)
	g := math.Tanh(0.5)
	close32(t, run(t, func(p *gpu.Pass, in []gpu.Tensor) gpu.Tensor { return Matmul(p, in[0], in[1], Epilogue{}) }, x, w),
		10, 1, 2, 0, 0, -1)
	close32(t, run(t, func(p *gpu.Pass, in []gpu.Tensor) gpu.Tensor {
		return Matmul(p, in[0], in[1], Epilogue{Bias: in[2], Act: SquaredReLU, Residual: in[3], Gate: in[4]})
	}, x, w, bias, residual, gate), 1+g*10.5*10.5, 2+g, 3+g, 4+g*0.25, 5, 6)
}

func TestMatmulRefuses(t *testing.T) {
	d := gpu.NewCPU()
	alloc := func(t tensor.DType, shape ...int) gpu.Tensor {
		x, err := gpu.Alloc(d, "test", t, shape...)
		if err != nil {
			panic(err)
		}
		return x
	}
	f := tensor.F32
	x, w := alloc(f, 2, 8), alloc(f, 3, 8)
	for _, c := range []struct {
		want string
		x, w gpu.Tensor
		e    Epilogue
	}{
		{"multiple of 4", alloc(f, 2, 6), alloc(f, 3, 6), Epilogue{}},
		{"[N, K]", x, alloc(f, 3, 4), Epilogue{}},
		{"[N, K]", x, alloc(f, 8), Epilogue{}},
		{"want f32", alloc(tensor.F16, 2, 8), w, Epilogue{}},
		{"w is i32", x, alloc(tensor.I32, 3, 8), Epilogue{}},
		{"bias is [2]", x, w, Epilogue{Bias: alloc(f, 2)}},
		{"residual is [3,3]", x, w, Epilogue{Residual: alloc(f, 3, 3)}},
		{"gate is [2]", x, w, Epilogue{Gate: alloc(f, 2)}},
	} {
		recordError(t, c.want, func(p *gpu.Pass) { Matmul(p, c.x, c.w, c.e) }, c.x.Shape.String(), c.w.Shape.String())
	}
}
