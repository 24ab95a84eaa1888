package model

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"sort"

	"flamingo/ops"
)

// BeamOptions are the choices of a beam search.
type BeamOptions struct {
	Beams         int     // 0 means 3, as in the paper
	LengthPenalty float64 // a text's score is its log-probability over its length to this power; 0 for none
	N             int     // how many texts are wanted; 0 means 1
	MaxTokens     int     // 0 means 64
	MinTokens     int
	Stop          []string // a text is cut where one of these begins
	Banned        []int32
}

// MaxBeams is the widest beam search.
const MaxBeams = ops.MaxTopK / 2

func (o *BeamOptions) complete(vocab int) error {
	o.Beams, o.N, o.MaxTokens = cmp.Or(o.Beams, 3), cmp.Or(o.N, 1), cmp.Or(o.MaxTokens, defaultMaxTokens)
	switch {
	case o.Beams < 1 || o.Beams > min(MaxBeams, vocab/2):
		return fmt.Errorf("%w: beams is %d, want 1 to %d", ErrOption, o.Beams, min(MaxBeams, vocab/2))
	case o.N < 1 || o.N > o.Beams:
		return fmt.Errorf("%w: n is %d, want 1 to as many as beams, %d", ErrOption, o.N, o.Beams)
	case math.IsNaN(o.LengthPenalty) || math.Abs(o.LengthPenalty) > 100:
		return fmt.Errorf("%w: lengthPenalty is %g, want -100 to 100", ErrOption, o.LengthPenalty)
	}
	return Options{MaxTokens: o.MaxTokens, MinTokens: o.MinTokens, Stop: o.Stop, Banned: o.Banned}.check(vocab)
}

// A Hypothesis is a text that a beam search found.
type Hypothesis struct {
	IDs     []int32 // without the token that ended it
	Text    string
	LogProb float64 // sum over its tokens, the ending one included, in nats
	Score   float64 // LogProb over length to the power of the length penalty
	Finish  Finish
}

// A beam is a continuation under way.
type beam struct {
	sum  float64
	ids  []int32
	rows []int32 // of the cache, of all its tokens but the last
}

// A candidate is a beam with one more token.
type candidate struct {
	sum  float64
	from int // beam
	id   int32
}

// Beam searches for the likeliest continuations, best first (paper, section 3.3; semantics of
// Hugging Face's search, which OpenFlamingo uses): in each step the 2·Beams likeliest candidates of all
// beams are looked at; one that ends is a result if it is among the first Beams, the others go on.
// The search ends when there are Beams results and no beam can beat the worst of them.
func (s *Session) Beam(ctx context.Context, p Prompt, o BeamOptions) ([]Hypothesis, error) {
	if err := o.complete(s.m.Config.LM.Vocab); err != nil {
		return nil, err
	}
	o.MaxTokens = min(o.MaxTokens, s.room.Tokens-len(p.IDs))
	if need := o.MaxTokens * o.Beams; o.MaxTokens < 1 || need > s.room.Branch {
		return nil, fmt.Errorf("%w: %d beams of %d tokens, the session has room for %d tokens in all", ErrOption, o.Beams, o.MaxTokens, s.room.Branch)
	}
	if err := s.forbid(o.Banned, false); err != nil {
		return nil, err
	}
	f, err := s.attend(ctx, p)
	if err != nil {
		return nil, err
	}
	logits, err := f.logits.Read(ctx, s.m.dev)
	if err != nil {
		return nil, err
	}
	first := logits.F32()
	if err := finite(first); err != nil {
		return nil, err
	}
	b := search{Session: s, o: o, run: []beam{{}}}
	b.collect(likeliest(first, s.m.bias(o.Banned), 2*o.Beams, 0))
	for b.next() {
		cand, err := b.step(ctx)
		if err != nil {
			return nil, err
		}
		b.collect(cand)
	}
	return b.results(), nil
}

// likeliest are the candidates of one beam, from all logits.
func likeliest(logits, bias []float32, k, from int) []candidate {
	sum := logSumExp(logits)
	order := make([]int32, len(logits))
	for i := range order {
		order[i] = int32(i)
	}
	sort.Slice(order, func(i, j int) bool {
		a, b := order[i], order[j]
		x, y := logits[a]+bias[a], logits[b]+bias[b]
		return x > y || x == y && a < b
	})
	var list []candidate
	for _, id := range order[:min(k, len(order))] {
		if bias[id] == 0 {
			list = append(list, candidate{float64(logits[id]) - sum, from, id})
		}
	}
	return list
}

// A search is a beam search under way.
type search struct {
	*Session
	o      BeamOptions
	run    []beam
	done   []Hypothesis
	length int // tokens of every beam
}

func (b *search) score(sum float64, n int) float64 {
	return sum / math.Pow(float64(max(n, 1)), b.o.LengthPenalty)
}

// collect sorts candidates into results and beams.
func (b *search) collect(cand []candidate) {
	sort.SliceStable(cand, func(i, j int) bool { return cand[i].sum > cand[j].sum })
	var run []beam
	b.length++
	if b.length <= b.o.MinTokens {
		cand = slices.DeleteFunc(cand, func(c candidate) bool { return b.m.ends(c.id) })
	}
	for rank, c := range cand[:min(2*b.o.Beams, len(cand))] {
		from := b.run[c.from]
		switch {
		case b.m.ends(c.id):
			if rank < b.o.Beams {
				b.done = append(b.done, Hypothesis{IDs: from.ids, LogProb: c.sum, Score: b.score(c.sum, b.length), Finish: FinishStop})
			}
		case len(run) < b.o.Beams:
			run = append(run, beam{c.sum, append(slices.Clone(from.ids), c.id), slices.Clone(from.rows)})
		}
	}
	b.run = run
	b.rank()
}

func (b *search) rank() {
	sort.SliceStable(b.done, func(i, j int) bool { return b.done[i].Score > b.done[j].Score })
	b.done = b.done[:min(b.o.Beams, len(b.done))]
}

// next reports whether another step can change the results.
func (b *search) next() bool {
	if b.length >= b.o.MaxTokens || len(b.run) == 0 {
		return false
	}
	best := slices.MaxFunc(b.run, func(x, y beam) int { return cmp.Compare(x.sum, y.sum) })
	return len(b.done) < b.o.Beams || b.score(best.sum, b.length) > b.done[len(b.done)-1].Score
}

// step runs the last token of every beam and gives the candidates for the next.
func (b *search) step(ctx context.Context) ([]candidate, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	k := 2 * b.o.Beams
	if b.length < b.o.MinTokens {
		k = min(k+2, ops.MaxTopK, b.m.Config.LM.Vocab) // the two that end are left out
	}
	l, err := b.lanesOf(ctx, laneSize{tokens: b.o.Beams, stride: b.o.MaxTokens, want: wantTop, top: k})
	if err != nil {
		return nil, err
	}
	sees, list := b.history[len(b.history)-1].phi, make([]lane, len(b.run))
	for i := range b.run {
		r := &b.run[i]
		// Each step has rows of its own, so that no beam's past is written over.
		r.rows = append(r.rows, int32(b.room.Tokens+(b.length-1)*b.o.Beams+i))
		list[i] = lane{id: r.ids[len(r.ids)-1], phi: sees, rows: r.rows}
	}
	if err := l.submit(b.Session, list); err != nil {
		return nil, err
	}
	values, err := l.top.Read(ctx, b.m.dev)
	if err != nil {
		return nil, err
	}
	ids, err := l.topIDs.Read(ctx, b.m.dev)
	if err != nil {
		return nil, err
	}
	sums, err := l.sums.Read(ctx, b.m.dev)
	if err != nil {
		return nil, err
	}
	top, which, normal := values.F32(), ids.I32(), sums.F32()
	if err := finite(normal[:len(list)]); err != nil {
		return nil, err
	}
	var cand []candidate
	for i, r := range b.run {
		for j := range k {
			if x := top[i*k+j]; x > never/2 {
				cand = append(cand, candidate{r.sum + float64(x) - float64(normal[i]), i, which[i*k+j]})
			}
		}
	}
	return cand, nil
}

// results are the best texts, among them those of beams that were still under way.
func (b *search) results() []Hypothesis {
	for _, r := range b.run {
		b.done = append(b.done, Hypothesis{IDs: r.ids, LogProb: r.sum, Score: b.score(r.sum, len(r.ids)), Finish: FinishLength})
	}
	b.rank()
	b.done = b.done[:min(b.o.N, len(b.done))]
	for i := range b.done {
		h := &b.done[i]
		if b.m.Tokenizer == nil {
			continue
		}
		h.Text = b.m.Tokenizer.Decode(h.IDs, true)
		if at := stopIn(h.Text, b.o.Stop); at >= 0 {
			h.Text, h.Finish = h.Text[:at], FinishStop
		}
	}
	return b.done
}
