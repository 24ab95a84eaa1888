package tensor

import (
	"math"
	"math/rand/v2"
	"testing"
)

// distributions are shapes of weights; those of trained layers lie between normal and heavy-tailed.
var distributions = []struct {
	name  string
	draw  func(r *rand.Rand) float64
	worst float64 // mean squared error over that of plain absmax, of which the search leaves less
}{
	{"normal", (*rand.Rand).NormFloat64, 0.70},
	{"t3", func(r *rand.Rand) float64 { // Student's t with 3 degrees of freedom
		squares := 0.0
		for range 3 {
			x := r.NormFloat64()
			squares += x * x
		}
		return r.NormFloat64() / math.Sqrt(squares/3)
	}, 0.74},
	{"uniform", func(r *rand.Rand) float64 { return 2*r.Float64() - 1 }, 0.75},
}

// packedError is the squared error of one block as packed.
func packedError(t *testing.T, block []float32) (sum float64) {
	t.Helper()
	p, err := Pack(Q4, block, BlockLen)
	if err != nil {
		t.Fatal(err)
	}
	for i, y := range p.F32() {
		sum += (float64(block[i]) - float64(y)) * (float64(block[i]) - float64(y))
	}
	return sum
}

// scaledError is the squared error of a block under a given scale.
func scaledError(block []float32, scale float64) (sum float64) {
	stored := float32(roundHalf(scale))
	for _, x := range block {
		e := float64(x) - float64(stored)*float64(quantise(x, stored, -8, 7))
		sum += e * e
	}
	return sum
}

// gridError is the least squared error of 50 scales around an eighth of the extreme, a search that is
// plain and slow.
func gridError(block []float32) float64 {
	least := math.Inf(1)
	for step := range 25 {
		scale := float64(absMax(block)) / (6 + 0.125*float64(step))
		least = min(least, scaledError(block, scale), scaledError(block, -scale))
	}
	return least
}

func TestQ4BeatsAbsMax(t *testing.T) {
	for _, c := range distributions {
		r := rand.New(rand.NewPCG(3, 4))
		block := make([]float32, BlockLen)
		got, plain, grid := 0.0, 0.0, 0.0
		for i := range 20000 {
			size := math.Pow(10, float64(i%8-7)) // down to where scales are subnormal, and nothing is left
			for j := range block {
				block[j] = float32(size * c.draw(r))
			}
			g, p := packedError(t, block), scaledError(block, float64(absMax(block))/7)
			if g > p*(1+1e-6) {
				t.Fatalf("%s: block %d has squared error %g, plain absmax %g", c.name, i, g, p)
			}
			if size == 1 {
				got, plain, grid = got+g, plain+p, grid+gridError(block)
			}
		}
		t.Logf("%s: %.4f of plain absmax, %.4f of a grid of 50 scales", c.name, got/plain, got/grid)
		if got > grid || got > c.worst*plain {
			t.Errorf("%s: squared error is %.4f of plain absmax and %.4f of a grid, want at most %.2f and 1",
				c.name, got/plain, got/grid, c.worst)
		}
	}
}

func TestQ4OfUnusualBlocks(t *testing.T) {
	block := func(x ...float32) []float32 { return append(x, make([]float32, BlockLen-len(x))...) }
	for _, c := range []struct {
		name   string
		values []float32
		worst  float64 // largest error
	}{
		{"zeros", block(), 0},
		{"one value", block(0, 0, -3), 1e-3},
		{"the whole range", block(-8, -7, -6, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 6, 7), 0},
		{"the whole range, turned", block(8, 7, 6, 5, 4, 3, 2, 1, -1, -2, -3, -4, -5, -6, -7), 0},
		{"too small for f16", block(1e-9, -1e-38, math.SmallestNonzeroFloat32), 1e-9},
		{"the smallest scale", block(1<<3*0x1p-24, -1*0x1p-24, 0x1p-23), 0},
		{"the largest scale", block(-8*65504, 7*65504, 65504), 0},
	} {
		p, err := Pack(Q4, c.values, BlockLen)
		if err != nil {
			t.Fatal(err)
		}
		if d := Compare(p.F32(), c.values); !(d.MaxAbs <= c.worst) {
			t.Errorf("%s: %v, want errors of at most %g", c.name, d, c.worst)
		}
	}
	// Where the scale is 0, so are the quants.
	p, err := Pack(Q4, block(1e-9, -1e-38), BlockLen)
	for i, pair := range p.Data[:BlockLen/2] {
		if err != nil || pair != 0x88 {
			t.Fatalf("too small for f16: pair %d is %#x (%v), want 0x88", i, pair, err)
		}
	}
	// What f16 scales cannot reach does not pass for a weight.
	for _, x := range []float32{1e6, float32(math.Inf(-1)), float32(math.NaN())} {
		p, err := Pack(Q4, block(1, x), BlockLen)
		if d := Compare(p.F32(), make([]float32, BlockLen)); err != nil || d.NonFinite == 0 {
			t.Errorf("%g: got %v (%v), want values that are not finite", x, p.F32(), err)
		}
	}
}

func BenchmarkPackQ4(b *testing.B) {
	for _, c := range distributions {
		b.Run(c.name, func(b *testing.B) {
			r := rand.New(rand.NewPCG(5, 6))
			v := make([]float32, 256*BlockLen)
			for i := range v {
				v[i] = float32(c.draw(r))
			}
			t, err := Pack(Q4, v, len(v))
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if err := t.PackRows(0, v); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(v)/BlockLen), "ns/block")
		})
	}
}
