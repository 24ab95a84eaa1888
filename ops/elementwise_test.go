package ops

import (
	"fmt"
	"math"
	"testing"

	"flamingo/gpu"
	"flamingo/tensor"
)

// steps are n values from -limit to limit.
func steps(n int, limit float32) tensor.Tensor {
	v := make([]float32, n)
	for i := range v {
		v[i] = limit * (2*float32(i)/float32(max(n-1, 1)) - 1)
	}
	return tensor.FromF32(v, n)
}

func init() {
	for a := Identity; a <= Sigmoid; a++ {
		addRows(row{
			op: &activate, name: a.String(),
			inputs: func(r *random) []tensor.Tensor {
				return []tensor.Tensor{steps(4001, 1.5), steps(1001, 8), tensor.FromF32([]float32{-1e4, -100, -50, -0.0, 0, 50, 100}, 7)}
			},
			record: func(p *gpu.Pass, in []gpu.Tensor) []gpu.Tensor {
				return []gpu.Tensor{Activate(p, in[0], a, 1.25), Activate(p, in[1], a, 1), Activate(p, in[2], a, 1)}
			},
		})
	}
	for _, s := range [][2]int{{1, 1}, {3, 63}, {6, 65}, {15, 257}, {3, 100000}} {
		addRows(row{
			op: &add, name: fmt.Sprint(s),
			inputs: func(r *random) []tensor.Tensor {
				return []tensor.Tensor{r.normal(s[0], s[1]), r.normal(s[0], s[1]), r.normal(4, s[1])}
			},
			record: func(p *gpu.Pass, in []gpu.Tensor) []gpu.Tensor {
				out := []gpu.Tensor{Add(p, in[0], in[1]), AddEach(p, in[0], in[2], 1)}
				if s[0]%3 == 0 {
					out = append(out, AddEach(p, in[0], in[2], 3))
				}
				return out
			},
		}, row{
			op: &scaleAdd, name: fmt.Sprint(s),
			inputs: func(r *random) []tensor.Tensor {
				return []tensor.Tensor{r.normal(s[0], s[1]), r.normal(1, s[1]), r.normal(1), r.normal(s[0], s[1])}
			},
			record: func(p *gpu.Pass, in []gpu.Tensor) []gpu.Tensor {
				return []gpu.Tensor{ScaleAdd(p, in[0], in[1], in[2], in[3]), ScaleAdd(p, in[0], in[1], in[2], in[0])}
			},
		}, row{
			op: &swiGLU, name: fmt.Sprint(s),
			inputs: func(r *random) []tensor.Tensor { return []tensor.Tensor{r.normal(s[0], 2*s[1])} },
			record: func(p *gpu.Pass, in []gpu.Tensor) []gpu.Tensor { return []gpu.Tensor{SwiGLU(p, in[0])} },
		})
	}
}

func TestActivationsByHand(t *testing.T) {
	for _, c := range []struct {
		act  Activation
		x, y float64
	}{
		{Identity, -2, -2}, {GELU, 1, 0.8413447460685429}, {GELU, -1, -0.15865525393145707}, {GELUTanh, 1, 0.8411919906082768},
		{QuickGELU, 1, 0.8457957659328212}, {SquaredReLU, 3, 9}, {SquaredReLU, -3, 0}, {SiLU, 1, 0.7310585786300049},
		{ReLU, 2, 2}, {ReLU, -2, 0}, {Sigmoid, 0, 0.5}, {Sigmoid, -1, 0.2689414213699951},
	} {
		if got := c.act.apply(c.x); math.Abs(got-c.y) > 1e-12 {
			t.Errorf("%v(%g) = %.16g, want %.16g", c.act, c.x, got, c.y)
		}
	}
}

func TestElementwiseByHand(t *testing.T) {
	x := tensor.FromF32([]float32{1, 2, 3, 4, 5, 6, 7, 8}, 4, 2)
	e := tensor.FromF32([]float32{10, 20, 30, 40, 50, 60}, 3, 2)
	close32(t, run(t, func(p *gpu.Pass, in []gpu.Tensor) gpu.Tensor { return AddEach(p, in[0], in[1], 2) }, x, e),
		11, 22, 13, 24, 35, 46, 37, 48)
	close32(t, run(t, func(p *gpu.Pass, in []gpu.Tensor) gpu.Tensor { return Add(p, in[0], in[0]) }, x),
		2, 4, 6, 8, 10, 12, 14, 16)
	close32(t, run(t, func(p *gpu.Pass, in []gpu.Tensor) gpu.Tensor { return ScaleAdd(p, in[0], in[1], in[2], in[0]) },
		x, tensor.FromF32([]float32{1, -1}, 1, 2), tensor.FromF32([]float32{0.5}, 1)), 1.5, 1, 4.5, 2, 7.5, 3, 10.5, 4)
	s := 1 / (1 + math.Exp(-1))
	close32(t, run(t, func(p *gpu.Pass, in []gpu.Tensor) gpu.Tensor { return SwiGLU(p, in[0]) },
		tensor.FromF32([]float32{1, 0, 3, 4}, 1, 4)), 3*s, 0)
	close32(t, run(t, func(p *gpu.Pass, in []gpu.Tensor) gpu.Tensor { return Activate(p, in[0], ReLU, 2) },
		tensor.FromF32([]float32{-1, 3}, 2)), 0, 6)
}

func TestElementwiseRefuses(t *testing.T) {
	d := gpu.NewCPU()
	x, _ := gpu.Alloc(d, "test", tensor.F32, 4, 3)
	y, _ := gpu.Alloc(d, "test", tensor.F32, 2, 3)
	i, _ := gpu.Alloc(d, "test", tensor.I32, 4, 3)
	recordError(t, "equal shapes", func(p *gpu.Pass) { Add(p, x, y) })
	recordError(t, "for 3 frames", func(p *gpu.Pass) { AddEach(p, x, y, 3) })
	recordError(t, "for 4 frames", func(p *gpu.Pass) { AddEach(p, x, y, 4) })
	recordError(t, "even number", func(p *gpu.Pass) { SwiGLU(p, x) })
	recordError(t, "want f32", func(p *gpu.Pass) { Activate(p, i, ReLU, 1) })
	recordError(t, "gate is [4,3]", func(p *gpu.Pass) { ScaleAdd(p, x, x, x, x) })
}
