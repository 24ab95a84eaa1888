package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"flamingo/convert"
	"flamingo/gpu"
	"flamingo/model"
	"flamingo/tensor"
)

func TestInspect(t *testing.T) {
	dir := tinyModel(t)
	for _, location := range []string{dir, filepath.Join(dir, "flamingo.json")} {
		r := line[report](t, succeed(t, "inspect", "--json", location))
		if r.Name != "tiny" || len(r.Revision) != 64 || len(r.Licences) != 1 || len(r.Tensors) != len(model.Spec(r.Config)) {
			t.Errorf("%s: %+v", location, r)
		}
		stored, parameters := 0, 0
		for _, p := range r.Parts {
			stored, parameters = stored+p.Stored, parameters+p.Parameters
			if p.Tensors == 0 || p.Bytes["f32"] != 4*p.Parameters || p.Bytes["f16"] >= p.Bytes["f32"] || p.Bytes["q4"] > p.Bytes["q8"] {
				t.Errorf("%+v", p)
			}
		}
		if stored != r.Total.Stored || parameters != r.Parameters || r.Total.Parameters != parameters || stored != r.Total.Bytes["q8"] || stored != r.Memory.Weights {
			t.Errorf("parts add up to %d bytes and %d parameters: %+v %+v", stored, parameters, r.Total, r.Memory)
		}
	}
	text := succeed(t, "inspect", dir)
	for _, part := range []string{"resampler.latents", "[4,32]", "xattn ", "KV cache", "weights: CC0-1.0", "peak"} {
		if !strings.Contains(text, part) {
			t.Errorf("no %q in\n%s", part, text)
		}
	}
}

func TestInspectBareConfig(t *testing.T) {
	data, err := os.ReadFile("../../runtime/testdata/tiny.json")
	if err != nil {
		t.Fatal(err)
	}
	from := `"family": "nfnet", "widths": [16, 16, 32, 32], "depths": [1, 1, 1, 1], "groupWidth": 8, "stem": [4, 4, 8, 8], "activation": "gelu", "features": 32`
	big := strings.Replace(string(data), from, `"family": "nfnet", "variant": "F6", "activation": "gelu"`, 1)
	big = strings.Replace(strings.Replace(big, `"inputDim": 32`, `"inputDim": 3072`, 1), `"size": 32`, `"size": 576`, 1)
	file := put(t, t.TempDir(), "config.json", []byte(big))
	r := line[report](t, succeed(t, "inspect", "--json", "--tokens", "50", file))
	// NFNet-F6 has 438.4 million parameters (Brock et al. 2021, table 8), 3.07 of them in the
	// classifier, which is not here; gains are folded.
	if n := r.Parts[0].Parameters; r.Parts[0].Name != "vision" || n < 434_000_000 || n > 436_000_000 {
		t.Errorf("%+v", r.Parts[0])
	}
	if r.Memory.Tokens != 50 || r.Memory.Activations < 4*288*288*64 {
		t.Errorf("%+v", r.Memory)
	}
	if text := succeed(t, "inspect", filepath.Dir(file)); !strings.Contains(text, "a configuration without weights") {
		t.Error("the directory of a checkpoint is not read as a configuration")
	}
	for name, want := range map[string]string{
		`{"format":"flamingo/9"}`: "invalid-model", `{"vision":{}}`: "unsupported-model", `{`: "unsupported-model",
	} {
		status, _, errs := flamingo(t, nil, "inspect", put(t, t.TempDir(), "x.json", []byte(name)))
		if status != statusFailed || !strings.HasPrefix(errs, "flamingo: "+want+": ") {
			t.Errorf("%s: status %d, %s, want %s", name, status, errs, want)
		}
	}
}

// TestWeighing holds the estimate against what the same steps take on a real device.
func TestWeighing(t *testing.T) {
	c, _ := tinyConfig(t)
	const tokens = 40
	storage := func(e model.Entry) tensor.DType { return convert.Storage(e, tensor.Q4) }
	got, err := weigh(t.Context(), c, tokens, storage)
	if err != nil {
		t.Fatal(err)
	}
	dev := gpu.NewCPU()
	defer dev.Close()
	m, err := convert.Synth(c, 1).Upload(dev, tensor.Q4)
	if err != nil {
		t.Fatal(err)
	}
	if n := dev.Stats().Bytes; n != got.Weights {
		t.Errorf("weights %d, want %d", got.Weights, n)
	}
	s, err := m.NewSession(t.Context(), model.Room{Tokens: tokens, Images: 1})
	if err != nil {
		t.Fatal(err)
	}
	img := model.Image{Width: imageWidth, Height: imageHeight, Pixels: make(tensor.GoBytes, 4*imageWidth*imageHeight)}
	prompt := []int32{c.Tokens.Image}
	for len(prompt) < tokens-1 {
		prompt = append(prompt, otherThan(c.Tokens.Image))
	}
	if _, err := s.Logits(t.Context(), model.Prompt{IDs: prompt, Media: []model.Media{model.Picture(img)}}); err != nil {
		t.Fatal(err)
	}
	if n := dev.Arena().Bytes(); n != got.Activations {
		t.Errorf("activations %d, want %d", got.Activations, n)
	}
	if n := dev.Stats().Bytes; n != got.Peak-got.Image {
		t.Errorf("all but the picture %d, want %d", got.Peak-got.Image, n)
	}
	if got.KVCache < 2*tokens*2*32*4 || got.MediaKV != 2*4*2*32*4 || got.Image < 4*imageWidth*imageHeight || got.Other < 0 {
		t.Errorf("%+v", got)
	}
}

func TestConvert(t *testing.T) {
	from, out := checkpointOf(t), filepath.Join(t.TempDir(), "mine")
	text := succeed(t, "convert", "native", from, "-o", out, "--dtype", "f16", "--licence", "MIT")
	for _, part := range []string{"STORED AS", "lm.embed.weight", "f16", "parameters"} {
		if !strings.Contains(text, part) {
			t.Errorf("no %q in\n%s", part, text)
		}
	}
	r := line[report](t, succeed(t, "inspect", "--json", out))
	if r.Name != "mine" || r.Total.Stored != r.Total.Bytes["f16"] || len(r.Licences) != 1 || r.Licences[0].SPDX != "MIT" {
		t.Errorf("%+v", r)
	}
	status, _, errs := flamingo(t, nil, "convert", "native", from, "-o", out)
	if status != statusFailed || !strings.Contains(errs, "exists already") {
		t.Errorf("over a model: status %d, %s", status, errs)
	}
	succeed(t, "convert", "native", from, "-o", out, "--replace", "--dtype", "q4", "--name", "yours")
	if r := line[report](t, succeed(t, "inspect", "--json", out)); r.Name != "yours" || r.Total.Stored != r.Total.Bytes["q4"] {
		t.Errorf("%+v", r)
	}
	file := put(t, t.TempDir(), "a.png", pictureOf(t, 1))
	if got := line[answer](t, succeed(t, "caption", "--model", out, "--json", "--max-tokens", "3", file)); got.Stats.Tokens != len(got.IDs) {
		t.Errorf("%+v", got)
	}
	status, _, errs = flamingo(t, nil, "convert", "native", from, "-o", out, "--dtype", "q2")
	if status != statusUsage || !strings.Contains(errs, "q4,q8,f16,f32") && !strings.Contains(errs, `"q4"`) {
		t.Errorf("unknown dtype: status %d, %s", status, errs)
	}
}
