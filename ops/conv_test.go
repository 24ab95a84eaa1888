package ops

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"flamingo/gpu"
	"flamingo/tensor"
)

func init() {
	for _, s := range []struct {
		h, w, c, out int
		Conv
	}{
		{1, 1, 4, 1, Conv{Kernel: 3, Stride: 1, Groups: 1}},
		{5, 3, 4, 3, Conv{Kernel: 3, Stride: 2, Groups: 1, Act: GELU}},
		{9, 7, 4, 16, Conv{Kernel: 3, Stride: 2, Groups: 1, Act: GELU}},
		{8, 6, 8, 12, Conv{Kernel: 3, Stride: 2, Groups: 1}},
		{7, 63, 8, 8, Conv{Kernel: 3, Stride: 1, Groups: 2, Act: ReLU}},
		{6, 13, 64, 96, Conv{Kernel: 3, Stride: 1, Groups: 2, Act: GELU}},
		{13, 6, 64, 64, Conv{Kernel: 3, Stride: 2, Groups: 2}},
		{3, 3, 96, 96, Conv{Kernel: 3, Stride: 1, Groups: 3}},
		{4, 5, 8, 7, Conv{Kernel: 1, Stride: 2, Groups: 1}},
		{11, 10, 4, 5, Conv{Kernel: 7, Stride: 3, Groups: 1}},
		{6, 6, 4, 65, Conv{Kernel: 2, Stride: 2, Groups: 1}},
		{1, 257, 4, 4, Conv{Kernel: 5, Stride: 1, Groups: 1}},
	} {
		for _, d := range weightFormats {
			k := s.Kernel * s.Kernel * s.c / s.Groups
			if d.Quantised() && k%tensor.BlockLen != 0 {
				continue
			}
			addRows(row{
				op: &conv2D, name: fmt.Sprint(s, d),
				inputs: func(r *random) []tensor.Tensor {
					return []tensor.Tensor{r.normal(s.h, s.w, s.c), r.weights(d, s.out, k), r.normal(s.out)}
				},
				record: func(p *gpu.Pass, in []gpu.Tensor) []gpu.Tensor {
					return []gpu.Tensor{Conv2D(p, in[0], in[1], in[2], s.Conv)}
				},
			})
		}
	}
}

// TestConv2DAgainstLoops compares the twin with the definition, written as loops over everything.
func TestConv2DAgainstLoops(t *testing.T) {
	r := &random{rand.New(rand.NewPCG(1, 1))}
	for _, s := range []struct{ h, w, c, out, kernel, stride, groups int }{
		{5, 4, 4, 3, 3, 1, 1}, {5, 4, 4, 3, 3, 2, 1}, {6, 7, 8, 8, 3, 2, 2}, {7, 6, 12, 24, 3, 1, 3}, {5, 5, 4, 2, 4, 3, 1}, {2, 3, 4, 5, 1, 1, 1},
	} {
		in := s.c / s.groups
		x, w, bias := r.normal(s.h, s.w, s.c), r.normal(s.out, s.kernel*s.kernel*in), r.normal(s.out)
		got := run(t, func(p *gpu.Pass, t []gpu.Tensor) gpu.Tensor {
			return Conv2D(p, t[0], t[1], t[2], Conv{Kernel: s.kernel, Stride: s.stride, Groups: s.groups, Act: ReLU})
		}, x, w, bias)
		oh, ow := (s.h+s.stride-1)/s.stride, (s.w+s.stride-1)/s.stride
		top := max((oh-1)*s.stride+s.kernel-s.h, 0) / 2
		left := max((ow-1)*s.stride+s.kernel-s.w, 0) / 2
		xs, ws, bs := x.F32(), w.F32(), bias.F32()
		var want []float32
		for oy := range oh {
			for ox := range ow {
				for o := range s.out {
					g := o / (s.out / s.groups)
					sum := float64(bs[o])
					for ky := range s.kernel {
						for kx := range s.kernel {
							for c := range in {
								iy, ix := oy*s.stride+ky-top, ox*s.stride+kx-left
								if iy >= 0 && iy < s.h && ix >= 0 && ix < s.w {
									sum += float64(xs[(iy*s.w+ix)*s.c+g*in+c]) * float64(ws[((o*s.kernel+ky)*s.kernel+kx)*in+c])
								}
							}
						}
					}
					want = append(want, float32(max(sum, 0)))
				}
			}
		}
		if d := tensor.Compare(got, want); !(d.MaxRel <= 1e-6) {
			t.Errorf("%+v: %v", s, d)
		}
	}
}

// TestConv2DPadsAsTensorFlow: an even axis under stride 2 has its only zero behind it.
func TestConv2DPadsAsTensorFlow(t *testing.T) {
	x := make([]float32, 4*4)
	for i := range 4 {
		x[4*i] = float32(i + 1)
	}
	w := make([]float32, 9*4)
	w[12], w[16], w[20] = 1, 10, 100 // the kernel's middle row
	got := run(t, func(p *gpu.Pass, in []gpu.Tensor) gpu.Tensor {
		return Conv2D(p, in[0], in[1], in[2], Conv{Kernel: 3, Stride: 2, Groups: 1})
	}, tensor.FromF32(x, 1, 4, 4), tensor.FromF32(w, 1, 36), tensor.FromF32([]float32{0}, 1))
	close32(t, got, 321, 43)
}

func TestConv2DRefuses(t *testing.T) {
	d := gpu.NewCPU()
	x, _ := gpu.Alloc(d, "test", tensor.F32, 4, 4, 8)
	bias, _ := gpu.Alloc(d, "test", tensor.F32, 8)
	for _, s := range []struct {
		want string
		k    int
		Conv
	}{
		{"multiple of 4", 18, Conv{Kernel: 3, Stride: 1, Groups: 4}},
		{"multiple of 4", 24, Conv{Kernel: 3, Stride: 1, Groups: 3}},
		{"sizes from 1", 72, Conv{Kernel: 3, Groups: 1}},
		{"w is [8,40]", 40, Conv{Kernel: 3, Stride: 1, Groups: 1}},
	} {
		w, _ := gpu.Alloc(d, "test", tensor.F32, 8, s.k)
		recordError(t, s.want, func(p *gpu.Pass) { Conv2D(p, x, w, bias, s.Conv) }, fmt.Sprint(s))
	}
}
