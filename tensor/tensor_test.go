package tensor

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestPackUnpack(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	v := make([]float32, 5*64)
	for i := range v {
		v[i] = float32(rng.NormFloat64())
	}
	for _, c := range []struct {
		dtype DType
		worst float64 // largest error over the largest weight of a block
	}{
		{F32, 0}, {F16, 5e-4}, {Q8, 4.5e-3}, {Q4, 0.13},
	} {
		p, err := Pack(c.dtype, v, 5, 64)
		if err != nil {
			t.Fatal(err)
		}
		if d := Compare(p.F32(), v); d.MaxRel > c.worst {
			t.Errorf("%v: %v, want at most %g", c.dtype, d, c.worst)
		}
		row := make([]float32, 64)
		p.UnpackRow(row, 3)
		if d := Compare(row, p.F32()[3*64:4*64]); d.MaxAbs != 0 {
			t.Errorf("%v: row 3: %v", c.dtype, d)
		}
	}
}

func TestBytes(t *testing.T) {
	for _, c := range []struct {
		dtype DType
		shape Shape
		want  int
	}{
		{F32, Shape{3, 5}, 60}, {F16, Shape{3}, 8}, {Q8, Shape{2, 32}, 64 + 4}, {Q4, Shape{3, 32}, 48 + 8},
		{F32, Shape{}, 4}, {F32, Shape{0, 7}, 0},
	} {
		if got, err := c.dtype.Bytes(c.shape); err != nil || got != c.want {
			t.Errorf("%v %v: got %d, %v, want %d", c.dtype, c.shape, got, err, c.want)
		}
	}
	for _, s := range []Shape{{31}, {-1}, {1 << 40, 1 << 40}, {}} {
		if n, err := Q8.Bytes(s); err == nil {
			t.Errorf("q8 %v: got %d bytes, want an error", s, n)
		}
	}
}

func TestCompareSeesNaN(t *testing.T) {
	nan := float32(math.NaN())
	if d := Compare([]float32{1, nan}, []float32{1, 2}); d.NonFinite != 1 || !math.IsInf(d.MaxAbs, 1) {
		t.Errorf("NaN passes as %v", d)
	}
	if d := Compare([]float32{1}, []float32{1, 2}); !math.IsInf(d.MaxAbs, 1) {
		t.Errorf("short result passes as %v", d)
	}
}
