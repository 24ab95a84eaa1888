package convert

import (
	"hash/fnv"
	"math"
	"math/rand/v2"

	"flamingo/model"
)

// Synth is a checkpoint of random weights for a configuration: of the right sizes, and computing
// finite numbers, but knowing nothing. It serves to try what a model costs without having it. It
// takes token ids only.
func Synth(c model.Config, seed uint64) *Checkpoint {
	return &Checkpoint{Config: c, source: noise(seed), close: func() error { return nil }}
}

// noise is the seed of random weights; each tensor depends on it and on its own name alone.
type noise uint64

func (n noise) floats(e model.Entry) ([]float32, error) {
	h := fnv.New64a()
	h.Write([]byte(e.Name))
	rng := rand.New(rand.NewPCG(uint64(n), h.Sum64()))
	v := make([]float32, e.Shape.Len())
	// Unit variance in gives unit variance out; vectors are small around one, as norms are.
	spread, centre := 1/math.Sqrt(float64(e.Shape.Dim(-1))), 0.0
	if e.Kind == model.Vector {
		spread, centre = 0.1, 1
	}
	for i := range v {
		v[i] = float32(centre + spread*rng.NormFloat64())
	}
	return v, nil
}
