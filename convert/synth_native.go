//go:build !js

package convert

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	"flamingo/checkpoint"
	"flamingo/gpu"
	"flamingo/model"
	"flamingo/tensor"
)

// SynthRelease writes the files of a release as they are published, with random weights: the
// checkpoint as f32, the language model and CLIP as f16. It serves to try a conversion at full size
// without downloading anything.
func SynthRelease(r Release, seed uint64, dir string) (Files, error) {
	f := Files{
		Checkpoint: filepath.Join(dir, "checkpoint.pt"), LM: filepath.Join(dir, "lm"),
		Vision: filepath.Join(dir, "ViT.pt"), Layout: filepath.Join(dir, "release.json"),
	}
	c, err := r.Config()
	if err != nil {
		return f, err
	}
	l, err := r.languageModel()
	if err != nil {
		return f, err
	}
	trained, lm, vision := newPart(nil), newPart(nil), newPart(nil)
	openFlamingoRules(trained, c, l.layers, rules{})
	if err := l.locateIn(lm); err != nil {
		return f, err
	}
	l.make(rules{}, true)
	lang := trained.in("lang_encoder.")
	lang.tensor(l.part.prefix+l.embed, c.LM.Vocab, c.LM.Resolve().EmbedDim)
	if c.LM.Untied {
		lang.tensor(l.head, c.LM.Vocab, c.LM.Resolve().EmbedDim)
	}
	tower := c.Vision.CLIPConfig
	tower.Embed = clipProject
	clipFile{vision.in("visual."), openaiNames}.rules(tower, rules{})

	if err := os.MkdirAll(f.LM, 0o755); err != nil {
		return f, fmt.Errorf("convert: %w", err)
	}
	layout, err := json.MarshalIndent(r.Layout, "", " ")
	if err != nil {
		return f, err
	}
	for path, text := range map[string][]byte{f.Layout: layout, filepath.Join(f.LM, "config.json"): []byte(r.lm)} {
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return f, fmt.Errorf("convert: %w", err)
		}
	}
	for _, file := range []struct {
		path  string
		wants []want
		dtype string
	}{{f.Checkpoint, trained.wants, "F32"}, {filepath.Join(f.LM, "pytorch_model.bin"), lm.wants, "F16"}, {f.Vision, vision.wants, "F16"}} {
		if err := writeNoise(file.path, file.wants, file.dtype, seed); err != nil {
			return f, err
		}
	}
	return f, nil
}

// SynthNFNet writes an NFNet with timm's names and random weights, as f32.
func SynthNFNet(c model.NFNetConfig, seed uint64, path string) error {
	p := newPart(nil)
	foldNFNet(p, c, TimmFlavour, rules{})
	return writeNoise(path, p.wants, "F32", seed)
}

// writeNoise writes random tensors of sizes that keep activations near one. An embedding has the
// same rows wherever it is, so that a checkpoint fits its language model.
func writeNoise(path string, wants []want, dtype string, seed uint64) error {
	var list []checkpoint.Weight
	done := map[string]bool{}
	for _, w := range wants {
		if done[w.name] {
			continue
		}
		done[w.name] = true
		name := strings.TrimPrefix(w.name, "lang_encoder.")
		v := weightNoise(name, w.shape, seed)
		list = append(list, checkpoint.Weight{Name: w.name, DType: dtype, Shape: w.shape, Data: v.read})
	}
	if err := checkpoint.WriteTorch(path, list); err != nil {
		return fmt.Errorf("convert: %w", err)
	}
	return nil
}

func weightNoise(name string, shape tensor.Shape, seed uint64) values {
	spread, centre := 1.0, 0.0
	switch {
	case strings.HasSuffix(name, "_gate") || strings.HasSuffix(name, "skipinit_gain"):
		centre, spread = 0.5, 0.1
	case strings.HasSuffix(name, "bias"):
		spread = 0.02
	case strings.HasSuffix(name, ".gain") || (len(shape) == 1 && strings.HasSuffix(name, ".weight")):
		centre, spread = 1, 0.1
	case len(shape) > 1 && strings.HasSuffix(name, "weight"):
		spread = 1 / math.Sqrt(float64(shape[1:].Len()))
	case strings.HasSuffix(name, "embedding"):
		spread = 0.1
	}
	v := noise(seed, name, shape.Len(), centre, spread)
	return values{v.len, func(from, to int) ([]float32, error) {
		out := make([]float32, to-from)
		const each = 64 * noiseBlock
		first := from / each
		gpu.Parallel((to+each-1)/each-first, func(i int) {
			a, b := max(from, (first+i)*each), min(to, (first+i+1)*each)
			x, _ := v.read(a, b) // noise does not fail
			copy(out[a-from:], x)
		})
		return out, nil
	}}
}
