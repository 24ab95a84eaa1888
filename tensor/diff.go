package tensor

import (
	"fmt"
	"math"
)

// A Diff says how far a computed value is from the wanted one.
type Diff struct {
	MaxAbs, MaxRel float64 // worst |got-want|, and the same over the largest |want|
	Worst          int     // index of MaxAbs, -1 when nothing differs
	Got, Want      float32 // the values there
	NonFinite      int     // values that are NaN or infinite in one and not the same in the other
}

// Compare measures got against want, which must be of equal length.
func Compare(got, want []float32) Diff {
	if len(got) != len(want) {
		return Diff{MaxAbs: math.Inf(1), MaxRel: math.Inf(1), Worst: min(len(got), len(want)), NonFinite: 1}
	}
	d := Diff{Worst: -1}
	scale := 0.0
	for i := range got {
		g, w := float64(got[i]), float64(want[i])
		if g-g != 0 || w-w != 0 { // either is infinite or no number
			if g == w || (math.IsNaN(g) && math.IsNaN(w)) {
				continue
			}
			if d.NonFinite == 0 {
				d.Worst, d.Got, d.Want = i, got[i], want[i]
			}
			d.NonFinite++
			d.MaxAbs = math.Inf(1)
			continue
		}
		scale = max(scale, math.Abs(w))
		if e := math.Abs(g - w); e > d.MaxAbs {
			d.MaxAbs, d.Worst, d.Got, d.Want = e, i, got[i], want[i]
		}
	}
	if scale > 0 {
		d.MaxRel = d.MaxAbs / scale
	} else if d.MaxAbs > 0 {
		d.MaxRel = math.Inf(1)
	}
	return d
}

func (d Diff) String() string {
	if d.Worst < 0 {
		return "equal"
	}
	return fmt.Sprintf("max abs %.3g, max rel %.3g, worst at %d: got %v, want %v, %d not finite",
		d.MaxAbs, d.MaxRel, d.Worst, d.Got, d.Want, d.NonFinite)
}
