package ops

import (
	"math"

	"flamingo/gpu"
)

// RelativeOptions describes an attention with relative positions.
type RelativeOptions struct {
	Heads, HeadDim int
	QOffset        int // first column of the queries in each row of q
	Lists          int // entries per list in a listed pass; 0 in any other
}

var relativeAttention = gpu.Op{
	Name: "relative_attention",
	In:   []string{"q", "kv", "r", "u", "v", "state"},
	Out:  []string{"y"},
	CPU:  relativeAttentionCPU,
}

type relativeParams struct {
	T, Heads            uint32
	QWidth, QOffset     uint32
	Capacity, Distances uint32
	Scale               float32
	Lists               uint32
}

// RelativeAttention is Attention in the causal mode with the relative positions of Transformer-XL
// (Dai et al. 2019), which Gopher and Chinchilla have: the score of query i and key j is
// ((q_i+u)·k_j + (q_i+v)·r_{i-j})/√HeadDim. Queries q [T, ≥QOffset+Heads·HeadDim], the cache kv
// [capacity, 2·Heads·HeadDim], the state and the result [T, Heads·HeadDim] are as there. Row d of
// r [≥capacity, Heads·HeadDim] is the projected encoding of the distance d; u and v are
// [Heads·HeadDim]. All are f32 but the state. A distance outside of r counts as its last. In a listed
// pass, where o.Lists is not 0, state is the lists, i32 [ListsLen(T, o.Lists)].
func RelativeAttention(p *gpu.Pass, q, kv, r, u, v, state gpu.Tensor, o RelativeOptions) gpu.Tensor {
	op := &relativeAttention
	t, width := q.Rows(), o.Heads*o.HeadDim
	y := p.Tensor(t, width)
	if o.HeadDim < 4 || o.HeadDim > 256 || o.HeadDim%4 != 0 || o.Heads < 1 {
		p.Fail(op, "%d heads of %d, want at least 1 and a head of 4 to 256, a multiple of 4", o.Heads, o.HeadDim)
		return y
	}
	if w := q.Dim(-1); o.QOffset < 0 || o.QOffset%4 != 0 || w%4 != 0 || o.QOffset+width > w {
		p.Fail(op, "q %v does not hold %d columns from %d on, a multiple of 4", q.Shape, width, o.QOffset)
	}
	p.Want(op, 1, kv, -1, 2*width)
	p.Want(op, 2, r, -1, width)
	p.Want(op, 3, u, width)
	p.Want(op, 4, v, width)
	if o.Lists != 0 {
		wantLists(p, op, 5, state, t, o.Lists)
	} else {
		p.Want(op, 5, state, StateLen)
		wantI32(p, op, 5, state)
	}
	if r.Rows() < max(kv.Rows(), 1) {
		p.Fail(op, "r is %v for a cache of %d rows, want a row for each distance in it", r.Shape, kv.Rows())
	}
	for i, x := range []gpu.Tensor{q, kv, r, u, v} {
		wantF32(p, op, i, x)
	}
	p.Run(op, gpu.Call{
		Consts: gpu.Consts{"WG": 64, "HEAD_DIM": o.HeadDim},
		Params: relativeParams{
			uint32(t), uint32(o.Heads), uint32(q.Dim(-1)), uint32(o.QOffset),
			uint32(kv.Rows()), uint32(r.Rows()), float32(1 / math.Sqrt(float64(o.HeadDim))),
			uint32(o.Lists),
		},
		Groups: spread(t*o.Heads, 1),
	}, q, kv, r, u, v, state, y)
	return y
}

func relativeAttentionCPU(run *gpu.Run) {
	p := run.Params.(relativeParams)
	q, kv, r, u, v, y := run.F32(0), run.F32(1), run.F32(2), run.F32(3), run.F32(4), run.F32(6)
	dim, heads := run.Consts["HEAD_DIM"].(int), int(p.Heads)
	width, capacity := heads*dim, int(p.Capacity)
	gpu.Parallel(int(p.T)*heads, func(i int) {
		t, h := i/heads, i%heads*dim
		pos := int(run.I32(5)[StatePos]) + t
		see := view{n: max(min(pos+1, capacity), 0)}
		if p.Lists > 0 {
			see = listedView(run.I32(5), t, int(p.Lists), capacity)
			pos = see.len() - 1
		}
		query := q[t*int(p.QWidth)+int(p.QOffset)+h:][:dim]
		scores := make([]float64, see.len())
		most := math.Inf(-1)
		for j := range scores {
			row, ok := see.row(j, capacity)
			if !ok {
				continue
			}
			key := kv[row*2*width+h:][:dim]
			encoding := r[min(pos-j, int(p.Distances)-1)*width+h:][:dim]
			s := 0.0
			for d, x := range query {
				s += (float64(x)+float64(u[h+d]))*float64(key[d]) + (float64(x)+float64(v[h+d]))*float64(encoding[d])
			}
			scores[j] = s * float64(p.Scale)
			most = max(most, scores[j])
		}
		total := 0.0
		acc := make([]float64, dim)
		for j, s := range scores {
			row, ok := see.row(j, capacity)
			if !ok {
				continue
			}
			w := math.Exp(s - most)
			total += w
			for d, x := range kv[row*2*width+width+h:][:dim] {
				acc[d] += w * float64(x)
			}
		}
		out := y[t*width+h:][:dim]
		clear(out)
		for d, a := range acc {
			if total > 0 {
				out[d] = float32(a / total)
			}
		}
	})
}
