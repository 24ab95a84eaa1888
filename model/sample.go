package model

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
)

// Options are the choices of one generation. The zero value is greedy.
type Options struct {
	MaxTokens   int      // 0 means 64
	MinTokens   int      // the text does not end before
	Temperature float64  // 0 is greedy
	TopK        int      // sample among the k likeliest; 0 for all
	TopP        float64  // sample among the likeliest that together have this probability; 0 for all
	Repetition  float64  // divides the odds of tokens that were there before; 0 or 1 for none
	Seed        uint64   // the same seed draws the same tokens
	Stop        []string // texts that end the generation; they are not part of it
	Banned      []int32  // tokens that must not be written
	LogProbs    bool     // tell each token's log-probability
}

func (o Options) check(vocab int) error {
	switch {
	case o.MaxTokens < 0:
		return fmt.Errorf("%w: maxTokens is %d, want 1 or more", ErrOption, o.MaxTokens)
	case o.MinTokens < 0 || (o.MaxTokens > 0 && o.MinTokens > o.MaxTokens):
		return fmt.Errorf("%w: minTokens is %d, want 0 to maxTokens", ErrOption, o.MinTokens)
	case !(o.Temperature >= 0) || o.Temperature > 100:
		return fmt.Errorf("%w: temperature is %g, want 0 to 100", ErrOption, o.Temperature)
	case o.TopK < 0:
		return fmt.Errorf("%w: topK is %d, want 1 or more, or 0 for all", ErrOption, o.TopK)
	case !(o.TopP >= 0) || o.TopP > 1:
		return fmt.Errorf("%w: topP is %g, want 0 to 1", ErrOption, o.TopP)
	case !(o.Repetition >= 0) || o.Repetition > 100:
		return fmt.Errorf("%w: repetitionPenalty is %g, want 1 for none, up to 100", ErrOption, o.Repetition)
	case slices.Contains(o.Stop, ""):
		return fmt.Errorf("%w: one of the stop texts is empty", ErrOption)
	}
	for _, id := range o.Banned {
		if id < 0 || int(id) >= vocab {
			return fmt.Errorf("%w: banned token %d, the vocabulary has %d", ErrOption, id, vocab)
		}
	}
	return nil
}

// onHost reports whether each step's logits have to be looked at on the host.
func (o Options) onHost() bool {
	return o.Temperature > 0 || o.MinTokens > 0 || o.LogProbs || (o.Repetition > 0 && o.Repetition != 1)
}

// A sampler draws tokens; the same seed draws the same ones.
type sampler struct {
	Options
	rng  *rand.Rand
	seen map[int32]bool
}

func newSampler(o Options) *sampler {
	return &sampler{o, rand.New(rand.NewPCG(o.Seed, 0x666c616d696e676f)), map[int32]bool{}}
}

// saw takes down a token that the repetition penalty counts.
func (s *sampler) saw(id int32) { s.seen[id] = true }

// draw picks a token by logits, to which bias is added, and gives its log-probability among all
// tokens: before bias, penalty, temperature and selection.
func (s *sampler) draw(logits, bias []float32) (int32, float64, error) {
	type candidate struct {
		id int32
		p  float64
	}
	list := make([]candidate, len(logits))
	for i, l := range logits {
		f := float64(l)
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return 0, 0, fmt.Errorf("model: logit %d is %g: the weights or the device are faulty", i, l)
		}
		if s.Repetition > 0 && s.seen[int32(i)] {
			if f > 0 {
				f /= s.Repetition
			} else {
				f *= s.Repetition
			}
		}
		list[i] = candidate{int32(i), f + float64(bias[i])}
	}
	logProb := func(id int32) float64 {
		if !s.LogProbs {
			return 0
		}
		return float64(logits[id]) - logSumExp(logits)
	}
	if s.Temperature == 0 {
		best := slices.MaxFunc(list, func(a, b candidate) int { return cmp.Or(cmp.Compare(a.p, b.p), cmp.Compare(b.id, a.id)) })
		return best.id, logProb(best.id), nil
	}
	for i := range list {
		list[i].p /= s.Temperature
	}
	sort.Slice(list, func(i, j int) bool { return list[i].p > list[j].p || list[i].p == list[j].p && list[i].id < list[j].id })
	if s.TopK > 0 {
		list = list[:min(s.TopK, len(list))]
	}
	total, top := 0.0, list[0].p
	for i := range list {
		list[i].p = math.Exp(list[i].p - top)
		total += list[i].p
	}
	if s.TopP > 0 {
		sum := 0.0
		for i, c := range list {
			if sum += c.p; sum >= s.TopP*total {
				list, total = list[:i+1], sum
				break
			}
		}
	}
	at := s.rng.Float64() * total
	for _, c := range list {
		if at -= c.p; at < 0 {
			return c.id, logProb(c.id), nil
		}
	}
	id := list[len(list)-1].id
	return id, logProb(id), nil
}
