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
		t, heads, kvHeads, dim int
		offset, capacity, at   int // at: StatePos; capacity also bounds Full and Media
		mode                   Mode
		keys                   int
		alibi                  bool
		rotary                 int
		phi                    []int32
		rel                    float64
	}{
		{t: 1, heads: 1, kvHeads: 1, dim: 4, capacity: 1, mode: Full, keys: 1},
		{t: 3, heads: 2, kvHeads: 2, dim: 24, capacity: 16, mode: Full, keys: 16},
		{t: 16, heads: 4, kvHeads: 4, dim: 32, capacity: 25, mode: Full, keys: 25},
		{t: 5, heads: 8, kvHeads: 8, dim: 64, offset: 4, capacity: 330, mode: Full, keys: 320},
		{t: 2, heads: 3, kvHeads: 1, dim: 256, capacity: 65, mode: Full, keys: 63},
		{t: 7, heads: 2, kvHeads: 1, dim: 100, capacity: 300, mode: Full, keys: 257},
		{t: 1, heads: 4, kvHeads: 4, dim: 24, offset: 0, capacity: 128, at: 0, mode: Causal, alibi: true},
		{t: 1, heads: 4, kvHeads: 4, dim: 24, offset: 96, capacity: 128, at: 127, mode: Causal, alibi: true},
		{t: 1, heads: 6, kvHeads: 6, dim: 64, capacity: 257, at: 63, mode: Causal, alibi: true},
		{t: 65, heads: 6, kvHeads: 3, dim: 20, capacity: 128, at: 3, mode: Causal, alibi: true},
		{t: 1, heads: 2, kvHeads: 1, dim: 80, capacity: 70, at: 65, mode: Causal, rotary: 20},
		{t: 9, heads: 4, kvHeads: 2, dim: 32, capacity: 64, at: 40, mode: Causal, rotary: 32},
		// Past the cache: what it does not hold is not seen.
		{t: 4, heads: 1, kvHeads: 1, dim: 8, capacity: 10, at: 8, mode: Causal},
		// The angle's rounding, 2^-30 of a turn for each position.
		{t: 3, heads: 2, kvHeads: 2, dim: 128, capacity: 2100, at: 2047, mode: Causal, rotary: 128, rel: 2e-5},
		{t: 9, heads: 2, kvHeads: 2, dim: 24, capacity: 48, mode: Media, keys: 16, phi: []int32{0, 0, 1, 1, 2, 2, 3, 4, -1}},
		{t: 1, heads: 8, kvHeads: 8, dim: 64, capacity: 128, mode: Media, keys: 64, phi: []int32{2}},
		{t: 5, heads: 4, kvHeads: 2, dim: 4, capacity: 7, mode: Media, keys: 3, phi: []int32{2, 1, 0, 3, math.MaxInt32}},
	} {
		o := AttentionOptions{
			Heads: c.heads, KVHeads: c.kvHeads, HeadDim: c.dim, QOffset: c.offset, Mode: c.mode, Keys: c.keys,
			ALiBi: c.alibi, RotaryDims: c.rotary, RotaryBase: 10000,
		}
		addRows(row{
			op:   &attention,
			name: fmt.Sprintf("mode %d, %d×%d/%d×%d over %d from %d", c.mode, c.t, c.heads, c.kvHeads, c.dim, c.capacity, c.at),
			inputs: func(r *random) []tensor.Tensor {
				index := tensor.FromI32([]int32{int32(c.at), 9, 9, 9}, StateLen)
				if c.mode == Media {
					index = tensor.FromI32(c.phi, c.t)
				}
				return []tensor.Tensor{r.normal(c.t, c.offset+c.heads*c.dim+8), r.normal(c.capacity, 2*c.kvHeads*c.dim), index}
			},
			record: func(p *gpu.Pass, in []gpu.Tensor) []gpu.Tensor {
				if c.mode == Full {
					in[2] = gpu.Tensor{}
				}
				return []gpu.Tensor{Attention(p, in[0], in[1], in[2], o)}
			},
			rel: c.rel,
		})
	}
}

// attend runs one attention on the device under test.
func attend(t *testing.T, o AttentionOptions, q, kv tensor.Tensor, index []int32) []float32 {
	t.Helper()
	in := []tensor.Tensor{q, kv}
	if index != nil {
		in = append(in, tensor.FromI32(index, len(index)))
	}
	c := row{op: &attention, record: func(p *gpu.Pass, in []gpu.Tensor) []gpu.Tensor {
		return []gpu.Tensor{Attention(p, in[0], in[1], append(in, gpu.Tensor{})[2], o)}
	}}
	return c.execute(t, device, in)[0].F32()
}

func near(t *testing.T, what string, got, want []float32, bound float64) {
	t.Helper()
	if d := tensor.Compare(got, want); d.MaxAbs > bound || len(got) != len(want) {
		t.Errorf("%s: %v; bound %g", what, d, bound)
	}
}

func TestAttentionByHand(t *testing.T) {
	// The scores of query (2,0,0,0) are 2·ln(3)/2 = ln 3 and 0, so the weights are ¾ and ¼.
	x := float32(math.Log(3))
	kv := tensor.FromF32([]float32{x, 5, 0, 0, 4, 8, 0, 1, 0, 5, 0, 0, 8, 0, 4, 1}, 2, 8)
	q := tensor.FromF32([]float32{2, 0, 0, 0}, 1, 4)
	o := AttentionOptions{Heads: 1, KVHeads: 1, HeadDim: 4, Keys: 2}
	near(t, "full", attend(t, o, q, kv, nil), []float32{5, 6, 1, 1}, 2e-6)

	// Only the first image's key, then none.
	o.Mode, o.Keys = Media, 1
	near(t, "media", attend(t, o, q, kv, []int32{1}), []float32{4, 8, 0, 1}, 2e-6)
	near(t, "no media", attend(t, o, q, kv, []int32{0}), make([]float32, 4), 0)

	// One head: slope 2^-8. The second key is the query's own, the first one 1 before it.
	o = AttentionOptions{Heads: 1, KVHeads: 1, HeadDim: 4, Mode: Causal, ALiBi: true}
	w := float32(3 * math.Exp(-1.0/256))
	near(t, "alibi", attend(t, o, q, kv, []int32{1, 0, 0, 0}), []float32{(4*w + 8) / (w + 1), 8 * w / (w + 1), 4 / (w + 1), 1}, 2e-6)
	near(t, "first position", attend(t, o, q, kv, []int32{0, 0, 0, 0}), []float32{4, 8, 0, 1}, 2e-6)
}

func TestAttentionSlopes(t *testing.T) {
	for heads, want := range map[int][]float64{
		4: {1. / 4, 1. / 16, 1. / 64, 1. / 256},
		6: {1. / 4, 1. / 16, 1. / 64, 1. / 256, 1. / 2, 1. / 8},
	} {
		for h, w := range want {
			if got := alibiSlope(h, heads, (heads+3)/4*4); got != w {
				t.Errorf("slope %d of %d is %v, want %v", h, heads, got, w)
			}
		}
	}
}

// What comes after a query's position does not reach it, and weights sum to one.
func TestAttentionIsCausal(t *testing.T) {
	const rows, dim = 70, 8
	r := &random{newRand(1)}
	q, kv := r.normal(rows, dim), r.normal(rows, 2*dim).F32()
	for i := range rows {
		for d := range dim {
			kv[i*2*dim+dim+d] = float32(min(i, 40))
		}
	}
	o := AttentionOptions{Heads: 1, KVHeads: 1, HeadDim: dim, Mode: Causal, RotaryDims: 4, RotaryBase: 100}
	before := attend(t, o, q, tensor.FromF32(kv, rows, 2*dim), make([]int32, StateLen))
	for i := 50 * 2 * dim; i < len(kv); i++ {
		kv[i] = 1e6
	}
	after := attend(t, o, q, tensor.FromF32(kv, rows, 2*dim), make([]int32, StateLen))
	near(t, "rows before the change", after[:50*dim], before[:50*dim], 0)
	if before[0] != 0 || !(before[45*dim] > 10 && before[45*dim] < 40) {
		t.Errorf("got %v at 0 and %v at 45", before[0], before[45*dim])
	}
}

// Rotary attention depends on distances alone.
func TestRotaryIsRelative(t *testing.T) {
	r := &random{newRand(2)}
	q, k := r.normal(12).F32(), r.normal(12).F32()
	dot := func(i, j int) (s float64) {
		a, b := append([]float32(nil), q...), append([]float32(nil), k...)
		rotate(a, i, 10000)
		rotate(b, j, 10000)
		for d := range a {
			s += float64(a[d]) * float64(b[d])
		}
		return s
	}
	if a, b := dot(5, 2), dot(1005, 1002); math.Abs(a-b) > 1e-5 || math.Abs(a-dot(5, 3)) < 1e-3 {
		t.Errorf("scores %v and %v at the same distance, %v at another", a, b, dot(5, 3))
	}
	v := []float32{1, 0, 0, 2} // pairs (0,2) by one radian at position 1, (1,3) by 1/100
	rotate(v, 1, 10000)
	near(t, "rotate", v, []float32{0.5403023, -0.019999667, 0.84147098, 1.9999}, 1e-6)
}

func TestAttentionRefuses(t *testing.T) {
	q, _ := gpu.Alloc(device, "q", tensor.F32, 2, 24)
	kv, _ := gpu.Alloc(device, "kv", tensor.F32, 5, 24)
	defer q.Free(device)
	defer kv.Free(device)
	good := AttentionOptions{Heads: 2, KVHeads: 1, HeadDim: 12, Keys: 5}
	for i, o := range []AttentionOptions{
		good,
		{Heads: 2, KVHeads: 1, HeadDim: 10, Keys: 5},
		{Heads: 3, KVHeads: 2, HeadDim: 12, Keys: 5},
		{Heads: 2, KVHeads: 1, HeadDim: 12, Keys: 6},
		{Heads: 2, KVHeads: 1, HeadDim: 12, Keys: 5, QOffset: 4},
		{Heads: 2, KVHeads: 1, HeadDim: 12, Keys: 5, ALiBi: true},
		{Heads: 2, KVHeads: 2, HeadDim: 12, Keys: 5},
		{Heads: 2, KVHeads: 1, HeadDim: 12, Mode: Media, Keys: 5},
	} {
		p := gpu.NewPass(device)
		Attention(p, q, kv, gpu.Tensor{}, o)
		if (p.Err() == nil) != (i == 0) {
			t.Errorf("%+v: error %v", o, p.Err())
		}
	}
}

// Scores of thousands overflow the exponential unless the maximum is found, whichever lane holds it
// and whichever block of keys.
func TestAttentionOfLargeScores(t *testing.T) {
	const keys = 150
	o := AttentionOptions{Heads: 1, KVHeads: 1, HeadDim: 4, Keys: keys}
	q := tensor.FromF32([]float32{200, 0, 0, 0}, 1, 4)
	for _, at := range []int{0, 7, 8, 37, 63, 64, 127, 149} {
		kv := make([]float32, keys*8)
		for i := range keys {
			kv[8*i+4] = float32(i)
		}
		kv[8*at] = 100
		near(t, fmt.Sprint("largest at ", at), attend(t, o, q, tensor.FromF32(kv, keys, 8), nil), []float32{float32(at), 0, 0, 0}, 0)
	}
}
