package model

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"strings"
	"testing"

	"flamingo/gpu"
	"flamingo/tensor"
)

func nanoConfig(t *testing.T) Config {
	t.Helper()
	data, err := os.ReadFile("../testdata/nano/config.json")
	if err != nil {
		t.Fatal(err)
	}
	c, err := ParseConfig(data)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestConfigRefuses changes one field at a time; each must be named in the error.
func TestConfigRefuses(t *testing.T) {
	for _, c := range []struct {
		change func(*Config)
		want   string
	}{
		{func(c *Config) { c.Vision.Family = "resnet" }, "vision.family"},
		{func(c *Config) { c.Vision.Variant = "F9" }, "vision.variant"},
		{func(c *Config) { c.Vision.Widths[2] = 190 }, "vision.widths[2]"},
		{func(c *Config) { c.Vision.Depths[0] = 1_000_000_000 }, "vision.depths[0]"},
		{func(c *Config) { c.Preprocess.Size = 0 }, "preprocess.size"},
		{func(c *Config) { c.Preprocess.Std[1] = 0 }, "preprocess.std[1]"},
		{func(c *Config) { c.Preprocess.Fit = "squash" }, "preprocess.fit"},
		{func(c *Config) { c.Resampler.InputDim = 100 }, "resampler.inputDim"},
		{func(c *Config) { c.Resampler.Heads = 0 }, "resampler.heads"},
		{func(c *Config) { c.Resampler.HeadDim = 30 }, "resampler.headDim"},
		{func(c *Config) { c.XAttn.Every = 0 }, "xattn.every"},
		{func(c *Config) { c.XAttn.Placement = "last" }, "xattn.placement"},
		{func(c *Config) { c.LM.Family = "gpt9" }, "lm.family"},
		{func(c *Config) { c.LM.Heads = 7 }, "lm.heads"},
		{func(c *Config) { c.LM.Vocab = 1 << 30 }, "lm.vocab"},
		{func(c *Config) { c.Tokens.Image = 70000 }, "tokens.image"},
		{func(c *Config) { c.Prompts = nil }, "prompts"},
	} {
		config := nanoConfig(t)
		c.change(&config)
		if err := config.Validate(); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want an error about %s", err, c.want)
		}
	}
	data, err := json.Marshal(nanoConfig(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParseConfig([]byte(strings.Replace(string(data), `"lm":`, `"llm":{},"lm":`, 1))); !errors.Is(err, ErrConfig) {
		t.Errorf("an unknown field gives %v", err)
	}
}

// TestParameterCounts holds the variant table against published counts, which include gains that
// are folded here and leave out nothing.
func TestParameterCounts(t *testing.T) {
	for variant, want := range map[string]int{"F0": 68_416_284, "F1": 129_561_256, "F6": 435_286_116} {
		c := VisionConfig{Family: "nfnet", NFNetConfig: NFNetConfig{Variant: variant}}
		got := 0
		for _, e := range VisionSpec(c) {
			got += e.Shape.Len()
		}
		gains := 3072
		for _, w := range c.Resolve().Stem {
			gains += w
		}
		for _, b := range c.Blocks() {
			gains += 3*b.Mid + b.Out
			if b.Project {
				gains += b.Out
			}
		}
		// The picture has a fourth channel here, of zeros.
		if got += gains - 9*16; got != want {
			t.Errorf("%s has %d parameters, want %d", variant, got, want)
		}
	}
}

func TestWeightsReportEverything(t *testing.T) {
	c := nanoConfig(t)
	shapes, dtypes := map[string]tensor.Shape{}, map[string]tensor.DType{}
	for _, e := range Spec(c) {
		shapes[e.Name] = e.Shape
	}
	if err := CheckSpec(c, shapes, dtypes); err != nil {
		t.Fatal(err)
	}
	delete(shapes, "resampler.latents")
	shapes["lm.norm.weight"] = tensor.Shape{7}
	shapes["lm.extra"] = tensor.Shape{1}
	dtypes["xattn.0.attn_gate"] = tensor.Q8
	err := CheckSpec(c, shapes, dtypes)
	for _, want := range []string{"resampler.latents is missing", "lm.norm.weight is [7], want [96]", "lm.extra is not part", "xattn.0.attn_gate is stored as q8"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want it to say %q", err, want)
		}
	}
	dev := gpu.NewCPU()
	if _, err := New(dev, c, map[string]gpu.Tensor{}, nil); !errors.Is(err, ErrWeights) {
		t.Errorf("a model without weights: %v", err)
	}
}

func TestFit(t *testing.T) {
	for _, c := range []struct {
		fit                 Fit
		width, height       int
		w, h, left, topEdge int
	}{
		{FitPad, 320, 200, 96, 60, 0, 18},
		{FitPad, 1, 1000, 1, 96, 47, 0},
		{FitPad, 96, 96, 96, 96, 0, 0},
		{FitPad, 64, 1, 96, 2, 0, 47}, // 1.5 rounds up
		{FitCrop, 200, 100, 192, 96, -48, 0},
		{FitCrop, 100, 105, 96, 100, 0, -2},
		{FitCrop, 99, 96, 99, 96, -2, 0}, // 1.5 rounds to even
	} {
		p := Preprocess{Size: 96, Fit: c.fit}
		w, h, left, top := p.fit(c.width, c.height)
		if w != c.w || h != c.h || left != c.left || top != c.topEdge {
			t.Errorf("%s %d×%d: got %d×%d at (%d,%d), want %d×%d at (%d,%d)", c.fit, c.width, c.height, w, h, left, top, c.w, c.h, c.left, c.topEdge)
		}
	}
}

func TestSampler(t *testing.T) {
	logits, ban := []float32{1, 3, 2, 9, 0}, []float32{0, 0, 0, -1e30, 0}
	count := func(o Options) map[int32]int {
		s, n := newSampler(o), map[int32]int{}
		for range 2000 {
			id, _, err := s.draw(logits, ban)
			if err != nil {
				t.Fatal(err)
			}
			n[id]++
		}
		return n
	}
	if n := count(Options{Temperature: 1, TopK: 1}); n[1] != 2000 {
		t.Errorf("top 1 draws %v, want only 1: the larger 3 is banned", n)
	}
	if n := count(Options{Temperature: 1, TopK: 2}); n[1]+n[2] != 2000 || n[1] < 1350 || n[1] > 1570 {
		t.Errorf("top 2 draws %v, want 1 in 73 %% of draws and 2 in the others", n)
	}
	if n := count(Options{Temperature: 1, TopP: 0.5}); n[1] != 2000 {
		t.Errorf("top-p 0.5 draws %v, want only 1, which alone has 64 %%", n)
	}
	if n := count(Options{Temperature: 1}); n[3] != 0 || n[0] == 0 || n[4] == 0 {
		t.Errorf("without a cut it draws %v, want all but the banned", n)
	}
	logits[2] = float32(math.NaN())
	if _, _, err := newSampler(Options{Temperature: 1}).draw(logits, ban); err == nil {
		t.Error("a NaN among the logits passes")
	}
}
