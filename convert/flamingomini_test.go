package convert

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flamingo/checkpoint"
	"flamingo/model"
	"flamingo/tensor"
)

const miniNano = "../testdata/flamingo-mini-nano"

// miniFiles are those of a release: "tiny" is like flamingo-tiny, "mini" like flamingo-mini, whose OPT
// has narrow embeddings.
func miniFiles(name string) Files {
	return Files{
		Checkpoint: filepath.Join(miniNano, name, "model.safetensors"), LM: filepath.Join(miniNano, name, "lm"),
		Vision: filepath.Join(miniNano, "clip.safetensors"), Layout: filepath.Join(miniNano, name, "config.json"),
		Tokenizer: filepath.Join(miniNano, "tiny", "lm", "tokenizer.json"),
	}
}

// TestMiniGolden compares every stage with the references in testdata/reference.
func TestMiniGolden(t *testing.T) {
	beside := miniFiles("tiny")
	beside.Tokenizer = "" // the one beside OPT's config.json
	whole := miniFiles("mini")
	whole.Checkpoint = filepath.Join(t.TempDir(), "pytorch_model.bin")
	tower := readWeights(t, whole.Vision)
	for i := range tower {
		tower[i].Name = "flamingo.vision_encoder." + tower[i].Name
	}
	writeWeights(t, whole.Checkpoint, append(readWeights(t, miniFiles("mini").Checkpoint), tower...))
	whole.Vision = ""
	for _, r := range []struct {
		name, expected string
		files          Files
	}{
		{"tiny", "tiny", beside},
		{"mini", "mini", miniFiles("mini")},
		{"the vision encoder in the checkpoint", "mini", whole},
	} {
		t.Run(r.name, func(t *testing.T) {
			m := uploadMini(t, r.files)
			g := openGolden(t, filepath.Join(miniNano, r.expected, "expected.safetensors"))
			for _, name := range []string{"caption", "two_images"} {
				got, err := Case{Images: g.floats(name + ".image"), IDs: g.ints(name + ".ids")}.Run(t.Context(), m)
				if err != nil {
					t.Fatal(err)
				}
				absolute(t, name+": vision tokens", got.VisionTokens, g.floats(name+".vision_tokens"), 1e-4)
				absolute(t, name+": visual tokens", got.VisualTokens, g.floats(name+".visual_tokens"), 1e-4)
				absolute(t, name+": logits", got.Logits, g.floats(name+".logits"), 1e-4)
				if want := g.ints(name + ".greedy"); !slices.Equal(got.Greedy, want) {
					t.Errorf("%s: greedy: got %v, want %v", name, got.Greedy, want)
				}
			}
			prompt, err := m.Expand("caption", nil, model.Shot{}, "")
			if want := g.ints("caption.ids"); err != nil || !slices.Equal(prompt.IDs, want) {
				t.Errorf("prompt: got %v, %v, want %v", prompt.IDs, err, want)
			}
			if got, want := m.Config.Tokens, (model.Tokens{BOS: 2, EOS: 2, Pad: 1, EndOfChunk: 268, Image: 64}); got != want {
				t.Errorf("tokens: got %+v, want %+v", got, want)
			}
			if got := m.Config.Resampler.Temporal; got != model.TemporalFirst { // shows in videos only
				t.Errorf("temporal: got %q, want %q", got, model.TemporalFirst)
			}
			if id, ok := m.Tokenizer.TokenID("<EOC>"); !ok || id != 268 {
				t.Errorf("<EOC>: got %d, %t, want 268", id, ok)
			}
		})
	}
}

// TestMiniTied opens a checkpoint without an output matrix of its own.
func TestMiniTied(t *testing.T) {
	f := miniFiles("tiny")
	f.Checkpoint = filepath.Join(t.TempDir(), "tied.bin")
	writeWeights(t, f.Checkpoint, without(readWeights(t, miniFiles("tiny").Checkpoint), "flamingo.lm_head.weight"))
	if m := uploadMini(t, f); m.Config.LM.Untied {
		t.Error("got an untied model of a checkpoint without lm_head.weight")
	}
}

func uploadMini(t *testing.T, f Files) *model.Flamingo {
	t.Helper()
	c, err := OpenFlamingoMini(f)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	m, err := c.Upload(device, tensor.F32)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// TestMiniTokens finds <EOC> where a tokenizer was saved with it, above rows that stay unused.
func TestMiniTokens(t *testing.T) {
	f := miniFiles("tiny")
	words, err := os.ReadFile(f.Tokenizer)
	if err != nil {
		t.Fatal(err)
	}
	if words, err = addTokens(words, []addedToken{{"<EOC>", 270}}); err != nil {
		t.Fatal(err)
	}
	f.Tokenizer = writeFile(t, "tokenizer.json", words)
	c, err := OpenFlamingoMini(f)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := c.Config.Tokens.EndOfChunk; got != 270 {
		t.Errorf("<EOC>: got %d, want 270", got)
	}
}

// TestMiniErrors opens releases that something is wrong with.
func TestMiniErrors(t *testing.T) {
	set := func(name string, value any) func(*testing.T, *Files) {
		return func(t *testing.T, f *Files) { f.Layout = withField(t, f.Layout, name, value) }
	}
	weights := func(edit func([]checkpoint.Weight) []checkpoint.Weight) func(*testing.T, *Files) {
		return func(t *testing.T, f *Files) {
			list := edit(readWeights(t, f.Checkpoint))
			f.Checkpoint = filepath.Join(t.TempDir(), "pytorch_model.bin")
			writeWeights(t, f.Checkpoint, list)
		}
	}
	drop := func(name string) func(*testing.T, *Files) {
		return weights(func(w []checkpoint.Weight) []checkpoint.Weight { return without(w, name) })
	}
	words := func(token string, id int32) func(*testing.T, *Files) {
		return func(t *testing.T, f *Files) {
			data, err := os.ReadFile(f.Tokenizer)
			if err != nil {
				t.Fatal(err)
			}
			if data, err = addTokens(data, []addedToken{{token, id}}); err != nil {
				t.Fatal(err)
			}
			f.Tokenizer = writeFile(t, "tokenizer.json", data)
		}
	}
	for _, r := range []struct {
		name string
		edit func(*testing.T, *Files)
		want string
	}{
		{"gpt2", set("lm", "gpt2"), `lm is "gpt2", which is not supported; want facebook/opt-125m`},
		{"unknown activation", set("xattn_act", "swish"), `xattn_act is "swish", want one of [gelu relu sqrelu]`},
		{"no activation", set("resampler_act", nil), `resampler_act is "", want one of [gelu relu sqrelu]`},
		{"no depth", set("resampler_depth", nil), "resampler_depth is missing"},
		{"half a head", set("xattn_heads", 1.5), "xattn_heads is 1.5"},
		{"cross-attention nowhere", set("xattn_every", 0), "xattn.every is 0"},
		{"more layers than memory", set("resampler_depth", 1<<40), "resampler.depth is 1099511627776"},
		{"heads of negative width", set("xattn_dim_head", -8), "xattn.headDim is -8"},
		{"another width of the text", set("dim", 64), "dim is 64, but the language model has 32"},
		{"another vision encoder", set("dim_visual", 768), "dim_visual is 768, but the vision encoder has 64"},
		{"another distance", set("xattn_every", 1), "flamingo.lm.decoder.layers.1.xattn_block.attn.to_q.weight is missing, want [24,32]"},
		{"cross-attention too often", set("xattn_every", 3), "flamingo.lm.decoder.layers.2.xattn_block."},
		{"fewer layers", set("resampler_depth", 1), "flamingo.resampler.layers.1."},
		{"another number of heads", set("resampler_heads", 3), "flamingo.resampler.layers.0.0.to_k.weight is [24,64], want [36,64]"},
		{"fewer frames", set("resampler_num_time_embeds", 3), "flamingo.resampler.time_pos_emb is [4,1,64], want [3,1,64]"},
		{"no config.json", func(_ *testing.T, f *Files) { f.Layout = "" }, "want the config.json beside its weights"},
		{"a tensor is missing", drop("flamingo.lm.decoder.layers.0.lm_block.fc1.bias"), "flamingo.lm.decoder.layers.0.fc1.bias is missing, want [48]"},
		{"no latents", drop("flamingo.resampler.latents"), "flamingo.resampler.latents is missing"},
		{"no embedding", drop("flamingo.lm.decoder.embed_tokens.weight"), "flamingo.lm.decoder.embed_tokens.weight is missing"},
		{"a tensor too many", weights(func(w []checkpoint.Weight) []checkpoint.Weight {
			w[0].Name = "flamingo.adapter.weight"
			return append(w, readWeights(t, miniFiles("tiny").Checkpoint)[0])
		}), "flamingo.adapter.weight is not part of this model"},
		{"another OPT", func(_ *testing.T, f *Files) { f.LM = filepath.Join(miniNano, "mini", "lm") },
			"flamingo.lm.decoder.project_in.weight is missing, want [32,16]"},
		{"no OPT", func(_ *testing.T, f *Files) { f.LM = filepath.Join(openFlamingoNano, "lm") }, `model_type is "mosaic_gpt", want "opt"`},
		{"no vision encoder", func(_ *testing.T, f *Files) { f.Vision = "" }, "has no vision encoder"},
		{"two vision encoders", weights(func(w []checkpoint.Weight) []checkpoint.Weight {
			w[0].Name = "flamingo.vision_encoder.vision_model.embeddings.patch_embedding.weight"
			return append(w, readWeights(t, miniFiles("tiny").Checkpoint)[0])
		}), "has a vision encoder of its own"},
		{"no tokenizer", func(_ *testing.T, f *Files) { f.Tokenizer, f.LM = "", filepath.Join(miniNano, "mini", "lm") }, "or by --tokenizer"},
		{"<image> is a token", words("<image>", 268), "encodes <image> as [268]"},
		{"<EOC> has no row", words("<EOC>", 273), "tokens.endOfChunk is 273, the vocabulary has 273"},
	} {
		t.Run(r.name, func(t *testing.T) {
			f := miniFiles("tiny")
			r.edit(t, &f)
			c, err := OpenFlamingoMini(f)
			if err == nil {
				c.Close()
			}
			if err == nil || !strings.Contains(err.Error(), r.want) {
				t.Errorf("got %v, want an error with %q", err, r.want)
			}
			if err != nil && !errors.Is(err, ErrCheckpoint) && !errors.Is(err, model.ErrConfig) {
				t.Errorf("got %v, want ErrCheckpoint or ErrConfig", err)
			}
		})
	}
}

// withField is a copy of a JSON object with a field changed, or left out when value is nil.
func withField(t *testing.T, path, name string, value any) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]any{}
	if err := json.Unmarshal(data, &fields); err != nil {
		t.Fatal(err)
	}
	if fields[name] = value; value == nil {
		maps.DeleteFunc(fields, func(k string, _ any) bool { return k == name })
	}
	if data, err = json.Marshal(fields); err != nil {
		t.Fatal(err)
	}
	return writeFile(t, "config.json", data)
}

func writeFile(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// readWeights lists the tensors of a file, as WriteTorch takes them, but for buffers of integers.
func readWeights(t *testing.T, path string) []checkpoint.Weight {
	t.Helper()
	file, err := checkpoint.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	var list []checkpoint.Weight
	for _, e := range file.Entries() {
		if e.DType == "F32" {
			read := func(from, to int) ([]float32, error) { return file.Floats(e.Name, from, to) }
			list = append(list, checkpoint.Weight{Name: e.Name, DType: e.DType, Shape: e.Shape, Data: read})
		}
	}
	return list
}

func writeWeights(t *testing.T, path string, list []checkpoint.Weight) {
	t.Helper()
	if err := checkpoint.WriteTorch(path, list); err != nil {
		t.Fatal(err)
	}
}

func without(list []checkpoint.Weight, name string) []checkpoint.Weight {
	return slices.DeleteFunc(list, func(w checkpoint.Weight) bool { return w.Name == name })
}
