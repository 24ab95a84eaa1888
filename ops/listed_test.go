package ops

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"flamingo/gpu"
	"flamingo/tensor"
)

// packLists builds the lists of a listed pass from one list for each row.
func packLists(s int, shared int32, lists ...[]int32) tensor.Tensor {
	v := []int32{shared}
	for _, l := range lists {
		v = append(append(append(v, int32(len(l))), l...), make([]int32, s-len(l))...)
	}
	return tensor.FromI32(v, len(v))
}

// lists are t lists of different lengths up to s, in any order and with repeats.
func (r *random) lists(t, s, capacity int, shared int32) tensor.Tensor {
	lists := make([][]int32, t)
	for i := range lists {
		lists[i] = r.ints(capacity, 1+(i*7+s-1)%s).I32()
	}
	return packLists(s, shared, lists...)
}

// listRows are the hostile lists for both kinds of attention, over caches of the given capacity.
var listRows = []struct {
	name                  string
	t, s, heads, capacity int
	lists                 func(r *random, t, s, capacity int) tensor.Tensor
}{
	{"1 row of 1", 1, 1, 1, 1, func(r *random, t, s, c int) tensor.Tensor { return r.lists(t, s, c, 0) }},
	{"nothing shared", 5, 9, 4, 12, func(r *random, t, s, c int) tensor.Tensor { return r.lists(t, s, c, 0) }},
	{"33 rows", 33, 63, 6, 128, func(r *random, t, s, c int) tensor.Tensor { return r.lists(t, s, c, 65) }},
	{"long lists", 3, 257, 2, 40, func(r *random, t, s, c int) tensor.Tensor { return r.lists(t, s, c, 7) }},
	{"lists of 1 behind many", 4, 1, 6, 300, func(r *random, t, s, c int) tensor.Tensor { return r.lists(t, s, c, 290) }},
	{"all shared", 3, 4, 2, 70, func(r *random, t, s, c int) tensor.Tensor { return packLists(s, 64, nil, nil, []int32{69}) }},
	// Entries that the cache does not hold, and counts that no list has.
	{"entries outside", 4, 70, 4, 9, func(r *random, t, s, c int) tensor.Tensor {
		lists := r.lists(t, s, 3*c, 2).I32()
		for i, e := range []int32{-1, 9, math.MaxInt32, math.MinInt32} {
			copy(lists[1+i*(1+s):], []int32{int32(s), e, 3, e})
		}
		return tensor.FromI32(lists, len(lists))
	}},
	{"all entries outside", 2, 66, 2, 3, func(r *random, t, s, c int) tensor.Tensor {
		return packLists(s, 0, slices.Repeat([]int32{-1}, s), slices.Repeat([]int32{3}, 3))
	}},
	{"nothing to see", 3, 2, 2, 5, func(r *random, t, s, c int) tensor.Tensor { return packLists(s, 0, nil, []int32{4}, nil) }},
	{"n outside", 4, 3, 2, 9, func(r *random, t, s, c int) tensor.Tensor {
		lists := r.lists(t, s, c, 1).I32()
		for i, n := range []int32{-1, 4, math.MaxInt32, math.MinInt32} {
			lists[1+i*(1+s)] = n
		}
		return tensor.FromI32(lists, len(lists))
	}},
	{"shared below 0", 2, 5, 2, 9, func(r *random, t, s, c int) tensor.Tensor { return r.lists(t, s, c, -3) }},
	{"shared beyond the cache", 2, 5, 2, 9, func(r *random, t, s, c int) tensor.Tensor { return r.lists(t, s, c, math.MaxInt32) }},
}

func init() {
	for _, c := range listRows {
		for _, k := range []struct {
			name                 string
			kvHeads, dim, offset int
			alibi                bool
			rotary               int
		}{
			{name: "plain", kvHeads: c.heads, dim: 4},
			{name: "ALiBi", kvHeads: c.heads, dim: 24, offset: 8, alibi: true},
			{name: "rotary, grouped", kvHeads: (c.heads + 1) / 2, dim: 20, rotary: 12},
			{name: "rotary, one head", kvHeads: 1, dim: 128, rotary: 128},
		} {
			if c.heads%k.kvHeads != 0 {
				continue
			}
			o := AttentionOptions{
				Heads: c.heads, KVHeads: k.kvHeads, HeadDim: k.dim, QOffset: k.offset, Mode: Listed, Keys: c.s,
				ALiBi: k.alibi, RotaryDims: k.rotary, RotaryBase: 10000,
			}
			addRows(row{
				op: &attention, name: "listed, " + c.name + ", " + k.name,
				inputs: func(r *random) []tensor.Tensor {
					return []tensor.Tensor{
						r.normal(c.t, k.offset+c.heads*k.dim+8), r.normal(c.capacity, 2*k.kvHeads*k.dim), c.lists(r, c.t, c.s, c.capacity),
					}
				},
				record: func(p *gpu.Pass, in []gpu.Tensor) []gpu.Tensor {
					return []gpu.Tensor{Attention(p, in[0], in[1], in[2], o)}
				},
			})
		}
		for _, dim := range []int{4, 20, 128} {
			o, width := RelativeOptions{Heads: c.heads, HeadDim: dim, QOffset: 4, Lists: c.s}, c.heads*dim
			addRows(row{
				op: &relativeAttention, name: fmt.Sprintf("listed, %s, heads of %d", c.name, dim),
				inputs: func(r *random) []tensor.Tensor {
					return []tensor.Tensor{
						r.normal(c.t, 4+width+4), r.normal(c.capacity, 2*width), r.normal(c.capacity+3, width),
						r.normal(width), r.normal(width), c.lists(r, c.t, c.s, c.capacity),
					}
				},
				record: func(p *gpu.Pass, in []gpu.Tensor) []gpu.Tensor {
					return []gpu.Tensor{RelativeAttention(p, in[0], in[1], in[2], in[3], in[4], in[5], o)}
				},
			})
		}
	}
}

func init() {
	// More pairs of a query and a head than workgroups fit on an axis.
	addRows(row{
		op: &attention, name: "listed, many rows",
		inputs: func(r *random) []tensor.Tensor {
			return []tensor.Tensor{r.normal(4097, 8*4), r.normal(3, 2*4), r.lists(4097, 2, 3, 1)}
		},
		record: func(p *gpu.Pass, in []gpu.Tensor) []gpu.Tensor {
			return []gpu.Tensor{Attention(p, in[0], in[1], in[2], AttentionOptions{Heads: 8, KVHeads: 1, HeadDim: 4, Mode: Listed, Keys: 2})}
		},
	})
	for _, c := range []struct {
		name                       string
		rows, srcWidth, cap, width int
		places                     []int32
		rel                        float64
		AppendOptions
	}{
		{"1 row", 1, 1, 1, 1, []int32{0, 0}, 0, AppendOptions{}},
		{"any order", 3, 65, 7, 63, []int32{6, 0, 0, 9, 3, 2}, 0, AppendOptions{From: 2}},
		// The element 4·2^30 of the cache is its first, in 32 bits.
		{"outside", 6, 8, 7, 4, []int32{-1, 1, 7, 2, math.MaxInt32, 3, math.MinInt32, 4, 6, 5, 1 << 30, 0}, 0, AppendOptions{From: 4}},
		// Slot and Stride have no say.
		{"rotary", 4, 60, 33, 40, []int32{32, 20, 5, 0, 0, 1000, 31, 20}, 0,
			AppendOptions{From: 20, Slot: StateFrames, Stride: 3, Heads: 1, HeadDim: 20, RotaryDims: 6, RotaryBase: 500000}},
		{"rotary, 1 row", 1, 288, 128, 192, []int32{5, 77}, 0, AppendOptions{From: 96, Slot: StateImages, Heads: 4, HeadDim: 24, RotaryDims: 24, RotaryBase: 10000}},
		// The angle's rounding, 2^-30 of a turn for each position.
		{"rotary, far", 3, 256, 40, 256, []int32{7, 4000, 8, 4002, 0, 1}, 5e-5, AppendOptions{Heads: 1, HeadDim: 128, RotaryDims: 128, RotaryBase: 10000}},
	} {
		o := c.AppendOptions
		o.Listed = true
		addRows(row{
			op: &appendRows, name: "listed, " + c.name, rel: c.rel,
			inputs: func(r *random) []tensor.Tensor {
				return []tensor.Tensor{r.normal(c.rows, c.srcWidth), r.normal(c.cap, c.width), tensor.FromI32(c.places, c.rows, PlaceLen)}
			},
			record: func(p *gpu.Pass, in []gpu.Tensor) []gpu.Tensor {
				Append(p, in[0], in[1], in[2], o)
				return nil
			},
			changed: []int{1},
		})
	}
	for _, c := range []struct {
		rows, dim, table, offset int
		positions                []int32
	}{
		{1, 1, 1, 0, []int32{0}},
		{5, 63, 64, 2, []int32{61, 0, 7, 7, 30}},
		// Past the table, and before it.
		{6, 257, 9, 2, []int32{-1, -3, 6, 7, math.MinInt32, math.MaxInt32}},
		{3, 100000, 4, 0, []int32{3, 1, 2}},
	} {
		addRows(row{
			op: &addPositions, name: fmt.Sprintf("listed, %d×%d of %d at %v", c.rows, c.dim, c.table, c.positions),
			inputs: func(r *random) []tensor.Tensor {
				var places []int32
				for _, pos := range c.positions {
					places = append(places, int32(r.IntN(100)), pos)
				}
				return []tensor.Tensor{r.normal(c.rows, c.dim), r.normal(c.table, c.dim), tensor.FromI32(places, c.rows, PlaceLen)}
			},
			record: func(p *gpu.Pass, in []gpu.Tensor) []gpu.Tensor {
				return []gpu.Tensor{AddPositionsListed(p, in[0], in[1], in[2], c.offset)}
			},
		})
	}
}

func TestListedAttentionByHand(t *testing.T) {
	// As in TestAttentionByHand: key 0 has three times the weight of key 1.
	x := float32(math.Log(3))
	kv := tensor.FromF32([]float32{x, 5, 0, 0, 4, 8, 0, 1, 0, 5, 0, 0, 8, 0, 4, 1}, 2, 8)
	q := tensor.FromF32([]float32{2, 0, 0, 0}, 1, 4)
	w := float32(math.Exp(-1.0 / 256)) // of the key 1 before the query's own, with ALiBi
	for _, c := range []struct {
		name   string
		alibi  bool
		shared int32
		list   []int32
		want   []float32
	}{
		{"both", false, 0, []int32{0, 1}, []float32{5, 6, 1, 1}},
		{"one shared", false, 1, []int32{1}, []float32{5, 6, 1, 1}},
		{"all shared", false, 2, nil, []float32{5, 6, 1, 1}},
		{"one", false, 0, []int32{1}, []float32{8, 0, 4, 1}},
		{"repeated", false, 0, []int32{1, 0, 1}, []float32{28. / 5, 24. / 5, 8. / 5, 1}},
		{"shared and repeated", false, 2, []int32{1}, []float32{28. / 5, 24. / 5, 8. / 5, 1}},
		{"none", false, 0, nil, []float32{0, 0, 0, 0}},
		{"outside", false, 0, []int32{-1, 0, 2}, []float32{4, 8, 0, 1}},
		{"in order, ALiBi", true, 0, []int32{0, 1}, []float32{(12*w + 8) / (3*w + 1), 24 * w / (3*w + 1), 4 / (3*w + 1), 1}},
		{"reversed, ALiBi", true, 0, []int32{1, 0}, []float32{(12 + 8*w) / (3 + w), 24 / (3 + w), 4 * w / (3 + w), 1}},
		{"a gap, ALiBi", true, 0, []int32{1, -1, 0}, []float32{(12 + 8*w*w) / (3 + w*w), 24 / (3 + w*w), 4 * w * w / (3 + w*w), 1}},
	} {
		o := AttentionOptions{Heads: 1, KVHeads: 1, HeadDim: 4, Mode: Listed, Keys: 3, ALiBi: c.alibi}
		near(t, c.name, attend(t, o, q, kv, packLists(3, c.shared, c.list).I32()), c.want, 2e-6)
	}
}

func TestListedRelativeAttentionByHand(t *testing.T) {
	// The inputs of TestRelativeAttentionByHand. Of key 0 the score is that of the content, ln 9, and
	// ln 2 for each step of distance; of key 1, 0 and the same.
	ln2, ln3 := float32(math.Log(2)), float32(math.Log(3))
	kv := tensor.FromF32([]float32{ln3, 9, 0, 0, 20, 0, 10, 1, 0, 7, 0, 0, 0, 10, 10, 1}, 2, 8)
	q := tensor.FromF32([]float32{2, 1, 0, 0}, 1, 4)
	u, v := tensor.FromF32([]float32{2, -1, 0, 0}, 4), tensor.FromF32([]float32{0, 1, 0, 5}, 4)
	r := tensor.FromF32([]float32{0, 0, 0, 0, 0, ln2, 0, 0, 0, 2 * ln2, 0, 0}, 3, 4)
	for _, c := range []struct {
		name   string
		shared int32
		list   []int32
		want   []float32
	}{
		{"in order", 0, []int32{0, 1}, []float32{20 * 18. / 19, 10. / 19, 10, 1}},
		{"shared", 1, []int32{1}, []float32{20 * 18. / 19, 10. / 19, 10, 1}},
		{"reversed", 0, []int32{1, 0}, []float32{20 * 9. / 11, 20. / 11, 10, 1}},
		{"a gap", 0, []int32{1, 2, 0}, []float32{20 * 9. / 13, 40. / 13, 10, 1}},
		{"none", 0, nil, make([]float32, 4)},
	} {
		row := row{op: &relativeAttention, record: func(p *gpu.Pass, in []gpu.Tensor) []gpu.Tensor {
			return []gpu.Tensor{RelativeAttention(p, in[0], in[1], in[2], in[3], in[4], in[5], RelativeOptions{Heads: 1, HeadDim: 4, Lists: 3})}
		}}
		got := row.execute(t, device, []tensor.Tensor{q, kv, r, u, v, packLists(3, c.shared, c.list)})[0].F32()
		near(t, c.name, got, c.want, 1e-5)
	}
}

func TestListedRowsByHand(t *testing.T) {
	places := tensor.FromI32([]int32{2, 0, -1, 1, 0, 2}, 3, PlaceLen)
	x := tensor.FromF32([]float32{1, 2, 3, 4, 5, 6}, 3, 2)
	c := row{op: &appendRows, changed: []int{1}, record: func(p *gpu.Pass, in []gpu.Tensor) []gpu.Tensor {
		Append(p, in[0], in[1], in[2], AppendOptions{Listed: true})
		return nil
	}}
	near(t, "append", c.execute(t, device, []tensor.Tensor{x, tensor.New(tensor.F32, 3, 2), places})[0].F32(), []float32{5, 6, 0, 0, 1, 2}, 0)

	table := tensor.FromF32([]float32{10, 20, 30, 40, 50, 60}, 3, 2)
	c = row{op: &addPositions, record: func(p *gpu.Pass, in []gpu.Tensor) []gpu.Tensor {
		return []gpu.Tensor{AddPositionsListed(p, in[0], in[1], in[2], 0), AddPositionsListed(p, in[0], in[1], in[2], 1)}
	}}
	out := c.execute(t, device, []tensor.Tensor{x, table, places})
	near(t, "positions", out[0].F32(), []float32{11, 22, 33, 44, 55, 66}, 0)
	near(t, "positions from 1", out[1].F32(), []float32{31, 42, 53, 64, 55, 66}, 0)
}

func TestListedRefuses(t *testing.T) {
	d := gpu.NewCPU()
	alloc := func(dtype tensor.DType, shape ...int) gpu.Tensor {
		x, err := gpu.Alloc(d, "test", dtype, shape...)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	q, kv, u := alloc(tensor.F32, 2, 12), alloc(tensor.F32, 5, 24), alloc(tensor.F32, 12)
	lists, places := alloc(tensor.I32, ListsLen(2, 3)), alloc(tensor.I32, 2, PlaceLen)
	attend := func(lists gpu.Tensor, s int) func(p *gpu.Pass) {
		return func(p *gpu.Pass) {
			Attention(p, q, kv, lists, AttentionOptions{Heads: 1, KVHeads: 1, HeadDim: 12, Mode: Listed, Keys: s})
		}
	}
	relative := func(lists gpu.Tensor, s int) func(p *gpu.Pass) {
		return func(p *gpu.Pass) {
			RelativeAttention(p, q, kv, kv.Reshape(10, 12), u, u, lists, RelativeOptions{Heads: 1, HeadDim: 12, Lists: s})
		}
	}
	for _, c := range []struct {
		want   string
		record func(p *gpu.Pass)
	}{
		{"index is [9], want [11]", attend(lists, 4)},
		{"index is f32, want i32", attend(alloc(tensor.F32, 9), 3)},
		{"lists of up to 0 entries", attend(alloc(tensor.I32, 3), 0)},
		{"state is [9], want [11]", relative(lists, 4)},
		{"state is f32, want i32", relative(alloc(tensor.F32, 9), 3)},
		{"lists of up to -1 entries", relative(lists, -1)},
		{"state is [4], want [2,2]", func(p *gpu.Pass) { Append(p, q, q, alloc(tensor.I32, StateLen), AppendOptions{Listed: true}) }},
		{"state is f32, want i32", func(p *gpu.Pass) { Append(p, q, q, alloc(tensor.F32, 2, PlaceLen), AppendOptions{Listed: true}) }},
		{"state is [2,2], want [4]", func(p *gpu.Pass) { AddPositions(p, q, q, places, 0) }},
		{"state is [4], want [2,2]", func(p *gpu.Pass) { AddPositionsListed(p, q, q, alloc(tensor.I32, StateLen), 0) }},
		{"state is f32, want i32", func(p *gpu.Pass) { AddPositionsListed(p, q, q, alloc(tensor.F32, 2, PlaceLen), 0) }},
	} {
		recordError(t, c.want, c.record)
	}
	for _, record := range []func(p *gpu.Pass){attend(lists, 3), relative(lists, 3)} {
		p := gpu.NewPass(d)
		if record(p); p.Err() != nil {
			t.Error(p.Err())
		}
	}
}
