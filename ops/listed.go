package ops

import (
	"flamingo/gpu"
	"flamingo/tensor"
)

// A listed pass holds rows of several sequences over one KV cache: the beams of a search, answers to
// score, a batch of prompts. Two i32 tensors say for each of its T rows where it stands and what it
// sees, so that sequences part, end and change places without a key or a value being moved.
//
//	places [T, PlaceLen]        the row of the cache for the keys and values of row t, and its
//	                            position in its sequence, from 0
//	lists  [ListsLen(T, S)]     how many rows of the cache are shared by all, then for each t a
//	                            number n and S entries, the first n of which are rows of the cache
//
// Row t sees rows 0 … shared-1 of the cache, which are at these positions in every sequence, then the
// n rows of its list, the last of them usually its own, at position shared+n-1. An entry that the
// cache does not hold is passed over, but keeps its position; n counts as at least 0 and at most S,
// shared as at least 0 and at most what the cache holds.
const (
	PlaceRow = iota // outside of the cache: dropped
	PlacePos
	PlaceLen
)

// ListsLen is the length of the lists of a pass of t rows with up to s entries each.
func ListsLen(t, s int) int { return 1 + t*(1+s) }

// wantLists and wantPlaces check argument i of op in a pass of t rows.
func wantLists(p *gpu.Pass, op *gpu.Op, i int, lists gpu.Tensor, t, s int) {
	if s < 1 {
		p.Fail(op, "lists of up to %d entries, want at least 1", s)
	}
	p.Want(op, i, lists, ListsLen(t, s))
	wantI32(p, op, i, lists)
}

func wantPlaces(p *gpu.Pass, op *gpu.Op, i int, places gpu.Tensor, t int) {
	p.Want(op, i, places, t, PlaceLen)
	wantI32(p, op, i, places)
}

func wantI32(p *gpu.Pass, op *gpu.Op, i int, t gpu.Tensor) {
	if t.DType != tensor.I32 {
		p.Fail(op, "%s is %v, want i32", op.In[i], t.DType)
	}
}

// A view is the keys that a query sees: consecutive rows of the cache, then those of a list.
type view struct {
	from, n int
	list    []int32
}

// listedView is what row t of a listed pass sees.
func listedView(lists []int32, t, s, capacity int) view {
	shared := min(max(int(lists[0]), 0), capacity)
	own := lists[1+t*(1+s):][:1+s]
	return view{0, shared, own[1:][:min(max(int(own[0]), 0), s)]}
}

func (v view) len() int { return v.n + len(v.list) }

// row is the row of key j in a cache, and whether the cache has it.
func (v view) row(j, capacity int) (row int, ok bool) {
	if j < v.n {
		return v.from + j, true
	}
	row = int(v.list[j-v.n])
	return row, row >= 0 && row < capacity
}
