package model

import (
	"context"
	"fmt"
	"math"

	"flamingo/gpu"
	"flamingo/ops"
	"flamingo/tensor"
)

// Lanes are a pass over tokens that stand in different continuations of the session's prompt: beams,
// or candidates. All see the prompt's rows of the cache, and each the rows of its own continuation,
// which lie behind the session's. To reorder beams is to rewrite lists of rows: no key and no value
// is copied.
type lanes struct {
	laneSize
	ids, phi, places, lists, next       gpu.Tensor
	plan                                *gpu.Plan
	top, topIDs, sums, logProbs, logits gpu.Tensor // results, by what was asked for
}

// A laneSize is what a recorded pass depends on.
type laneSize struct {
	tokens int
	stride int // longest continuation
	want   laneWant
	top    int // how many of the likeliest tokens, for wantTop
}

// A laneWant is what a pass computes beyond keys and values.
type laneWant int

const (
	wantNext   laneWant = iota // the log-probability of given tokens
	wantTop                    // the likeliest tokens
	wantLogits                 // all logits
	wantCache                  // nothing
)

// A lane is a token to run.
type lane struct {
	id   int32
	phi  int32   // the slot of the media that it sees, from 1
	next int32   // whose log-probability is wanted
	rows []int32 // of its continuation so far, its own last
}

// strideStep is what the longest continuation is rounded up to.
const strideStep = 32

func (s *Session) lanesOf(ctx context.Context, size laneSize) (l *lanes, err error) {
	size.stride = (size.stride + strideStep - 1) / strideStep * strideStep
	if l := s.lanes[size]; l != nil {
		return l, nil
	}
	if len(s.lanes) >= maxPrefills {
		for size, old := range s.lanes {
			old.close(s.m.dev)
			delete(s.lanes, size)
			break
		}
	}
	l = &lanes{laneSize: size}
	defer func() {
		if err != nil {
			l.close(s.m.dev)
		}
	}()
	for _, a := range []struct {
		t     *gpu.Tensor
		shape []int
	}{
		{&l.ids, []int{size.tokens}}, {&l.phi, []int{size.tokens}}, {&l.places, []int{size.tokens, 2}},
		{&l.lists, []int{1 + size.tokens*(1+size.stride)}}, {&l.next, []int{size.tokens}},
	} {
		if *a.t, err = gpu.Alloc(s.m.dev, "lanes", tensor.I32, a.shape...); err != nil {
			return nil, err
		}
	}
	p := gpu.NewPass(s.m.dev)
	defer p.In("lm")()
	h := s.hidden(p, l.ids, l.phi, schedule{places: l.places, lists: l.lists, stride: size.stride})
	if size.want != wantCache {
		l.logits = s.m.lm.Logits(p, h)
	}
	switch size.want {
	case wantTop:
		l.top, l.topIDs = ops.TopK(p, l.logits, s.ban, size.top)
		l.sums = ops.LogSumExp(p, l.logits)
		p.Keep(l.top)
		p.Keep(l.topIDs)
		p.Keep(l.sums)
	case wantNext:
		l.logProbs = ops.LogProbs(p, l.logits, l.next)
		p.Keep(l.logProbs)
	case wantLogits:
		p.Keep(l.logits)
	}
	if l.plan, err = p.Compile(ctx); err != nil {
		return nil, err
	}
	if size.want != wantLogits {
		l.logits = gpu.Tensor{}
	}
	for _, t := range []*gpu.Tensor{&l.top, &l.topIDs, &l.sums, &l.logProbs, &l.logits} {
		if t.Valid() {
			*t = l.plan.Tensor(*t)
		}
	}
	s.lanes[size] = l
	return l, nil
}

// submit runs one token of each lane. Lanes that are missing do nothing.
func (l *lanes) submit(s *Session, list []lane) error {
	shared := len(s.history)
	ids, phi, places := make([]int32, l.tokens), make([]int32, l.tokens), make([]int32, 2*l.tokens)
	next, lists := make([]int32, l.tokens), make([]int32, 1+l.tokens*(1+l.stride))
	lists[0] = int32(shared)
	for t := range l.tokens {
		places[2*t] = -1
		if t >= len(list) {
			continue
		}
		x := list[t]
		ids[t], phi[t], next[t] = x.id, x.phi, x.next
		places[2*t], places[2*t+1] = x.rows[len(x.rows)-1], int32(shared+len(x.rows)-1)
		at := 1 + t*(1+l.stride)
		lists[at] = int32(len(x.rows))
		copy(lists[at+1:], x.rows)
	}
	for _, w := range []struct {
		t gpu.Tensor
		v []int32
	}{{l.ids, ids}, {l.phi, phi}, {l.places, places}, {l.lists, lists}, {l.next, next}} {
		if err := writeInts(s.m.dev, w.t, w.v); err != nil {
			return err
		}
	}
	return l.plan.Submit(1)
}

func (l *lanes) close(d gpu.Device) {
	l.plan.Release()
	for _, t := range []gpu.Tensor{l.ids, l.phi, l.places, l.lists, l.next} {
		t.Free(d)
	}
}

// finite refuses numbers that no working device computes.
func finite(v []float32) error {
	for _, x := range v {
		if f := float64(x); math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Errorf("model: the logits are not finite: the weights or the device are faulty")
		}
	}
	return nil
}
