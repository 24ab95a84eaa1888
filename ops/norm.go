package ops

import (
	"math"

	"flamingo/gpu"
)

var layerNorm = gpu.Op{
	Name: "layer_norm",
	In:   []string{"x", "weight", "bias"},
	Out:  []string{"y"},
	CPU:  layerNormCPU,
}

type layerNormParams struct {
	D   uint32
	Eps float32
}

// LayerNorm returns weight·(x−μ)/√(σ²+ε) + bias over the last axis, with the biased variance. A
// bias that is not set counts as zero.
func LayerNorm(p *gpu.Pass, x, weight, bias gpu.Tensor, eps float32) gpu.Tensor {
	d := x.Dim(-1)
	p.Want(&layerNorm, 1, weight, d)
	hasBias := bias.Valid()
	if hasBias {
		p.Want(&layerNorm, 2, bias, d)
	} else {
		bias = weight
	}
	y := p.Tensor(x.Shape...)
	p.Run(&layerNorm, gpu.Call{
		Consts: gpu.Consts{"WG": 64, "BIAS": hasBias},
		Params: layerNormParams{uint32(d), eps},
		Groups: [3]int{x.Rows()},
	}, x, weight, bias, y)
	return y
}

func layerNormCPU(r *gpu.Run) {
	p := r.Params.(layerNormParams)
	x, weight, bias, y := r.F32(0), r.F32(1), r.F32(2), r.F32(3)
	d := int(p.D)
	for row := 0; row < len(x); row += d {
		mean, squares := 0.0, 0.0
		for i := range d {
			mean += float64(x[row+i])
		}
		mean /= float64(d)
		for i := range d {
			e := float64(x[row+i]) - mean
			squares += e * e
		}
		inv := 1 / math.Sqrt(squares/float64(d)+float64(p.Eps))
		for i := range d {
			v := (float64(x[row+i]) - mean) * inv * float64(weight[i])
			if r.On("BIAS") {
				v += float64(bias[i])
			}
			y[row+i] = float32(v)
		}
	}
}

var rmsNorm = gpu.Op{
	Name: "rms_norm",
	In:   []string{"x", "weight"},
	Out:  []string{"y"},
	CPU:  rmsNormCPU,
}

// RMSNorm returns weight·x/√(mean(x²)+ε) over the last axis.
func RMSNorm(p *gpu.Pass, x, weight gpu.Tensor, eps float32) gpu.Tensor {
	d := x.Dim(-1)
	p.Want(&rmsNorm, 1, weight, d)
	y := p.Tensor(x.Shape...)
	p.Run(&rmsNorm, gpu.Call{
		Consts: gpu.Consts{"WG": 64},
		Params: layerNormParams{uint32(d), eps},
		Groups: [3]int{x.Rows()},
	}, x, weight, y)
	return y
}

func rmsNormCPU(r *gpu.Run) {
	p := r.Params.(layerNormParams)
	x, weight, y := r.F32(0), r.F32(1), r.F32(2)
	d := int(p.D)
	for row := 0; row < len(x); row += d {
		squares := 0.0
		for i := range d {
			squares += float64(x[row+i]) * float64(x[row+i])
		}
		inv := 1 / math.Sqrt(squares/float64(d)+float64(p.Eps))
		for i := range d {
			y[row+i] = float32(float64(x[row+i]) * inv * float64(weight[i]))
		}
	}
}
