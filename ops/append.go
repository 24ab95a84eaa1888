package ops

import (
	"math"

	"flamingo/gpu"
)

// AppendOptions says which columns Append takes and where they go.
type AppendOptions struct {
	From   int  // first column in src
	Slot   int  // element of state that counts what the cache holds
	Stride int  // rows per unit of that element
	Listed bool // in place of Slot and Stride, places say for each row where it goes: see PlaceRow

	// The first Heads·HeadDim columns taken are keys, whose first RotaryDims of each head are
	// rotated for position state[Slot]+t, or the one in places; RotaryDims 0 rotates nothing.
	Heads, HeadDim, RotaryDims int
	RotaryBase                 float32
}

var appendRows = gpu.Op{
	Name: "append",
	In:   []string{"src", "state"},
	Out:  []string{"cache"},
	CPU:  appendCPU,
}

type appendParams struct {
	Ratio                         [8]uint32
	Rows, Width, SrcWidth, From   uint32
	Slot, Stride, Capacity        int32
	HeadDim, KeyWidth, RotaryDims uint32
	Base                          float32
	Listed                        uint32 // 1 when state is places
}

// Append copies columns From … From+W of the rows of src [..., D] to rows state[Slot]·Stride+t of
// cache [capacity, W]. Rows outside the cache are dropped. In a listed pass, state is places, i32
// [rows of src, PlaceLen], and row t goes to places[t, PlaceRow]; no two go to the same.
func Append(p *gpu.Pass, src, cache, state gpu.Tensor, o AppendOptions) {
	op := &appendRows
	listed := uint32(0)
	if o.Listed {
		listed = 1
		wantPlaces(p, op, 1, state, src.Rows())
	} else {
		p.Want(op, 1, state, StateLen)
	}
	width := cache.Dim(-1)
	if o.From < 0 || o.From+width > src.Dim(-1) {
		p.Fail(op, "columns %d to %d of src %v", o.From, o.From+width, src.Shape)
	}
	if o.Slot < 0 || o.Slot >= StateLen || o.Stride < 0 {
		p.Fail(op, "slot %d and stride %d, want a slot of 0 to %d and a stride that is not negative", o.Slot, o.Stride, StateLen-1)
	}
	if o.RotaryDims > 0 && o.Heads*o.HeadDim > width {
		p.Fail(op, "%d heads of %d are rotated, the cache has %d columns", o.Heads, o.HeadDim, width)
	}
	checkRotary(p, op, o.RotaryDims, o.HeadDim, o.RotaryBase)
	n := src.Rows() * width
	p.Run(op, gpu.Call{
		Consts: gpu.Consts{"WG": 64, "ROTARY": o.RotaryDims > 0},
		Params: appendParams{
			rotaryRatios(o.RotaryDims, o.RotaryBase),
			uint32(src.Rows()), uint32(width), uint32(src.Dim(-1)), uint32(o.From),
			int32(o.Slot), int32(o.Stride), int32(cache.Rows()),
			uint32(o.HeadDim), uint32(o.Heads * o.HeadDim), uint32(o.RotaryDims), o.RotaryBase,
			listed,
		},
		Groups: spread(n, 64),
	}, src, state, cache)
}

func appendCPU(r *gpu.Run) {
	p := r.Params.(appendParams)
	src, cache := r.F32(0), r.F32(2)
	state, w := r.I32(1), int(p.Width)
	for t := range int(p.Rows) {
		var row, pos int
		if p.Listed == 1 {
			row, pos = int(state[t*PlaceLen+PlaceRow]), int(state[t*PlaceLen+PlacePos])
		} else {
			row, pos = int(state[p.Slot])*int(p.Stride)+t, int(state[p.Slot])+t
		}
		if row < 0 || row >= int(p.Capacity) {
			continue
		}
		from := t*int(p.SrcWidth) + int(p.From)
		dst := cache[row*w : (row+1)*w]
		copy(dst, src[from:from+w])
		if r.On("ROTARY") {
			for h := 0; h < int(p.KeyWidth); h += int(p.HeadDim) {
				rotate(dst[h:h+int(p.RotaryDims)], pos, p.Base)
			}
		}
	}
}

// checkRotary reports options that rotate nothing sensible.
func checkRotary(p *gpu.Pass, op *gpu.Op, dims, headDim int, base float32) {
	if dims < 0 || dims%2 != 0 || dims > headDim || dims > 512 || (dims > 0 && !(base > 1)) {
		p.Fail(op, "rotary over %d of %d dimensions with base %v, want an even number of them and a base above 1", dims, headDim, base)
	}
}

// rotaryRatios holds r, r², r⁴ … r¹²⁸ for r = base^(-2/dims) as fractions of 2³², from which
// shaders/lib/rotary.wgsl multiplies any frequency. Fixed point, because the angle must be right
// modulo a turn at positions in the thousands, where f32 is not.
func rotaryRatios(dims int, base float32) (ratios [8]uint32) {
	for b := range ratios {
		if dims > 0 {
			r := math.Pow(float64(base), -2*float64(int(1)<<b)/float64(dims))
			ratios[b] = uint32(min(math.Round(r*(1<<32)), math.MaxUint32))
		}
	}
	return ratios
}

// rotate turns the pairs (i, i+n/2) of v, of length n, by pos·base^(-2i/n): rotary position
// embedding, half-split as in GPT-NeoX and LLaMA.
func rotate(v []float32, pos int, base float32) {
	half := len(v) / 2
	for i := range half {
		sin, cos := math.Sincos(float64(pos) * math.Pow(float64(base), -2*float64(i)/float64(len(v))))
		a, b := float64(v[i]), float64(v[i+half])
		v[i], v[i+half] = float32(a*cos-b*sin), float32(b*cos+a*sin)
	}
}
