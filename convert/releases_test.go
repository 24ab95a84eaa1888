package convert

import (
	"strings"
	"testing"

	"flamingo/model"
)

// TestPublishedCounts holds configurations against the published numbers of parameters: OpenFlamingo's
// exactly, but for the zero that pictures have as their fourth channel here; the paper's as rounded.
func TestPublishedCounts(t *testing.T) {
	count := func(c model.Config, part string) (n int) {
		for _, e := range model.Spec(c) {
			if strings.HasPrefix(e.Name, part) {
				n += e.Shape.Len()
			}
		}
		return n
	}
	const channel = 1024 * 14 * 14
	for _, c := range []struct {
		name               string
		lm, xattn, all     int
		layers, cacheWidth int
	}{
		{"OpenFlamingo-3B-vitl-mpt1b", 1_311_131_648, 881_000_496, 2_558_328_880, 24, 4096},
		{"openflamingo/OpenFlamingo-4B-vitl-rpj3b-langinstruct", 2_775_086_080, 897_744_928, 4_039_027_744, 32, 5120},
		{"OpenFlamingo-9B-vitl-mpt7b", 6_648_664_064, 1_115_815_952, 8_130_676_752, 32, 8192},
	} {
		got, err := Published(c.name)
		if err != nil {
			t.Fatal(err)
		}
		if lm, xattn, all := count(got, "lm."), count(got, "xattn."), count(got, "")-channel; lm != c.lm || xattn != c.xattn || all != c.all {
			t.Errorf("%s: got %d, %d and %d parameters, want %d, %d and %d", c.name, lm, xattn, all, c.lm, c.xattn, c.all)
		}
		if count(got, "resampler.") != 63_019_008 || got.LM.Depth != c.layers || got.LM.KVWidth() != c.cacheWidth {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
	for name, billions := range map[string][3]float64{ // language model, cross-attention, all
		"Flamingo-3B": {1.4, 1.2, 3.2}, "Flamingo-9B": {7.1, 1.6, 9.3}, "Flamingo-80B": {70, 10, 80},
	} {
		c, err := Published(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Validate(); err != nil {
			t.Error(err)
		}
		for i, part := range []string{"lm.", "xattn.", ""} {
			// Cross-attention is short of the paper's by what keys and values of a wider input need.
			if got := float64(count(c, part)) / 1e9; got < 0.83*billions[i] || got > 1.05*billions[i] {
				t.Errorf("%s: %q has %.2f billion parameters, want about %g", name, part, got, billions[i])
			}
		}
	}
	if _, err := Published("Flamingo-4B"); err == nil || !strings.Contains(err.Error(), "Flamingo-80B") {
		t.Errorf("got %v, want the names that there are", err)
	}
}
