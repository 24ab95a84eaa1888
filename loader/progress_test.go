package loader

import (
	"slices"
	"testing"
)

// A try that fails takes its bytes back; what is reported must not follow.
func TestMeterNeverGoesBack(t *testing.T) {
	var got []int64
	m := newMeter(func(p Progress) { got = append(got, p.Loaded) }, 100)
	m.partial(0, 20)
	m.partial(1, 10)
	m.partial(0, 5)
	m.partial(0, 15)
	m.partial(0, 25)
	m.finish(0, 30, false)
	m.partial(1, 0)
	m.finish(1, 70, true)
	if want := []int64{0, 20, 30, 35, 40, 100}; !slices.Equal(got, want) {
		t.Errorf("reported %v, want %v", got, want)
	}
	if m.sent.FromCache != 70 {
		t.Errorf("%d bytes from the cache, want 70", m.sent.FromCache)
	}
}
