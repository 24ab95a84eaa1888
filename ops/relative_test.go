package ops

import (
	"fmt"
	"math"
	"testing"

	"flamingo/gpu"
	"flamingo/tensor"
)

func init() {
	for _, c := range []struct {
		t, heads, dim        int
		offset, capacity, at int // at: StatePos
		distances            int // 0: as many as the cache has rows
	}{
		{t: 1, heads: 1, dim: 4, capacity: 1},
		{t: 1, heads: 4, dim: 24, capacity: 128, at: 127},
		{t: 1, heads: 3, dim: 256, offset: 8, capacity: 65, at: 64, distances: 70},
		{t: 63, heads: 2, dim: 20, offset: 4, capacity: 64, at: 1},
		{t: 65, heads: 6, dim: 32, capacity: 200, at: 70, distances: 257},
		{t: 7, heads: 2, dim: 100, capacity: 300, at: 250},
		{t: 3, heads: 2, dim: 128, capacity: 2100, at: 2047},
		// Past the cache: what it does not hold is not seen, and distances beyond it are its last.
		{t: 4, heads: 1, dim: 8, capacity: 10, at: 8},
		{t: 3, heads: 2, dim: 12, capacity: 5, at: 70},
		// Before it: nothing is seen.
		{t: 4, heads: 2, dim: 8, capacity: 10, at: -2},
		// More pairs of a query and a head than workgroups fit on an axis.
		{t: 2049, heads: 16, dim: 4, capacity: 3, at: 0},
	} {
		o := RelativeOptions{Heads: c.heads, HeadDim: c.dim, QOffset: c.offset}
		width, distances := c.heads*c.dim, max(c.distances, c.capacity)
		addRows(row{
			op:   &relativeAttention,
			name: fmt.Sprintf("%d×%d×%d over %d from %d", c.t, c.heads, c.dim, c.capacity, c.at),
			inputs: func(r *random) []tensor.Tensor {
				return []tensor.Tensor{
					r.normal(c.t, c.offset+width+8), r.normal(c.capacity, 2*width), r.normal(distances, width),
					r.normal(width), r.normal(width), tensor.FromI32([]int32{int32(c.at), 9, 9, 9}, StateLen),
				}
			},
			record: func(p *gpu.Pass, in []gpu.Tensor) []gpu.Tensor {
				return []gpu.Tensor{RelativeAttention(p, in[0], in[1], in[2], in[3], in[4], in[5], o)}
			},
		})
	}
}

// attendRelatively runs one attention on the device under test.
func attendRelatively(t *testing.T, o RelativeOptions, q, kv, r, u, v tensor.Tensor, at int32) []float32 {
	t.Helper()
	c := row{op: &relativeAttention, record: func(p *gpu.Pass, in []gpu.Tensor) []gpu.Tensor {
		return []gpu.Tensor{RelativeAttention(p, in[0], in[1], in[2], in[3], in[4], in[5], o)}
	}}
	return c.execute(t, device, []tensor.Tensor{q, kv, r, u, v, tensor.FromI32([]int32{at, 0, 0, 0}, StateLen)})[0].F32()
}

func TestRelativeAttentionByHand(t *testing.T) {
	// √HeadDim is 2. Of key 0, at distance 1, the score is ((2+2)·ln 3 + (1-1)·9)/2 for the content and
	// (2·0 + (1+1)·ln 2)/2 for the position, together ln 18; of key 1, the query's own, 0 and ln 2.
	ln2, ln3 := float32(math.Log(2)), float32(math.Log(3))
	kv := tensor.FromF32([]float32{ln3, 9, 0, 0, 20, 0, 10, 1, 0, 7, 0, 0, 0, 10, 10, 1}, 2, 8)
	q := tensor.FromF32([]float32{2, 1, 0, 0}, 1, 4)
	u, v := tensor.FromF32([]float32{2, -1, 0, 0}, 4), tensor.FromF32([]float32{0, 1, 0, 5}, 4)
	r := tensor.FromF32([]float32{ln2, 0, 0, 0, 0, ln2, 0, 0, 50, 50, 50, 50}, 3, 4)
	o := RelativeOptions{Heads: 1, HeadDim: 4}
	near(t, "two keys", attendRelatively(t, o, q, kv, r, u, v, 1), []float32{18, 1, 10, 1}, 1e-5)
	near(t, "first position", attendRelatively(t, o, q, kv, r, u, v, 0), []float32{20, 0, 10, 1}, 0)
	near(t, "before it", attendRelatively(t, o, q, kv, r, u, v, -1), make([]float32, 4), 0)
}

// Without encodings and biases it is Attention.
func TestRelativeAttentionWithoutPositions(t *testing.T) {
	const rows, heads, dim = 70, 2, 12
	r := &random{newRand(5)}
	q, kv := r.normal(rows, heads*dim), r.normal(rows, 2*heads*dim)
	zero := tensor.New(tensor.F32, heads*dim)
	got := attendRelatively(t, RelativeOptions{Heads: heads, HeadDim: dim}, q, kv, tensor.New(tensor.F32, rows, heads*dim), zero, zero, 0)
	o := AttentionOptions{Heads: heads, KVHeads: heads, HeadDim: dim, Mode: Causal}
	near(t, "attention", got, attend(t, o, q, kv, make([]int32, StateLen)), 3e-6)
}

// Scores that depend on the distance alone move with the query, and scores of thousands overflow no
// exponential, whichever block of keys holds the largest.
func TestRelativeAttentionMoves(t *testing.T) {
	const keys, dim = 150, 4
	kv, r := make([]float32, keys*2*dim), make([]float32, keys*dim)
	for i := range keys {
		kv[i*2*dim+dim] = float32(i)
	}
	r[30*dim] = 4000
	zero := tensor.New(tensor.F32, dim)
	one := tensor.FromF32([]float32{1, 0, 0, 0}, dim)
	got := attendRelatively(t, RelativeOptions{Heads: 1, HeadDim: dim}, tensor.New(tensor.F32, keys-30, dim),
		tensor.FromF32(kv, keys, 2*dim), tensor.FromF32(r, keys, dim), zero, one, 30)
	for i := range keys - 30 {
		if got[i*dim] != float32(i) {
			t.Errorf("query at %d gets value %v, want that of key %d", 30+i, got[i*dim], i)
		}
	}
}

func TestRelativeAttentionRefuses(t *testing.T) {
	d := gpu.NewCPU()
	alloc := func(dtype tensor.DType, shape ...int) gpu.Tensor {
		x, err := gpu.Alloc(d, "test", dtype, shape...)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	q, kv, r, u := alloc(tensor.F32, 2, 24), alloc(tensor.F32, 5, 48), alloc(tensor.F32, 5, 24), alloc(tensor.F32, 24)
	state, ids := alloc(tensor.I32, StateLen), alloc(tensor.I32, 24)
	good := RelativeOptions{Heads: 2, HeadDim: 12}
	for _, c := range []struct {
		want   string
		record func(p *gpu.Pass)
	}{
		{"2 heads of 10", func(p *gpu.Pass) {
			RelativeAttention(p, q, kv, r, u, u, state, RelativeOptions{Heads: 2, HeadDim: 10})
		}},
		{"0 heads of 12", func(p *gpu.Pass) {
			RelativeAttention(p, q, kv, r, u, u, state, RelativeOptions{HeadDim: 12})
		}},
		{"24 columns from 4 on", func(p *gpu.Pass) {
			RelativeAttention(p, q, kv, r, u, u, state, RelativeOptions{Heads: 2, HeadDim: 12, QOffset: 4})
		}},
		{"kv is [5,24]", func(p *gpu.Pass) { RelativeAttention(p, q, r, r, u, u, state, good) }},
		{"a cache of 5 rows", func(p *gpu.Pass) { RelativeAttention(p, q, kv, q, u, u, state, good) }},
		{"v is [2,24]", func(p *gpu.Pass) { RelativeAttention(p, q, kv, r, u, q, state, good) }},
		{"u is i32", func(p *gpu.Pass) { RelativeAttention(p, q, kv, r, ids, u, state, good) }},
		{"state is f32", func(p *gpu.Pass) { RelativeAttention(p, q, kv, r, u, u, alloc(tensor.F32, StateLen), good) }},
	} {
		recordError(t, c.want, c.record)
	}
}
