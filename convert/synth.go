package convert

import (
	"hash/fnv"
	"math"
	"math/rand/v2"

	"flamingo/model"
	"flamingo/tensor"
)

// Synth is a checkpoint of random weights for a configuration: of the right sizes, and computing
// finite numbers, but knowing nothing. It serves to try what a model costs without having it. It
// takes token ids only.
func Synth(c model.Config, seed uint64) *Checkpoint {
	s := &Checkpoint{Config: c, rules: rules{}}
	for _, e := range model.Spec(c) {
		// Unit variance in gives unit variance out; vectors are small around one, as norms are.
		spread, centre := 1/math.Sqrt(float64(e.Shape.Dim(-1))), 0.0
		if e.Kind == model.Vector {
			spread, centre = 0.1, 1
		}
		s.rules[e.Name] = noise(seed, e.Name, e.Shape.Len(), centre, spread)
	}
	return s
}

// SynthPicture is noise as a preprocessed picture, f32 [3, size, size].
func SynthPicture(size int, seed uint64) tensor.Tensor {
	v, _ := noise(seed, "picture", 3*size*size, 0, 1).read(0, 3*size*size) // noise does not fail
	return tensor.FromF32(v, 3, size, size)
}

// noiseBlock is how many values of a random tensor one generator makes.
const noiseBlock = 1 << 12

// noise is a random tensor, which depends on the seed and on its own name alone.
func noise(seed uint64, name string, n int, centre, spread float64) values {
	h := fnv.New64a()
	h.Write([]byte(name))
	stream := h.Sum64()
	return values{n, func(from, to int) ([]float32, error) {
		v := make([]float32, 0, to-from)
		for block := from / noiseBlock; block*noiseBlock < to; block++ {
			rng := rand.New(rand.NewPCG(seed+uint64(block)*0x9e3779b97f4a7c15, stream))
			for i := block * noiseBlock; i < min((block+1)*noiseBlock, to); i++ {
				if x := rng.NormFloat64(); i >= from {
					v = append(v, float32(centre+spread*x))
				}
			}
		}
		return v, nil
	}}
}
