package ops

import (
	"math"

	"flamingo/gpu"
)

// A Mode says which keys a query sees.
type Mode uint32

const (
	Full   Mode = iota // the first Keys rows
	Causal             // everything up to its own position
	Media              // the Keys rows of one image
	Listed             // the rows that its list names: see ListsLen
)

// AttentionOptions describes an attention.
type AttentionOptions struct {
	Heads, KVHeads, HeadDim int // KVHeads divides Heads: grouped-query attention
	QOffset                 int // first column of the queries in each row of q
	Mode                    Mode
	Keys                    int // Full: rows to attend to; Media: rows per image; Listed: entries per list; Causal: not used

	// ALiBi adds slope·(j-i) to the score of the query at position i and the key at position j (Press
	// et al. 2021). The slopes are MPT's, with the largest exponent 8. Causal and Listed only.
	ALiBi bool

	// Queries are rotated for their position, state[StatePos]+t or that of their list's end, in the
	// first RotaryDims of each head; 0 rotates nothing. The keys in the cache are rotated already.
	// Causal and Listed only.
	RotaryDims int
	RotaryBase float32
}

var attention = gpu.Op{
	Name: "attention",
	In:   []string{"q", "kv", "index"},
	Out:  []string{"y"},
	CPU:  attentionCPU,
}

type attentionParams struct {
	Ratio                  [8]uint32
	T, Heads, KVHeads      uint32
	QWidth, QOffset        uint32
	Capacity, Keys, Slopes uint32 // Slopes: Heads rounded up to a power of two
	RotaryDims             uint32
	Base, Scale            float32
	Mode                   Mode
	ALiBi                  uint32 // 1 when positions bias the scores
}

const (
	// attentionRows is how many pairs of a query and a head share the keys that a workgroup reads.
	attentionRows = 4
	// fewRows is the number of pairs up to which each has a workgroup of its own. A prompt of some
	// tokens then runs on the pipeline that decoding needs anyway.
	fewRows = 8
)

// Attention is softmax(q·kᵀ/√HeadDim + bias)·v for queries q [T, ≥QOffset+Heads·HeadDim] over a
// cache kv [capacity, 2·KVHeads·HeadDim] whose rows are keys, then values; the result is
// [T, Heads·HeadDim]. What index is depends on the mode. Causal: the state, and query t sees keys 0
// to state[StatePos]+t. Media: i32 [T], the number of the image that the query sees, from 1; where
// it is 0 or the cache does not hold that image, the result is zero. Listed: the lists of a listed
// pass, i32 [ListsLen(T, Keys)]; a query that sees no key gets zero. Full: not set.
func Attention(p *gpu.Pass, q, kv, index gpu.Tensor, o AttentionOptions) gpu.Tensor {
	op := &attention
	t := q.Rows()
	y := p.Tensor(t, o.Heads*o.HeadDim)
	if o.HeadDim < 4 || o.HeadDim > 256 || o.HeadDim%4 != 0 || o.KVHeads < 1 || o.Heads < 1 || o.Heads%o.KVHeads != 0 {
		p.Fail(op, "%d heads of %d with %d for the keys, want multiples of each other and a head of 4 to 256, a multiple of 4", o.Heads, o.HeadDim, o.KVHeads)
		return y
	}
	p.Want(op, 1, kv, -1, 2*o.KVHeads*o.HeadDim)
	if w := q.Dim(-1); o.QOffset < 0 || o.QOffset%4 != 0 || w%4 != 0 || o.QOffset+o.Heads*o.HeadDim > w {
		p.Fail(op, "q %v does not hold %d columns from %d on, a multiple of 4", q.Shape, o.Heads*o.HeadDim, o.QOffset)
	}
	checkRotary(p, op, o.RotaryDims, o.HeadDim, o.RotaryBase)
	switch o.Mode {
	case Causal:
		p.Want(op, 2, index, StateLen)
	case Media:
		p.Want(op, 2, index, t)
	case Listed:
		wantLists(p, op, 2, index, t, o.Keys)
	case Full:
		index = q
	}
	if o.Mode == Full || o.Mode == Media {
		if o.ALiBi || o.RotaryDims > 0 {
			p.Fail(op, "positions (ALiBi, rotary) without the causal or the listed mode")
		}
		if o.Keys < 1 || o.Keys > kv.Dim(0) {
			p.Fail(op, "%d keys of a cache of %d", o.Keys, kv.Dim(0))
		}
	}
	if o.Mode != Full {
		wantI32(p, op, 2, index)
	}
	slopes := 1
	for slopes < o.Heads {
		slopes *= 2
	}
	alibi := uint32(0)
	if o.ALiBi {
		alibi = 1
	}
	group := o.Heads / o.KVHeads
	rows := attentionRows
	if t*group <= fewRows || o.Mode == Listed { // which shares no keys between queries
		rows = 1
	}
	over := spread(ceilDiv(t*group, rows), 1)
	p.Run(op, gpu.Call{
		Consts: gpu.Consts{
			"WG": 64, "HEAD_DIM": o.HeadDim, "ROWS": rows, "ROTARY": o.RotaryDims > 0,
		},
		Params: attentionParams{
			rotaryRatios(o.RotaryDims, o.RotaryBase),
			uint32(t), uint32(o.Heads), uint32(o.KVHeads),
			uint32(q.Dim(-1)), uint32(o.QOffset),
			uint32(kv.Dim(0)), uint32(o.Keys), uint32(slopes),
			uint32(o.RotaryDims), o.RotaryBase, float32(1 / math.Sqrt(float64(o.HeadDim))),
			o.Mode, alibi,
		},
		Groups: [3]int{over[0], o.KVHeads, over[1]},
	}, q, kv, index, y)
	return y
}

func attentionCPU(r *gpu.Run) {
	p := r.Params.(attentionParams)
	q, kv, y := r.F32(0), r.F32(1), r.F32(3)
	dim, heads, kvHeads := r.Consts["HEAD_DIM"].(int), int(p.Heads), int(p.KVHeads)
	width, capacity := 2*kvHeads*dim, int(p.Capacity)
	gpu.Parallel(int(p.T)*heads, func(i int) {
		t, h := i/heads, i%heads
		see, pos := view{n: int(p.Keys)}, 0
		switch p.Mode {
		case Causal:
			pos = int(r.I32(2)[StatePos]) + t
			see.n = max(min(pos+1, capacity), 0)
		case Media:
			see.from = (int(r.I32(2)[t]) - 1) * int(p.Keys)
			if see.from < 0 || see.from+see.n > capacity {
				see.n = 0
			}
		case Listed:
			see = listedView(r.I32(2), t, int(p.Keys), capacity)
			pos = see.len() - 1
		}
		query := make([]float32, dim)
		copy(query, q[t*int(p.QWidth)+int(p.QOffset)+h*dim:])
		if r.On("ROTARY") {
			rotate(query[:p.RotaryDims], pos, p.Base)
		}
		slope := 0.0
		if p.ALiBi == 1 {
			slope = alibiSlope(h, heads, int(p.Slopes))
		}
		key := h / (heads / kvHeads) * dim
		weights := make([]float64, see.len())
		most := math.Inf(-1)
		for j := range weights {
			row, ok := see.row(j, capacity)
			if !ok {
				continue
			}
			k := kv[row*width+key:][:dim]
			s := 0.0
			for d, x := range query {
				s += float64(x) * float64(k[d])
			}
			weights[j] = s*float64(p.Scale) + slope*float64(see.from+j-pos)
			most = max(most, weights[j])
		}
		total := 0.0
		acc := make([]float64, dim)
		for j, s := range weights {
			row, ok := see.row(j, capacity)
			if !ok {
				continue
			}
			w := math.Exp(s - most)
			total += w
			v := kv[row*width+kvHeads*dim+key:][:dim]
			for d, x := range v {
				acc[d] += w * float64(x)
			}
		}
		out := y[i*dim : (i+1)*dim]
		clear(out)
		for d, a := range acc {
			if total > 0 {
				out[d] = float32(a / total)
			}
		}
	})
}

// alibiSlope is 2^(-8(h+1)/n) when there are n heads, a power of two. Otherwise the slopes for the
// next power of two n are dealt out: those at odd places first, then those at even ones.
func alibiSlope(h, heads, n int) float64 {
	if heads != n {
		if h < n/2 {
			h = 2*h + 1
		} else {
			h = 2*h - n
		}
	}
	return math.Exp2(-8 * float64(h+1) / float64(n))
}
