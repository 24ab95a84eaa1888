package ops

import "flamingo/gpu"

var interpolate = gpu.Op{
	Name: "interpolate",
	In:   []string{"e"},
	Out:  []string{"y"},
	CPU:  interpolateCPU,
}

type interpolateParams struct {
	N, Width, D   uint32
	Steps, Wanted uint32 // between the rows of e and, at least 1, of the result
}

// maxFrames keeps the product of rows and rows within 32 bits.
const maxFrames = 1 << 16

// Interpolate stretches e [T, D] linearly to [frames, D], end points kept: row i is taken at position
// i·(T-1)/(frames-1) of e. One frame is row 0.
func Interpolate(p *gpu.Pass, e gpu.Tensor, frames int) gpu.Tensor {
	op := &interpolate
	p.Want(op, 0, e, -1, -1)
	wantF32(p, op, 0, e)
	rows, d := e.Rows(), e.Dim(-1)
	if frames < 1 || frames > maxFrames || rows < 1 || rows > maxFrames {
		p.Fail(op, "e is %v for %d frames, want 1 to %d rows and frames", e.Shape, frames, maxFrames)
		frames, rows = 1, 1
	}
	y := p.Tensor(frames, d)
	groups, width := elementGroups(frames * d)
	p.Run(op, gpu.Call{
		Consts: gpu.Consts{"WG": elementWG},
		Params: interpolateParams{uint32(frames * d), width, uint32(d), uint32(rows - 1), uint32(max(frames-1, 1))},
		Groups: groups,
	}, e, y)
	return y
}

func interpolateCPU(r *gpu.Run) {
	p := r.Params.(interpolateParams)
	e, y := r.F32(0), r.F32(1)
	d, steps, wanted := int(p.D), int(p.Steps), int(p.Wanted)
	for i := range y {
		place := i / d * steps
		before, after := place/wanted, min(place/wanted+1, steps)
		part := float64(place%wanted) / float64(wanted)
		a, b := float64(e[before*d+i%d]), float64(e[after*d+i%d])
		y[i] = float32(a + part*(b-a))
	}
}
