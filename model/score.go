package model

import (
	"context"
	"fmt"
)

// A Score is how likely a candidate is behind a prompt.
type Score struct {
	LogProb float64   // sum over its tokens, in nats
	Each    []float64 // of each token
}

// Mean is the log-probability per token.
func (s Score) Mean() float64 { return s.LogProb / float64(max(len(s.Each), 1)) }

// scoredAtOnce is how many tokens of candidates run as one pass.
const scoredAtOnce = 64

// Score computes how likely each of some candidates is behind a prompt. The prompt runs once; the
// candidates run together, each seeing the prompt and itself (paper, section 3.3; Awadalla et al.
// 2023, section 3.4).
func (s *Session) Score(ctx context.Context, p Prompt, candidates [][]int32) ([]Score, error) {
	if len(candidates) == 0 {
		return nil, fmt.Errorf("%w: no candidates to score", ErrOption)
	}
	longest := 0
	for i, c := range candidates {
		if longest = max(longest, len(c)); len(c) == 0 {
			return nil, fmt.Errorf("%w: candidate %d is empty", ErrOption, i+1)
		}
		for _, id := range c {
			if id < 0 || int(id) >= s.m.Config.LM.Vocab || id == s.m.Config.Tokens.Image {
				return nil, fmt.Errorf("%w: candidate %d has token %d, want one of %d that is not <image>", ErrOption, i+1, id, s.m.Config.LM.Vocab)
			}
		}
	}
	if most := min(s.room.Branch, s.room.Tokens-len(p.IDs)); longest > most+1 {
		return nil, fmt.Errorf("%w: a candidate has %d tokens, the session has room for %d behind the prompt", ErrOption, longest, most+1)
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
	sum := logSumExp(first)
	scores := make([]Score, len(candidates))
	for i, c := range candidates {
		scores[i].Each = append(scores[i].Each, float64(first[c[0]])-sum)
	}
	if longest > 1 {
		if err := s.scoreRest(ctx, candidates, longest-1, scores); err != nil {
			return nil, err
		}
	}
	for i := range scores {
		for _, l := range scores[i].Each {
			scores[i].LogProb += l
		}
	}
	return scores, nil
}

// scoreRest runs the candidates' tokens but their last, as many candidates at once as fit.
func (s *Session) scoreRest(ctx context.Context, candidates [][]int32, longest int, scores []Score) error {
	size := laneSize{tokens: min(max(scoredAtOnce, longest), s.room.Branch), stride: longest}
	var list []lane
	var of []int // candidate of each lane
	sees := s.history[len(s.history)-1].phi
	flush := func() error {
		if len(list) == 0 {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		l, err := s.lanesOf(ctx, size)
		if err != nil {
			return err
		}
		if err := l.submit(s, list); err != nil {
			return err
		}
		got, err := l.logProbs.Read(ctx, s.m.dev)
		if err != nil {
			return err
		}
		values := got.F32()[:len(list)]
		if err := finite(values); err != nil {
			return err
		}
		for t, v := range values {
			scores[of[t]].Each = append(scores[of[t]].Each, float64(v))
		}
		list, of = nil, nil
		return nil
	}
	for i, c := range candidates {
		if len(list)+len(c)-1 > size.tokens {
			if err := flush(); err != nil {
				return err
			}
		}
		var rows []int32
		for t, id := range c[:len(c)-1] {
			rows = append(rows, int32(s.room.Tokens+len(list)))
			list = append(list, lane{id: id, phi: sees, next: c[t+1], rows: rows[:len(rows):len(rows)]})
			of = append(of, i)
		}
	}
	return flush()
}
