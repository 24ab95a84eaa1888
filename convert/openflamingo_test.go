package convert

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flamingo/checkpoint"
	"flamingo/model"
	"flamingo/tensor"
	"flamingo/tokenizer"
)

const openFlamingoNano = "../testdata/openflamingo-nano"

func nanoFiles() Files {
	return Files{
		Checkpoint: filepath.Join(openFlamingoNano, "checkpoint.pt"), LM: filepath.Join(openFlamingoNano, "lm"),
		Vision: filepath.Join(openFlamingoNano, "ViT.pt"), Layout: filepath.Join(openFlamingoNano, "release.json"),
	}
}

func openRelease(t *testing.T, d tensor.DType) *model.Flamingo {
	t.Helper()
	c, err := OpenOpenFlamingo(nanoFiles())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	m, err := c.Upload(device, d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// openFlamingoCases are the golden's: one picture, two, text before the first, text between.
var openFlamingoCases = []string{"caption", "two_images", "text_first", "text_between"}

// TestOpenFlamingoGolden compares every stage with what the original classes compute.
func TestOpenFlamingoGolden(t *testing.T) {
	m := openRelease(t, tensor.F32)
	g := openGolden(t, filepath.Join(openFlamingoNano, "expected.safetensors"))
	for _, name := range openFlamingoCases {
		t.Run(name, func(t *testing.T) {
			images, ids := g.floats(name+".image"), g.ints(name+".ids")
			c := Case{Images: images, IDs: ids}
			got, err := c.Run(t.Context(), m)
			if err != nil {
				t.Fatal(err)
			}
			absolute(t, "vision tokens", got.VisionTokens, g.floats(name+".vision_tokens"), 1e-4)
			absolute(t, "visual tokens", got.VisualTokens, g.floats(name+".visual_tokens"), 1e-4)
			absolute(t, "logits", got.Logits, g.floats(name+".logits"), 1e-4)
			if want := g.ints(name + ".greedy"); !slices.Equal(got.Greedy, want) {
				t.Errorf("greedy: got %v, want %v", got.Greedy, want)
			}
		})
	}
}

// TestOpenFlamingoAliases reads a checkpoint of the first generation, which names blocks by number
// alone, or twice, and was saved in training.
func TestOpenFlamingoAliases(t *testing.T) {
	old, err := checkpoint.Open(nanoFiles().Checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	for _, twice := range []bool{false, true} {
		var list []checkpoint.Weight
		for _, e := range old.Entries() {
			w := checkpoint.Weight{Name: "module." + e.Name, DType: "F32", Shape: e.Shape, Data: func(from, to int) ([]float32, error) {
				return old.Floats(e.Name, from, to)
			}}
			if rest, ok := strings.CutPrefix(e.Name, "lang_encoder.transformer.blocks."); ok {
				if twice {
					list = append(list, w)
				}
				w.Name = "module.lang_encoder.gated_cross_attn_layers." + strings.Replace(rest, "gated_cross_attn_layer.", "", 1)
			}
			list = append(list, w)
		}
		f := nanoFiles()
		f.Checkpoint = filepath.Join(t.TempDir(), "checkpoint.pt")
		if err := checkpoint.WriteTorch(f.Checkpoint, list); err != nil {
			t.Fatal(err)
		}
		got, err := OpenOpenFlamingo(f)
		if err != nil {
			t.Fatal(err)
		}
		want, err := OpenOpenFlamingo(nanoFiles())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range model.Spec(want.Config) {
			a, _, err := pack(got.rules, e, tensor.F32)
			if err != nil {
				t.Fatal(err)
			}
			b, _, err := pack(want.rules, e, tensor.F32)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(a.Data, b.Data) {
				t.Errorf("%s differs", e.Name)
			}
		}
		got.Close()
		want.Close()
	}
}

// TestOpenFlamingoQuantised states how far storage moves the logits.
func TestOpenFlamingoQuantised(t *testing.T) {
	g := openGolden(t, filepath.Join(openFlamingoNano, "expected.safetensors"))
	for _, d := range []struct {
		dtype tensor.DType
		bound float64 // of the largest change of a logit; the logits' own size is about 6
		same  float64 // share of greedy tokens that must stay
	}{{tensor.F16, 0.05, 0.8}, {tensor.Q8, 0.3, 0.6}, {tensor.Q4, 3, 0}} {
		m := openRelease(t, d.dtype)
		same, all, worst := 0, 0, 0.0
		names := openFlamingoCases
		if inBrowser {
			names = names[:1]
		}
		for _, name := range names {
			got, err := Case{Images: g.floats(name + ".image"), IDs: g.ints(name + ".ids")}.Run(t.Context(), m)
			if err != nil {
				t.Fatal(err)
			}
			worst = max(worst, tensor.Compare(got.Logits.F32(), g.floats(name+".logits").F32()).MaxAbs)
			for i, id := range g.ints(name + ".greedy") {
				if all++; i < len(got.Greedy) && got.Greedy[i] == id {
					same++
				}
			}
		}
		t.Logf("%v: logits move by %.3g at most, %d of %d greedy tokens are the same", d.dtype, worst, same, all)
		if !(worst <= d.bound) || float64(same) < d.same*float64(all) {
			t.Errorf("%v: got %g and %d tokens of %d, want at most %g and at least a share of %g", d.dtype, worst, same, all, d.bound, d.same)
		}
	}
}

// TestOpenFlamingoPrompts spells prompts as OpenFlamingo's evaluation does.
func TestOpenFlamingoPrompts(t *testing.T) {
	m := openRelease(t, tensor.F32)
	words, err := os.ReadFile("../testdata/tokenizer/byte-level.json")
	if err != nil {
		t.Fatal(err)
	}
	if words, err = addTokens(words, []addedToken{{"<|endofchunk|>", 320}}); err != nil {
		t.Fatal(err)
	}
	if m.Tokenizer, err = tokenizer.Parse(words); err != nil {
		t.Fatal(err)
	}
	m.Config.Tokens.Image, m.Config.Tokens.EndOfChunk = 293, 320
	shots := []model.Shot{{Media: model.Preprocessed(), Question: "What is it?", Text: "a cat"}, {Text: "a dog", Question: "And this?"}}
	shots[0].Media.Count = 1
	query := model.Shot{Media: shots[0].Media, Question: "Who?"}
	for task, want := range map[string]string{
		"caption":  "<image>Output:a cat<|endofchunk|>\nOutput:a dog<|endofchunk|>\n<image>Output:",
		"ask":      "<image>Question:What is it? Short answer:a cat<|endofchunk|>\nQuestion:And this? Short answer:a dog<|endofchunk|>\n<image>Question:Who? Short answer:",
		"classify": "<image>Output:a cat<|endofchunk|>Output:a dog<|endofchunk|><image>Output:",
	} {
		p, err := m.Expand(task, shots, query, "")
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Tokenizer.Decode(p.IDs, false); got != want || len(p.Media) != 2 {
			t.Errorf("%s: got %q with %d pictures, want %q", task, got, len(p.Media), want)
		}
	}
}
