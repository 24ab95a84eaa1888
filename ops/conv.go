package ops

import "flamingo/gpu"

var conv2D = gpu.Op{
	Name: "conv2d",
	In:   []string{"x", "w", "bias"},
	Out:  []string{"y"},
	CPU:  conv2DCPU,
}

// Conv describes a convolution with a square kernel.
type Conv struct {
	Kernel, Stride, Groups int
	Act                    Activation
}

type convParams struct {
	H, W, OH, OW      uint32
	Kernel, Stride    uint32
	Top, Left         uint32 // zeros before the first row and column
	In, N, K          uint32 // channels of x, channels of y, columns of w
	GroupIn, GroupOut uint32 // channels of one group of x and of y
	Quads             uint32 // of four pixels in one row of y
	Act               Activation
}

// Conv2D returns Act(conv(x) + bias) with TensorFlow's SAME padding: x [H, W, C] f32 and
// w [O, Kernel·Kernel·C/Groups], a row in the order ky, kx, channel, give
// [⌈H/Stride⌉, ⌈W/Stride⌉, O]. C/Groups is a multiple of 4, and so is O/Groups if Groups > 1.
func Conv2D(p *gpu.Pass, x, w, bias gpu.Tensor, c Conv) gpu.Tensor {
	op := &conv2D
	if len(x.Shape) != 3 || len(w.Shape) != 2 || c.Kernel < 1 || c.Stride < 1 || c.Groups < 1 {
		p.Fail(op, "x is %v, w is %v, %+v, want x [H, W, C], w [O, Kernel·Kernel·C/Groups] and sizes from 1", x.Shape, w.Shape, c)
		return p.Tensor(1, 1, 1)
	}
	h, width, channels, out := x.Dim(0), x.Dim(1), x.Dim(2), w.Dim(0)
	oh, ow := ceilDiv(h, c.Stride), ceilDiv(width, c.Stride)
	if c.Kernel == 1 && c.Stride == 1 && c.Groups == 1 {
		return Matmul(p, x, w, Epilogue{Bias: bias, Act: c.Act})
	}
	if channels%(4*c.Groups) != 0 || out%c.Groups != 0 || (c.Groups > 1 && out%(4*c.Groups) != 0) {
		p.Fail(op, "%d channels to %d in %d groups, want groups of a multiple of 4", channels, out, c.Groups)
	}
	in := channels / c.Groups
	p.Want(op, 1, w, out, c.Kernel*c.Kernel*in)
	p.Want(op, 2, bias, out)
	wantF32(p, op, 0, x)
	wantWeights(p, op, 1, w)
	quads := ceilDiv(ow, 4)
	wx := 8
	for wx > 1 && wx/2 >= ceilDiv(out, 4) {
		wx /= 2
	}
	y := p.Tensor(oh, ow, out)
	p.Run(op, gpu.Call{
		Consts: gpu.Consts{"W": w.DType.String(), "WX": wx, "WY": 64 / wx},
		Params: convParams{
			H: uint32(h), W: uint32(width), OH: uint32(oh), OW: uint32(ow),
			Kernel: uint32(c.Kernel), Stride: uint32(c.Stride),
			Top: samePadding(h, c), Left: samePadding(width, c),
			In: uint32(channels), N: uint32(out), K: uint32(w.Dim(1)),
			GroupIn: uint32(in), GroupOut: uint32(out / c.Groups), Quads: uint32(quads), Act: c.Act,
		},
		Groups: [3]int{ceilDiv(ceilDiv(out, 4), wx), ceilDiv(quads*oh, 64/wx)},
	}, x, w, bias, y)
	return y
}

// samePadding is the number of zeros before an axis of n; there may be one more behind it.
func samePadding(n int, c Conv) uint32 {
	return uint32(max((ceilDiv(n, c.Stride)-1)*c.Stride+c.Kernel-n, 0) / 2)
}

// conv2DCPU gathers the patch under each pixel and multiplies it with the rows of its group.
func conv2DCPU(r *gpu.Run) {
	p := r.Params.(convParams)
	x, bias, y := r.F32(0), r.F32(2), r.F32(3)
	act := p.Act
	n, k, groupIn, groupOut := int(p.N), int(p.K), int(p.GroupIn), int(p.GroupOut)
	rows := make([][4][]float64, 0, n/4+n/groupOut)
	for g := 0; g < n; g += groupOut {
		for o := g; o < g+groupOut; o += 4 {
			rows = append(rows, unpackRows(r.Arg(1), o, min(4, g+groupOut-o)))
		}
	}
	perGroup := ceilDiv(groupOut, 4)
	gpu.Parallel(int(p.OH), func(oy int) {
		patch := make([]float64, k)
		for ox := range int(p.OW) {
			for g := range n / groupOut {
				gather(patch, x, p, oy, ox, g*groupIn)
				for i, w := range rows[g*perGroup : (g+1)*perGroup] {
					for j, s := range dot4(patch, w) {
						if o := 4*i + j; o < groupOut {
							o += g * groupOut
							y[(oy*int(p.OW)+ox)*n+o] = float32(act.apply(s + float64(bias[o])))
						}
					}
				}
			}
		}
	})
}

// gather copies the inputs of pixel (oy, ox) from channel first on, zeros outside the picture.
func gather(patch []float64, x []float32, p convParams, oy, ox, first int) {
	channels := int(p.GroupIn)
	clear(patch)
	for ky := range int(p.Kernel) {
		iy := oy*int(p.Stride) + ky - int(p.Top)
		if iy < 0 || iy >= int(p.H) {
			continue
		}
		for kx := range int(p.Kernel) {
			ix := ox*int(p.Stride) + kx - int(p.Left)
			if ix < 0 || ix >= int(p.W) {
				continue
			}
			from := (iy*int(p.W)+ix)*int(p.In) + first
			to := patch[(ky*int(p.Kernel)+kx)*channels:]
			for i, v := range x[from : from+channels] {
				to[i] = float64(v)
			}
		}
	}
}
