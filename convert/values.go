package convert

import (
	"fmt"

	"flamingo/model"
)

// values are the elements of a tensor, row-major, which are read piece by piece: a checkpoint is
// larger than memory. Reads may run at the same time.
type values struct {
	len  int
	read func(from, to int) ([]float32, error)
}

// slice is the elements from … to-1.
func (v values) slice(from, to int) values {
	return values{to - from, func(a, b int) ([]float32, error) { return v.read(from+a, from+b) }}
}

// stack is one after another.
func stack(list ...values) values {
	out := values{}
	for _, v := range list {
		out.len += v.len
	}
	out.read = func(from, to int) ([]float32, error) {
		var all []float32
		start := 0
		for _, v := range list {
			a, b := max(from-start, 0), min(to-start, v.len)
			if start += v.len; a >= b {
				continue
			}
			x, err := v.read(a, b)
			if err != nil {
				return nil, err
			}
			if all == nil && len(x) == to-from {
				return x, nil
			}
			all = append(all, x...)
		}
		return all, nil
	}
	return out
}

// permute moves blocks of the given width: block i of the result is block source(i).
func (v values) permute(width int, source func(i int) int) values {
	return values{v.len, func(from, to int) ([]float32, error) {
		out := make([]float32, 0, to-from)
		for at := from; at < to; {
			i := at / width
			end := min((i+1)*width, to)
			start := source(i)*width + at - i*width
			x, err := v.read(start, start+end-at)
			if err != nil {
				return nil, err
			}
			out, at = append(out, x...), end
		}
		return out, nil
	}}
}

// zeros are n zeros.
func zeros(n int) values {
	return values{n, func(from, to int) ([]float32, error) { return make([]float32, to-from), nil }}
}

// kernels turns convolution kernels [out][in][area] into rows of (pixel, channel), which is how the
// runtime reads a picture, with channels and rows padded to a multiple of four. finish is applied to
// each kernel as it was, when not nil.
func (v values) kernels(out, in, area int, finish func(o int, kernel []float32) error) values {
	fan, channels := in*area, model.Pad4(in)
	return values{model.Pad4(out) * area * channels, func(from, to int) ([]float32, error) {
		width := area * channels
		first, last := from/width, (to+width-1)/width
		rows := make([]float32, (last-first)*width)
		if n := min(last, out); n > first {
			x, err := v.read(first*fan, n*fan)
			if err != nil {
				return nil, err
			}
			for o := first; o < n; o++ {
				kernel := x[(o-first)*fan:][:fan]
				if finish != nil {
					if err := finish(o, kernel); err != nil {
						return nil, err
					}
				}
				for c := range in {
					for k := range area {
						rows[((o-first)*area+k)*channels+c] = kernel[c*area+k]
					}
				}
			}
		}
		return rows[from-first*width : to-first*width], nil
	}}
}

// rules say what each of the runtime's tensors is made of, by its runtime name.
type rules map[string]values

// values are the elements of a runtime tensor.
func (r rules) values(e model.Entry) (values, error) {
	v, ok := r[e.Name]
	if !ok {
		return v, fmt.Errorf("%w: nothing in it gives %s %v, which its configuration asks for; do its files belong together?", ErrCheckpoint, e.Name, e.Shape)
	}
	if v.len != e.Shape.Len() {
		return v, fmt.Errorf("%w: %s: the checkpoint gives %d values, want %v", ErrCheckpoint, e.Name, v.len, e.Shape)
	}
	return v, nil
}
