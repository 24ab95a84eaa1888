package convert

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"flamingo/gpu"
	"flamingo/model"
	"flamingo/ops"
	"flamingo/tensor"
)

const families = "../testdata/families"

// loneLM is a model around a language model that no cross-attention touches.
func loneLM(t *testing.T, name string, d tensor.DType) *model.Flamingo {
	t.Helper()
	lm, err := openLM(filepath.Join(families, name))
	if err != nil {
		t.Fatal(err)
	}
	defer lm.file.Close()
	data, err := os.ReadFile("../runtime/testdata/tiny.json")
	if err != nil {
		t.Fatal(err)
	}
	c, err := model.ParseConfig(data)
	if err != nil {
		t.Fatal(err)
	}
	c.LM, c.Tokens = lm.config, model.Tokens{BOS: -1, EOS: -1, Pad: -1, EndOfChunk: int32(lm.config.Vocab) - 1, Image: int32(lm.config.Vocab) - 1}
	c.XAttn.Every, c.XAttn.Placement = 1024, model.PlaceOpenFlamingo // before no block at all
	from := Synth(c, 1)
	lm.make(from.rules, true)
	if err := lm.done(lm.rest); err != nil {
		t.Fatal(err)
	}
	m, err := from.Upload(device, d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// TestLanguageModels compares every family with a float64 reference that reads the same files in
// upstream's names: all at once, and in pieces over a cache.
func TestLanguageModels(t *testing.T) {
	for _, name := range []string{
		"mpt1b", "mpt7b", "mpt7b-6heads", "neox-sequential", "neox-parallel", "opt", "opt-350m", "llama", "llama-gqa", "chinchilla",
	} {
		t.Run(name, func(t *testing.T) {
			m := loneLM(t, name, tensor.F32)
			g := openGolden(t, filepath.Join(families, name, "expected.safetensors"))
			ids, want := g.ints("ids"), g.floats("logits")
			if slices.Contains(ids, m.Config.Tokens.Image) {
				t.Fatal("the fixture uses the token that means <image> here")
			}
			s, err := m.NewSession(t.Context(), model.Room{Tokens: len(ids)})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			all, err := s.AllLogits(t.Context(), model.Prompt{IDs: ids})
			if err != nil {
				t.Fatal(err)
			}
			absolute(t, "logits", all, want, 1e-4)
			v := m.Config.LM.Vocab
			for at := 0; at < len(ids); {
				n := min(1+at, len(ids)-at, 4) // pieces of 1, 2, 4, 4
				last, err := s.Logits(t.Context(), model.Prompt{IDs: ids[:at+n]})
				if err != nil {
					t.Fatal(err)
				}
				at += n
				absolute(t, "logits in pieces", last, tensor.FromF32(want.F32()[(at-1)*v:at*v], 1, v), 1e-4)
			}
		})
	}
}

// tolerance is how much looser a bound is on a GPU, whose exp and tanh are approximations.
func tolerance() float64 {
	if device.Info().Kind == "cpu" {
		return 1
	}
	return 10
}

// absolute wants got within a bound, ten times it on a GPU.
func absolute(t *testing.T, what string, got, want tensor.Tensor, bound float64) {
	t.Helper()
	d := tensor.Compare(got.F32(), want.F32())
	t.Logf("%s: %v", what, d)
	if !got.Shape.Equal(want.Shape) || !(d.MaxAbs <= bound*tolerance()) {
		t.Errorf("%s: got %v of shape %v, want %v within %g", what, d, got.Shape, want.Shape, bound*tolerance())
	}
}

// TestCLIP compares CLIP's tower in Hugging Face's spelling, which has other tensors in its file.
func TestCLIP(t *testing.T) {
	tower, err := OpenCLIP(filepath.Join(families, "clip", "model.safetensors"), 4, true)
	if err != nil {
		t.Fatal(err)
	}
	defer tower.Close()
	if tower.Config.Vision.Activation != ops.QuickGELU || tower.Config.Preprocess.Size != 30 {
		t.Errorf("got %v at %d pixels, want quick_gelu at 30", tower.Config.Vision.Activation, tower.Config.Preprocess.Size)
	}
	m, err := tower.Upload(device, tensor.F32)
	if err != nil {
		t.Fatal(err)
	}
	g := openGolden(t, filepath.Join(families, "clip", "expected.safetensors"))
	got, err := m.Features(t.Context(), g.floats("image"))
	if err != nil {
		t.Fatal(err)
	}
	absolute(t, "tokens", rowsOf(got), g.floats("tokens"), 1e-4)
	e, err := m.Embedding(t.Context(), g.floats("image"))
	if err != nil {
		t.Fatal(err)
	}
	absolute(t, "embedding", e, g.floats("embedding"), 1e-5)
}

// rowsOf turns features [C, h, w] into rows [h·w, C].
func rowsOf(f tensor.Tensor) tensor.Tensor {
	c, n := f.Shape[0], f.Shape[1]*f.Shape[2]
	from, to := f.F32(), make([]float32, c*n)
	for i := range c {
		for j := range n {
			to[j*c+i] = from[i*n+j]
		}
	}
	return tensor.FromF32(to, n, c)
}

// read copies a tensor from the device under test.
func read(t *testing.T, x gpu.Tensor) tensor.Tensor {
	t.Helper()
	v, err := x.Read(t.Context(), device)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
