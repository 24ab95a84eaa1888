package ops

import "flamingo/gpu"

var (
	avgPool2 = gpu.Op{
		Name: "avg_pool2",
		In:   []string{"x"},
		Out:  []string{"y"},
		CPU:  avgPool2CPU,
	}
	meanRows = gpu.Op{
		Name: "mean_rows",
		In:   []string{"x"},
		Out:  []string{"y"},
		CPU:  meanRowsCPU,
	}
)

type poolParams struct{ H, W, C, Width uint32 }

// AvgPool2 halves a picture: x [H, W, C] gives [⌈H/2⌉, ⌈W/2⌉, C], the means of 2×2 pixels. At a
// ragged edge it averages the pixels that exist.
func AvgPool2(p *gpu.Pass, x gpu.Tensor) gpu.Tensor {
	op := &avgPool2
	if len(x.Shape) != 3 {
		p.Fail(op, "x is %v, want [H, W, C]", x.Shape)
		return p.Tensor(1, 1, 1)
	}
	wantF32(p, op, 0, x)
	h, w, c := x.Dim(0), x.Dim(1), x.Dim(2)
	y := p.Tensor(ceilDiv(h, 2), ceilDiv(w, 2), c)
	groups, width := elementGroups(y.Shape.Len())
	p.Run(op, gpu.Call{
		Consts: gpu.Consts{"WG": elementWG},
		Params: poolParams{uint32(h), uint32(w), uint32(c), width},
		Groups: groups,
	}, x, y)
	return y
}

func avgPool2CPU(r *gpu.Run) {
	p := r.Params.(poolParams)
	x, y := r.F32(0), r.F32(1)
	h, w, c := int(p.H), int(p.W), int(p.C)
	oh, ow := ceilDiv(h, 2), ceilDiv(w, 2)
	for oy := range oh {
		for ox := range ow {
			for i := range c {
				sum, n := 0.0, 0.0
				for iy := 2 * oy; iy < min(2*oy+2, h); iy++ {
					for ix := 2 * ox; ix < min(2*ox+2, w); ix++ {
						sum += float64(x[(iy*w+ix)*c+i])
						n++
					}
				}
				y[(oy*ow+ox)*c+i] = float32(sum / n)
			}
		}
	}
}

type meanRowsParams struct{ Rows, C uint32 }

// MeanRows returns the mean over all rows of x [..., C] as [1, C].
func MeanRows(p *gpu.Pass, x gpu.Tensor) gpu.Tensor {
	wantF32(p, &meanRows, 0, x)
	c := x.Dim(-1)
	y := p.Tensor(1, c)
	const channels, lanes = 16, 16 // of a workgroup
	p.Run(&meanRows, gpu.Call{
		Consts: gpu.Consts{"CHANNELS": channels, "LANES": lanes},
		Params: meanRowsParams{uint32(x.Rows()), uint32(c)},
		Groups: [3]int{ceilDiv(c, channels)},
	}, x, y)
	return y
}

func meanRowsCPU(r *gpu.Run) {
	p := r.Params.(meanRowsParams)
	x, y := r.F32(0), r.F32(1)
	sums := make([]float64, p.C)
	for row := range int(p.Rows) {
		for i, v := range x[row*int(p.C) : (row+1)*int(p.C)] {
			sums[i] += float64(v)
		}
	}
	for i, s := range sums {
		y[i] = float32(s / float64(p.Rows))
	}
}
