package model

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// Options are the choices of one generation. The zero value is greedy.
type Options struct {
	MaxTokens   int     // 0 means 64
	Temperature float64 // 0 is greedy
	TopK        int     // sample among the k likeliest; 0 for all
	TopP        float64 // sample among the likeliest that together have this probability; 0 for all
	Seed        uint64
}

func (o Options) check() error {
	switch {
	case o.MaxTokens < 0:
		return fmt.Errorf("%w: maxTokens is %d, want 1 or more", ErrOption, o.MaxTokens)
	case !(o.Temperature >= 0) || o.Temperature > 100:
		return fmt.Errorf("%w: temperature is %g, want 0 to 100", ErrOption, o.Temperature)
	case o.TopK < 0:
		return fmt.Errorf("%w: topK is %d, want 1 or more, or 0 for all", ErrOption, o.TopK)
	case !(o.TopP >= 0) || o.TopP > 1:
		return fmt.Errorf("%w: topP is %g, want 0 to 1", ErrOption, o.TopP)
	}
	return nil
}

// A sampler draws tokens; the same seed draws the same ones.
type sampler struct {
	Options
	rng *rand.Rand
}

func newSampler(o Options) *sampler {
	return &sampler{o, rand.New(rand.NewPCG(o.Seed, 0x666c616d696e676f))}
}

// draw picks a token by logits, to which ban is added.
func (s *sampler) draw(logits, ban []float32) (int32, error) {
	type candidate struct {
		id int32
		p  float64
	}
	list := make([]candidate, len(logits))
	for i, l := range logits {
		if f := float64(l); math.IsNaN(f) || math.IsInf(f, 0) {
			return 0, fmt.Errorf("model: logit %d is %g: the weights or the device are faulty", i, l)
		}
		list[i] = candidate{int32(i), float64(l+ban[i]) / s.Temperature}
	}
	slices.SortStableFunc(list, func(a, b candidate) int { return cmp.Compare(b.p, a.p) })
	if s.TopK > 0 {
		list = list[:min(s.TopK, len(list))]
	}
	sum, most := 0.0, list[0].p
	for i := range list {
		list[i].p = math.Exp(list[i].p - most)
		sum += list[i].p
	}
	if s.TopP > 0 {
		kept := 0.0
		for i := range list {
			if kept += list[i].p; kept >= s.TopP*sum {
				list, sum = list[:i+1], kept
				break
			}
		}
	}
	at := s.rng.Float64() * sum
	for _, c := range list {
		if at -= c.p; at < 0 {
			return c.id, nil
		}
	}
	return list[len(list)-1].id, nil
}
