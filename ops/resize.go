package ops

import (
	"fmt"
	"math"

	"flamingo/gpu"
	"flamingo/tensor"
)

// resizeBits is the number of fraction bits of a resize coefficient: PIL's PRECISION_BITS, which
// leaves room for a sign, overshoot and 8 bits of pixel.
const resizeBits = 22

// ResizeTable holds the coefficients that scale a line of in pixels to out ones, i32 [out, 2+n]:
// for each new pixel the first old one, how many there are, and their weights in units of 2^-22,
// padded with zeros. It is PIL's antialiased bicubic filter, bit for bit: Keys's cubic with a = -½,
// widened by the scale when that is below one.
func ResizeTable(in, out int) tensor.Tensor {
	if in < 1 || out < 1 {
		panic(fmt.Sprintf("ops: a resize from %d to %d pixels", in, out))
	}
	scale := float64(in) / float64(out)
	wide := max(scale, 1)
	support := 2 * wide
	n := 2*int(math.Ceil(support)) + 1
	table := make([]int32, out*(2+n))
	weights := make([]float64, n)
	for o := range out {
		centre := (float64(o) + 0.5) * scale
		first := max(int(centre-support+0.5), 0)
		count := min(int(centre+support+0.5), in) - first
		total := 0.0
		for i := range count {
			weights[i] = cubic((float64(i+first) - centre + 0.5) * (1 / wide))
			total += weights[i]
		}
		row := table[o*(2+n):]
		row[0], row[1] = int32(first), int32(count)
		for i := range count {
			w := weights[i]
			if total != 0 {
				w /= total
			}
			row[2+i] = int32(math.Copysign(0.5, w) + float64(w*(1<<resizeBits)))
		}
	}
	return tensor.FromI32(table, out, 2+n)
}

// cubic is Keys's kernel with a = -½. The conversions keep a compiler from fusing products into
// sums, which would round differently.
func cubic(x float64) float64 {
	const a = -0.5
	x = math.Abs(x)
	switch {
	case x < 1:
		return float64(float64((float64((a+2)*x)-(a+3))*x)*x) + 1
	case x < 2:
		return float64((float64((float64((x-5)*x)+8)*x) - 4) * a)
	}
	return 0
}

var resize = gpu.Op{
	Name: "resize",
	In:   []string{"image", "table"},
	Out:  []string{"y"},
	CPU:  resizeCPU,
}

type resizeParams struct{ W, OutW, OutH, TableWidth uint32 }

// Resize scales image i32 [H, W], packed RGBA of 8 bits each with red lowest, to [h, w]: first along
// x, rounded to 8 bits, then along y. The tables are ResizeTable(W, w) and ResizeTable(H, h).
func Resize(p *gpu.Pass, image, horizontal, vertical gpu.Tensor, w, h int) gpu.Tensor {
	if len(image.Shape) != 2 || image.DType != tensor.I32 || horizontal.DType != tensor.I32 || vertical.DType != tensor.I32 {
		p.Fail(&resize, "image %v of %v, want two axes and i32, tables likewise", image.Shape, image.DType)
		return p.TensorOf(tensor.I32, h, w)
	}
	p.Want(&resize, 1, horizontal, w, -1)
	p.Want(&resize, 1, vertical, h, -1)
	rows := image.Dim(0)
	across := p.TensorOf(tensor.I32, rows, w)
	resizeAxis(p, image, horizontal, across, false)
	y := p.TensorOf(tensor.I32, h, w)
	resizeAxis(p, across, vertical, y, true)
	return y
}

func resizeAxis(p *gpu.Pass, image, table, y gpu.Tensor, down bool) {
	p.Run(&resize, gpu.Call{
		Consts: gpu.Consts{"WG": 64, "DOWN": down},
		Params: resizeParams{uint32(image.Dim(1)), uint32(y.Dim(1)), uint32(y.Dim(0)), uint32(table.Dim(1))},
		Groups: spread(y.Shape.Len(), 64),
	}, image, table, y)
}

func resizeCPU(r *gpu.Run) {
	p := r.Params.(resizeParams)
	image, table, y := r.U32(0), r.I32(1), r.U32(2)
	w, tw, down := int(p.W), int(p.TableWidth), r.On("DOWN")
	gpu.Parallel(int(p.OutH), func(oy int) {
		for ox := range int(p.OutW) {
			out, start, step := ox, oy*w, 1
			if down {
				out, start, step = oy, ox, w
			}
			line := table[out*tw : (out+1)*tw]
			at := start + int(line[0])*step
			sum := [4]int32{1 << (resizeBits - 1), 1 << (resizeBits - 1), 1 << (resizeBits - 1), 1 << (resizeBits - 1)}
			for _, c := range line[2 : 2+line[1]] {
				pixel := image[at]
				for k := range sum {
					sum[k] += c * int32(pixel>>(8*k)&255)
				}
				at += step
			}
			var packed uint32
			for k, s := range sum {
				packed |= uint32(min(max(s>>resizeBits, 0), 255)) << (8 * k)
			}
			y[oy*int(p.OutW)+ox] = packed
		}
	})
}

var normalise = gpu.Op{
	Name: "normalise",
	In:   []string{"image"},
	Out:  []string{"y"},
	CPU:  normaliseCPU,
}

type normaliseParams struct {
	Mean, Std  [4]float32
	W, H, Size uint32
	Left, Top  int32
}

// Normalise places image i32 [h, w], packed RGBA of 8 bits, with its corner at (left, top) on a
// canvas of size × size and returns (v/255 - mean)/std, [size, size, 4]. What lies outside the image
// is zero, like the fourth channel; what lies outside the canvas is cut off.
func Normalise(p *gpu.Pass, image gpu.Tensor, size, left, top int, mean, std [3]float32) gpu.Tensor {
	y := p.Tensor(size, size, 4)
	if len(image.Shape) != 2 || image.DType != tensor.I32 {
		p.Fail(&normalise, "image is %v of %v, want two axes of i32", image.Shape, image.DType)
	}
	if !(std[0] > 0 && std[1] > 0 && std[2] > 0) {
		p.Fail(&normalise, "standard deviations are %v, want positive numbers", std)
	}
	p.Run(&normalise, gpu.Call{
		Consts: gpu.Consts{"WG": 64},
		Params: normaliseParams{
			[4]float32{mean[0], mean[1], mean[2], 0}, [4]float32{std[0], std[1], std[2], 1},
			uint32(image.Dim(1)), uint32(image.Dim(0)), uint32(size), int32(left), int32(top),
		},
		Groups: spread(size*size, 64),
	}, image, y)
	return y
}

func normaliseCPU(r *gpu.Run) {
	p := r.Params.(normaliseParams)
	image, y := r.U32(0), r.F32(1)
	clear(y)
	size := int(p.Size)
	for cy := range size {
		for cx := range size {
			iy, ix := cy-int(p.Top), cx-int(p.Left)
			if iy < 0 || iy >= int(p.H) || ix < 0 || ix >= int(p.W) {
				continue
			}
			pixel := image[iy*int(p.W)+ix]
			for k := range 3 {
				v := float64(pixel>>(8*k)&255) / 255
				y[4*(cy*size+cx)+k] = float32((v - float64(p.Mean[k])) / float64(p.Std[k]))
			}
		}
	}
}
