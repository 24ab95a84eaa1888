package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"flamingo/convert"
	"flamingo/loader"
	"flamingo/model"
	"flamingo/tensor"
	"flamingo/tokenizer"
)

// flamingo runs the command and returns its status and what it wrote. It computes on the CPU unless
// args say otherwise: numbers then are the same everywhere.
func flamingo(t *testing.T, in []byte, args ...string) (status int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	p := &program{in: bytes.NewReader(in), out: &stdout, err: &stderr, began: time.Now()}
	if slices.Contains([]string{"caption", "ask", "classify"}, args[0]) && !slices.Contains(args, "--device") {
		args = append(slices.Clone(args), "--device", "cpu")
	}
	status = p.run(t.Context(), args)
	return status, stdout.String(), stderr.String()
}

// succeed is flamingo for a run that must go well.
func succeed(t *testing.T, args ...string) string {
	t.Helper()
	status, out, errs := flamingo(t, nil, args...)
	if status != statusOK || errs != "" {
		t.Fatalf("flamingo %s: status %d\n%s", strings.Join(args, " "), status, errs)
	}
	return out
}

// tinyConfig is a model of a few thousand weights, and its tokenizer.
func tinyConfig(t *testing.T) (model.Config, []byte) {
	t.Helper()
	data, err := os.ReadFile("../../runtime/testdata/tiny.json")
	if err != nil {
		t.Fatal(err)
	}
	c, err := model.ParseConfig(data)
	if err != nil {
		t.Fatal(err)
	}
	words, err := os.ReadFile("../../testdata/tokenizer/byte-level.json")
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.Parse(words)
	if err != nil {
		t.Fatal(err)
	}
	c.Tokens.Image, _ = tok.TokenID("<image>")
	c.Tokens.BOS, _ = tok.TokenID("<|endoftext|>")
	return c, words
}

// tinyModel converts the checkpoint, with other prompts if such are given.
func tinyModel(t *testing.T, prompts ...map[string]string) (dir string) {
	t.Helper()
	from, err := convert.OpenNative(checkpointOf(t))
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	for _, p := range prompts {
		from.Config.Prompts = p
	}
	dir = filepath.Join(t.TempDir(), "tiny")
	_, err = from.Write(context.Background(), convert.Options{
		Out: dir, Name: "tiny", DType: tensor.Q8, Licences: []loader.Licence{{Component: "weights", SPDX: "CC0-1.0"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// pictureOf is a PNG file: waves of a colour, both of which depend on n.
func pictureOf(t *testing.T, n int) []byte {
	t.Helper()
	m := image.NewNRGBA(image.Rect(0, 0, 40, 30))
	for y := range 30 {
		for x := range 40 {
			wave := uint8(127 + 127*math.Sin(float64(n*x+y)/4))
			m.SetNRGBA(x, y, color.NRGBA{wave, uint8(90 * n), 255 - uint8(90*n), 255})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func put(t *testing.T, dir, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

var checkpointSeed uint64 = 5

// value draws a weight. Biases are small, words weigh little and gates are open, so that what the
// model writes depends on the picture.
func value(rng *rand.Rand, name string, shape tensor.Shape) float64 {
	x := rng.NormFloat64()
	switch {
	case strings.HasSuffix(name, ".bias"), name == "lm.embed.weight":
		return 0.02 * x
	case len(shape) == 2:
		return 2 * x / math.Sqrt(float64(shape[1]))
	case strings.HasPrefix(name, "vision.") && strings.HasSuffix(name, ".weight"):
		return x // standardised later
	}
	return 1.5 + 0.1*x // norms, gains, gates
}

// checkpointOf writes what the trainer would: random weights under its names.
func checkpointOf(t *testing.T) (dir string) {
	t.Helper()
	c, words := tinyConfig(t)
	const seed = 26 // of a model that ends one of its captions and not the other
	rng := rand.New(rand.NewPCG(seed, 0))
	var list []loader.Weight
	add := func(name string, shape ...int) {
		list = append(list, loader.Weight{Name: name, DType: tensor.F32, Shape: shape, Data: func() ([]byte, error) {
			v := make([]float32, tensor.Shape(shape).Len())
			for i := range v {
				v[i] = float32(value(rng, name, shape))
			}
			return tensor.FromF32(v, shape...).Data, nil
		}})
	}
	conv := func(name string, out, in, kernel int) {
		add("vision."+name+".weight", out, in, kernel, kernel)
		add("vision."+name+".bias", out)
		add("vision."+name+".gain", out, 1, 1, 1)
	}
	in := 3
	for i, out := range c.Vision.Stem {
		conv(fmt.Sprintf("stem.conv%d", i+1), out, in, 3)
		in = out
	}
	for _, b := range c.Vision.Blocks() {
		if b.Project {
			conv(b.Name+".downsample.conv", b.Out, b.In, 1)
		}
		conv(b.Name+".conv1", b.Mid, b.In, 1)
		conv(b.Name+".conv2", b.Mid, b.Mid/b.Groups, 3)
		conv(b.Name+".conv2b", b.Mid, b.Mid/b.Groups, 3)
		conv(b.Name+".conv3", b.Out, b.Mid, 1)
		add("vision."+b.Name+".attn_last.fc1.weight", b.SE, b.Out, 1, 1)
		add("vision."+b.Name+".attn_last.fc1.bias", b.SE)
		add("vision."+b.Name+".attn_last.fc2.weight", b.Out, b.SE, 1, 1)
		add("vision."+b.Name+".attn_last.fc2.bias", b.Out)
		add("vision." + b.Name + ".skipinit_gain")
	}
	conv("final_conv", c.Vision.Features, c.Vision.Widths[3], 1)
	for _, e := range model.Spec(c) {
		if !strings.HasPrefix(e.Name, "vision.") {
			add(e.Name, e.Shape...)
		}
	}
	dir = filepath.Join(t.TempDir(), "checkpoint")
	if _, err := loader.Write(loader.WriteOptions{Dir: dir, Name: "checkpoint", Config: []byte("{}")}, list); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "model-00001-of-00001.safetensors"), filepath.Join(dir, "model.safetensors")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, loader.ManifestName)); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile("../../runtime/testdata/tiny.json")
	if err != nil {
		t.Fatal(err)
	}
	tokens := fmt.Sprintf(`"bos": %d, "eos": -1, "pad": -1, "endOfChunk": 1, "image": %d`, c.Tokens.BOS, c.Tokens.Image)
	text := strings.Replace(string(data), `"bos": 0, "eos": -1, "pad": -1, "endOfChunk": 1, "image": 2`, tokens, 1)
	put(t, dir, "config.json", []byte(text))
	put(t, dir, "tokenizer.json", words)
	return dir
}
