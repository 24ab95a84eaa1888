package ops

import "flamingo/gpu"

var patches = gpu.Op{
	Name: "patches",
	In:   []string{"x"},
	Out:  []string{"y"},
	CPU:  patchesCPU,
}

type patchesParams struct {
	N, Width     uint32 // pixels of the result, threads along the first axis
	W            uint32 // of the picture
	Across, Size uint32
}

// Patches cuts a picture x [H, W, 4] into squares of size×size pixels: row y·⌊W/size⌋+x of the result
// [⌊H/size⌋·⌊W/size⌋, size²·4] holds the pixels of the square in row y and column x, row by row.
// Pixels beyond the last whole square are dropped.
func Patches(p *gpu.Pass, x gpu.Tensor, size int) gpu.Tensor {
	op := &patches
	if len(x.Shape) != 3 || x.Dim(2) != 4 || size < 1 || size > min(x.Dim(0), x.Dim(1)) {
		p.Fail(op, "x is %v, patches have a side of %d, want [H, W, 4] and a side of 1 to the shorter of H and W", x.Shape, size)
		return p.Tensor(1, 4)
	}
	wantF32(p, op, 0, x)
	down, across := x.Dim(0)/size, x.Dim(1)/size
	n := down * across * size * size
	y := p.Tensor(down*across, 4*size*size)
	groups, width := elementGroups(n)
	p.Run(op, gpu.Call{
		Consts: gpu.Consts{"WG": elementWG},
		Params: patchesParams{uint32(n), width, uint32(x.Dim(1)), uint32(across), uint32(size)},
		Groups: groups,
	}, x, y)
	return y
}

func patchesCPU(r *gpu.Run) {
	p := r.Params.(patchesParams)
	x, y := r.F32(0), r.F32(1)
	size, across, line := int(p.Size), int(p.Across), 4*int(p.Size)
	for i := 0; i < len(y); i += line {
		square, row := i/line/size, i/line%size
		from := (square/across*size+row)*int(p.W) + square%across*size
		copy(y[i:i+line], x[4*from:])
	}
}
