package ops

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"flamingo/gpu"
	"flamingo/tensor"
)

// A reader is a way for queries to attend to keys of the cache that Append has filled, in a causal pass
// or, when s > 0, in a listed one with s entries a list. It stands for a block of a language model.
type reader struct {
	name           string
	heads, kvHeads int
	rotary         int
	attend         func(p *gpu.Pass, in []gpu.Tensor, s int) gpu.Tensor
}

const readerDim = 8

// readers are made anew for each test: relative attention has weights, which stand behind the other
// inputs (rows, cache, state or lists, places).
func readers() []reader {
	plain := func(o AttentionOptions) func(p *gpu.Pass, in []gpu.Tensor, s int) gpu.Tensor {
		return func(p *gpu.Pass, in []gpu.Tensor, s int) gpu.Tensor {
			o := o
			o.HeadDim, o.Mode, o.Keys, o.RotaryBase = readerDim, Causal, s, 100
			if s > 0 {
				o.Mode = Listed
			}
			return Attention(p, in[0], in[1], in[2], o)
		}
	}
	return []reader{
		{"no positions", 2, 2, 0, plain(AttentionOptions{Heads: 2, KVHeads: 2})},
		{"ALiBi", 6, 6, 0, plain(AttentionOptions{Heads: 6, KVHeads: 6, ALiBi: true})},
		{"rotary, grouped", 4, 2, 6, plain(AttentionOptions{Heads: 4, KVHeads: 2, RotaryDims: 6})},
		{"relative", 3, 3, 0, func(p *gpu.Pass, in []gpu.Tensor, s int) gpu.Tensor {
			return RelativeAttention(p, in[0], in[1], in[4], in[5], in[6], in[2], RelativeOptions{Heads: 3, HeadDim: readerDim, Lists: s})
		}},
	}
}

func (h reader) width() int { return (h.heads + 2*h.kvHeads) * readerDim }

// weights are the inputs that only relative attention looks at.
func (h reader) weights(r *random, capacity int) []tensor.Tensor {
	return []tensor.Tensor{r.normal(capacity, h.heads*readerDim), r.normal(h.heads * readerDim), r.normal(h.heads * readerDim)}
}

// pass appends rows of queries, keys and values to the cache, attends, and returns the results and
// the cache. The state or the lists, and the places, say how; causal passes have no places.
func (h reader) pass(t *testing.T, weights []tensor.Tensor, rows, cache, index, places tensor.Tensor, s int) (y []float32, after tensor.Tensor) {
	t.Helper()
	c := row{op: &attention, changed: []int{1}, record: func(p *gpu.Pass, in []gpu.Tensor) []gpu.Tensor {
		o := AppendOptions{
			From: h.heads * readerDim, Stride: 1, Heads: h.kvHeads, HeadDim: readerDim, RotaryDims: h.rotary, RotaryBase: 100,
		}
		if s > 0 {
			o.Listed = true
			Append(p, in[0], in[1], in[3], o)
		} else {
			Append(p, in[0], in[1], in[2], o)
		}
		return []gpu.Tensor{h.attend(p, in, s)}
	}}
	out := c.execute(t, device, append([]tensor.Tensor{rows, cache, index, places}, weights...))
	return out[0].F32(), out[1]
}

// alone is what the last row gets when a sequence is read by itself.
func (h reader) alone(t *testing.T, weights []tensor.Tensor, sequence []float32) []float32 {
	t.Helper()
	n := len(sequence) / h.width()
	cache := tensor.New(tensor.F32, n, 2*h.kvHeads*readerDim)
	y, _ := h.pass(t, weights, tensor.FromF32(sequence, n, h.width()), cache, tensor.New(tensor.I32, StateLen), tensor.New(tensor.I32, 1), 0)
	return y[len(y)/n*(n-1):]
}

// Beams that share a prompt, part, end and change places get what each would get by itself, although
// keys and values stay where they are.
func TestBeamsEqualSequences(t *testing.T) {
	const prompt, beams, steps, capacity, s = 5, 3, 4, 40, 6
	for _, h := range readers() {
		t.Run(h.name, func(t *testing.T) {
			r := &random{newRand(11)}
			weights := h.weights(r, capacity)
			first := r.normal(prompt, h.width())
			_, cache := h.pass(t, weights, first, tensor.New(tensor.F32, capacity, 2*h.kvHeads*readerDim),
				tensor.New(tensor.I32, StateLen), tensor.New(tensor.I32, 1), 0)

			lists := make([][]int32, beams)
			sequences := make([][]float32, beams)
			for b := range beams {
				sequences[b] = first.F32()
			}
			free := r.Perm(capacity - prompt) // rows of the cache, handed out in any order
			for step := range steps {
				rows := r.normal(beams, h.width())
				var places []int32
				parents := [][]int{{0, 1, 2}, {2, 0, 0}, {1, 1, 1}, {2, 1, 0}}[step]
				oldLists, oldSequences := slices.Clone(lists), slices.Clone(sequences)
				for b, from := range parents {
					at := int32(prompt + free[step*beams+b])
					places = append(places, at, int32(prompt+step))
					lists[b] = append(slices.Clip(oldLists[from]), at)
					sequences[b] = append(slices.Clip(oldSequences[from]), rows.F32()[b*h.width():][:h.width()]...)
				}
				var y []float32
				y, cache = h.pass(t, weights, rows, cache, packLists(s, prompt, lists...), tensor.FromI32(places, beams, PlaceLen), s)
				for b := range beams {
					got := y[b*len(y)/beams:][:len(y)/beams]
					near(t, fmt.Sprintf("step %d, beam %d", step, b), got, h.alone(t, weights, sequences[b]), 4e-6)
				}
			}
		})
	}
}

// Several prompts of different lengths in one pass, none of them shared, get what each would get.
func TestBatchEqualsSequences(t *testing.T) {
	const capacity, s = 80, 70
	for _, h := range readers() {
		t.Run(h.name, func(t *testing.T) {
			r := &random{newRand(12)}
			weights := h.weights(r, capacity)
			free := r.Perm(capacity)
			var rows []float32
			var places []int32
			var lists [][]int32
			var prompts [][]float32
			for _, n := range []int{1, 66, 4} {
				prompt := r.normal(n, h.width()).F32()
				prompts, rows = append(prompts, prompt), append(rows, prompt...)
				var list []int32
				for pos := range n {
					list = append(slices.Clip(list), int32(free[len(lists)]))
					places = append(places, list[pos], int32(pos))
					lists = append(lists, list)
				}
			}
			y, _ := h.pass(t, weights, tensor.FromF32(rows, len(lists), h.width()), tensor.New(tensor.F32, capacity, 2*h.kvHeads*readerDim),
				packLists(s, 0, lists...), tensor.FromI32(places, len(lists), PlaceLen), s)
			width, end := len(y)/len(lists), 0
			for i, prompt := range prompts {
				end += len(prompt) / h.width()
				near(t, fmt.Sprint("prompt ", i), y[(end-1)*width:end*width], h.alone(t, weights, prompt), 4e-6)
			}
		})
	}
}

// Lists that name the rows of a cache in order see what the causal mode sees, however many are shared.
func TestListedEqualsCausal(t *testing.T) {
	const rows, at, capacity = 9, 70, 90
	for _, h := range readers() {
		t.Run(h.name, func(t *testing.T) {
			r := &random{newRand(13)}
			weights := h.weights(r, capacity)
			src, cache := r.normal(rows, h.width()), r.normal(capacity, 2*h.kvHeads*readerDim)
			want, cacheAfter := h.pass(t, weights, src, cache, tensor.FromI32([]int32{at, 0, 0, 0}, StateLen), tensor.New(tensor.I32, 1), 0)
			for _, shared := range []int32{0, 1, 64, at} {
				var places []int32
				var lists [][]int32
				for i := range rows {
					places = append(places, int32(at+i), int32(at+i))
					var list []int32
					for j := shared; j <= int32(at+i); j++ {
						list = append(list, j)
					}
					lists = append(lists, list)
				}
				got, after := h.pass(t, weights, src, cache, packLists(capacity, shared, lists...), tensor.FromI32(places, rows, PlaceLen), capacity)
				near(t, fmt.Sprintf("%d shared", shared), got, want, 3e-6)
				near(t, fmt.Sprintf("cache, %d shared", shared), after.F32(), cacheAfter.F32(), 0)
			}
		})
	}
}

// What no list names is not read, be it no number at all, and entries outside of the cache read none
// of its ends.
func TestListedReadsWhatItNames(t *testing.T) {
	const capacity, s = 9, 70
	for _, h := range readers() {
		r := &random{newRand(14)}
		weights := h.weights(r, capacity)
		width := 2 * h.kvHeads * readerDim
		src, cache := r.normal(2, h.width()), r.normal(capacity, width).F32()
		for _, unseen := range []int{0, 1, 3, 7, 8} {
			for i := range width {
				cache[unseen*width+i] = float32(math.NaN())
			}
		}
		outside := slices.Repeat([]int32{-1, capacity, math.MinInt32, math.MaxInt32}, 16)
		y, _ := h.pass(t, weights, src, tensor.FromF32(cache, capacity, width), packLists(s, -1, append(outside, 4, 6, 2), []int32{-1, 5, 9}),
			tensor.FromI32([]int32{2, 66, -1, 2}, 2, PlaceLen), s)
		for i, x := range y {
			if !(math.Abs(float64(x)) < 100) {
				t.Fatalf("%s: element %d is %v", h.name, i, x)
			}
		}
	}
}
