//go:build !js

package convert

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"flamingo/tensor"
)

// TestHostileLayout gives release.json what is not so.
func TestHostileLayout(t *testing.T) {
	for _, row := range []struct{ fields, want string }{
		{`{"vision": {"image_size": 56}}`, "image_size is 56 by the layout and 28 by the tensors"},
		{`{"vision": {"patch_size": 16}}`, "patch_size is 16 by the layout and 14 by the tensors"},
		{`{"vision": {"width": 128}}`, "width is 128 by the layout and 96 by the tensors"},
		{`{"vision": {"layers": 3}}`, "layers is 3 by the layout and 2 by the tensors"},
		{`{"vision": {"mlp_ratio": 3.5}}`, "width times mlp_ratio is 336 by the layout and 384 by the tensors"},
		{`{"vision": {"heads": 5}}`, "vision.width 96 is no multiple of vision.heads 5"},
		{`{"vision": {"heads": 48}}`, "headDim is 2, want a multiple of 4"},
		{`{"cross_attn_every_n_layers": 1}`, "before block 0: found false, but every 1 blocks means true"},
		{`{"cross_attn_every_n_layers": 4}`, "before block 1: found true, but every 4 blocks means false"},
		{`{"cross_attn_every_n_layers": 0}`, "cross_attn_every_n_layers is 0, want 1 to"},
		{`{"cross_attn_every_n_layers": -2}`, "cross_attn_every_n_layers is -2, want 1 to"},
		{`{"media_token_id": 160}`, "tokens.image is 160, the vocabulary has 160"},
		{`{"eoc_token_id": 50277}`, "tokens.endOfChunk is 50277, the vocabulary has 160"},
		{`{"pad_token_id": 172}`, "tokens.pad is 172, the vocabulary has 160"},
		{`{"media_token_id": -1}`, "media_token_id is -1, want 0 to"},
		{`{"media_token_id": "absent"}`, "media_token_id is -1, want 0 to"},
		{`{"eoc_token_id": "absent"}`, "eoc_token_id is -1, want 0 to"},
		{`{"media_token_id": 157}`, "are not three tokens"},
		{`{"media_token_id": 4294967296}`, "cannot unmarshal"},
		{`{"media_token_id": 1.5}`, "cannot unmarshal"},
		{`{"vision": {"width": 1e18}}`, "vision.width is 1000000000000000000, want 1 to"},
		{`{"vision": {"mlp_ratio": 1e300}}`, "vision.mlp_ratio is 1e+300"},
		{`{"vision": {"heads": -6}}`, "vision.heads is -6"},
		{`{"vision": "absent"}`, "vision.image_size is 0, want 1 to"},
		{`{"vision": [28, 14]}`, "cannot unmarshal"},
		{`{"vision": {"embed_dim": 32}}`, `unknown field "embed_dim"`},
		{`{"cross_attn_every_n_layer": 2}`, `unknown field "cross_attn_every_n_layer"`},
	} {
		t.Run(row.fields, func(t *testing.T) {
			r := newRelease(t)
			r.layout(row.fields)
			r.stops(tensor.F32, row.want)
		})
	}
	for name, text := range map[string]string{"empty": "", "not JSON": "<html>", "cut off": `{"vision": {`, "an array": "[]", "more than one": "{} {}"} {
		t.Run(name, func(t *testing.T) {
			r := newRelease(t)
			r.Layout = r.write("release.json", []byte(text))
			r.stops(tensor.F32, "release.json")
		})
	}
}

// hostileSettings are fields of config.json that a family's own have other values for.
var hostileSettings = []struct{ family, fields, want string }{
	{"mpt1b", `{"alibi": false}`, "alibi is false, which is not supported; want [true]"},
	{"mpt1b", `{"alibi_bias_max": 16}`, "alibi_bias_max is 16"},
	{"mpt1b", `{"attn_clip_qkv": 6}`, "attn_clip_qkv is 6"},
	{"mpt1b", `{"softmax_scale": 0.1}`, "softmax_scale is 0.1"},
	{"mpt1b", `{"logit_scale": "inv_sqrt_d_model"}`, `logit_scale is "inv_sqrt_d_model"`},
	{"mpt1b", `{"embedding_fraction": 0.5}`, "embedding_fraction is 0.5"},
	{"mpt1b", `{"no_bias": false}`, "no_bias is false"},
	{"mpt7b", `{"attn_config": {"alibi": false}}`, "alibi is false"},
	{"mpt7b", `{"attn_config": {"clip_qkv": 8}}`, "clip_qkv is 8"},
	{"mpt7b", `{"attn_config": {"prefix_lm": true}}`, "prefix_lm is true"},
	{"mpt7b", `{"attn_config": {"attn_type": "multiquery_attention"}}`, `attn_type is "multiquery_attention"`},
	{"mpt7b", `{"attn_config": 7}`, "attn_config is 7"},
	{"mpt7b", `{"d_model": "absent"}`, "d_model is missing, want a whole number"},
	{"mpt7b", `{"d_model": 64.5}`, "d_model is 64.5"},
	{"mpt7b", `{"n_layers": "two"}`, `n_layers is "two"`},
	{"mpt7b", `{"n_heads": 1e40}`, "n_heads is 1e+40"},
	{"opt", `{"activation_function": "gelu"}`, `activation_function is "gelu", which is not supported; want ["relu"]`},
	{"opt", `{"enable_bias": false}`, "enable_bias is false"},
	{"opt", `{"_remove_final_layer_norm": true}`, "_remove_final_layer_norm is true"},
	{"opt", `{"layer_norm_elementwise_affine": false}`, "layer_norm_elementwise_affine is false"},
	{"opt", `{"do_layer_norm_before": "yes"}`, `do_layer_norm_before is "yes"`},
	{"llama", `{"rope_scaling": {"type": "linear", "factor": 2}}`, `rope_scaling is {"factor":2,"type":"linear"}`},
	{"llama", `{"hidden_act": "gelu"}`, `hidden_act is "gelu"`},
	{"llama", `{"attention_bias": true}`, "attention_bias is true"},
	{"llama", `{"mlp_bias": true}`, "mlp_bias is true"},
	{"llama", `{"head_dim": 32}`, "head_dim is 32, which is not supported; want [16]"},
	{"neox-parallel", `{"rope_scaling": {"type": "dynamic"}}`, "rope_scaling is"},
	{"neox-parallel", `{"hidden_act": "gelu_new"}`, `hidden_act is "gelu_new"`},
	{"neox-parallel", `{"attention_bias": false}`, "attention_bias is false"},
	{"neox-parallel", `{"use_parallel_residual": 1}`, "use_parallel_residual is 1"},
	{"llama", `{"model_type": "mixtral"}`, `model_type is "mixtral", want one of [chinchilla gpt_neox llama mosaic_gpt mpt opt]`},
	{"llama", `{"model_type": "absent"}`, `model_type is ""`},
	{"llama", `{"model_type": 3}`, "model_type is 3"},
	{"llama", `{"num_attention_heads": 0}`, "lm.heads is 0, want 1 to"},
	{"llama-gqa", `{"num_key_value_heads": -2}`, "lm.kvHeads is -2, want 1 or more"},
	{"neox-parallel", `{"num_attention_heads": 0}`, "lm.heads is 0, want 1 to"},
	{"neox-parallel", `{"num_hidden_layers": 1000000000000}`, "lm.depth is 1000000000000, want 1 to"},
}

// TestHostileSettings changes config.json of a language model into one that the runtime would compute
// something else than.
func TestHostileSettings(t *testing.T) {
	for _, row := range hostileSettings {
		t.Run(row.family+row.fields, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(filepath.Join(families, row.family))); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "config.json")
			if err := os.WriteFile(path, mergeJSON(t, path, row.fields), 0o644); err != nil {
				t.Fatal(err)
			}
			l, err := openLM(dir)
			if err == nil {
				l.file.Close()
				t.Fatal("the language model was opened")
			}
			if !errors.Is(err, ErrCheckpoint) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got %v, want an ErrCheckpoint with %s and %q", err, path, row.want)
			}
		})
	}
}

// TestHostileNumbers gives the release's language model numbers that no model has.
func TestHostileNumbers(t *testing.T) {
	for _, row := range []struct{ fields, want string }{
		{`{"n_layers": 0}`, "lm.depth is 0, want 1 to"},
		{`{"n_layers": -4}`, "lm.depth is -4"},
		{`{"n_layers": 1000000000000}`, "lm.depth is 1000000000000"},
		{`{"n_heads": 0}`, "lm.heads is 0"},
		{`{"n_heads": -4}`, "lm.heads is -4"},
		{`{"n_heads": 5}`, "lm.dim 64 is no multiple of lm.heads 5"},
		{`{"n_heads": 32}`, "lm.headDim is 2, want a multiple of 4"},
		{`{"max_seq_len": 0}`, "lm.maxPositions is 0"},
		{`{"max_seq_len": 1000000000000}`, "lm.maxPositions is 1000000000000, want 1 to"},
		{`{"d_model": 0}`, "lm.dim is 0"},
		{`{"d_model": -64}`, "lm.dim is -64"},
		{`{"d_model": 4398046511104}`, "lm.dim is 4398046511104, want 1 to"},
		{`{"mlp_ratio": 1000000000000}`, "lm.hidden is 64000000000000, want 1 to"},
		{`{"mlp_ratio": -1}`, "lm.hidden is -64"},
	} {
		t.Run(row.fields, func(t *testing.T) {
			r := newRelease(t)
			r.lmConfig(row.fields)
			r.stops(tensor.F32, "config.json", row.want)
		})
	}
}

// TestHostileFiles gives files that are none, or not whole.
func TestHostileFiles(t *testing.T) {
	for name, path := range map[string]func(*release) *string{
		"checkpoint.pt":     func(r *release) *string { return &r.Checkpoint },
		"ViT.pt":            func(r *release) *string { return &r.Vision },
		"pytorch_model.bin": func(r *release) *string { r.lm(func(contents) {}); return nil },
	} {
		// lay puts data in the place of the file.
		lay := func(r *release, data []byte) {
			if p := path(r); p != nil {
				*p = r.write(name, data)
			} else {
				r.write(filepath.Join("lm", name), data)
			}
		}
		whole := func(t *testing.T) []byte {
			r := newRelease(t)
			from := filepath.Join(r.LM, name)
			if p := path(r); p != nil {
				from = *p
			}
			data, err := os.ReadFile(from)
			if err != nil {
				t.Fatal(err)
			}
			return data
		}
		for _, tenths := range []int{1, 5, 9} {
			t.Run(fmt.Sprintf("%s cut off at %d tenths", name, tenths), func(t *testing.T) {
				r, data := newRelease(t), whole(t)
				lay(r, data[:len(data)*tenths/10])
				r.stops(tensor.F32, name)
			})
		}
		t.Run(name+" without its last byte", func(t *testing.T) {
			r, data := newRelease(t), whole(t)
			lay(r, data[:len(data)-1])
			r.stops(tensor.F32, name)
		})
		for what, row := range map[string]struct{ text, want string }{
			"empty":      {"", "empty"},
			"a web page": {"<!DOCTYPE html><html>", "a web page"},
			"a pointer":  {"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n", "Git LFS"},
			"zeros":      {strings.Repeat("\x00", 4096), "starts with"},
			"no tensors": {"\x80\x04}.", "no tensors"},
		} {
			t.Run(name+" is "+what, func(t *testing.T) {
				r := newRelease(t)
				lay(r, []byte(row.text))
				r.stops(tensor.F32, name, row.want)
			})
		}
	}
	for _, row := range []struct {
		name  string
		spoil func(r *release)
		want  []string
	}{
		{"a checkpoint that is not there", func(r *release) { r.Checkpoint = filepath.Join(r.dir, "none.pt") }, []string{"none.pt"}},
		{"a checkpoint that is an empty directory", func(r *release) { r.Checkpoint = r.TempDir() }, []string{"no "}},
		{"an empty directory for the language model", func(r *release) { r.LM = r.TempDir() }, []string{"config.json"}},
		{
			"no weights of the language model", func(r *release) {
				r.lm(func(contents) {})
				if err := os.Remove(filepath.Join(r.LM, "pytorch_model.bin")); err != nil {
					r.Fatal(err)
				}
			},
			[]string{"lm"},
		},
		{"no release.json", func(r *release) { r.Layout = filepath.Join(r.dir, "release.json") }, []string{"release.json"}},
		{"a directory for release.json", func(r *release) { r.Layout = r.dir }, []string{"directory"}},
		{"no CLIP", func(r *release) { r.Vision = filepath.Join(r.dir, "clip.pt") }, []string{"clip.pt"}},
		{"no tokenizer where one is named", func(r *release) { r.Tokenizer = filepath.Join(r.dir, "tokenizer.json") }, []string{"tokenizer.json"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRelease(t)
			row.spoil(r)
			r.stops(tensor.F32, row.want...)
		})
	}
}

// TestHostilePickle is a checkpoint that would run a program in PyTorch.
func TestHostilePickle(t *testing.T) {
	for global, want := range map[string]string{
		"cposix\nsystem\n":                      "posix.system",
		"\x8c\x05posix\x8c\x06system\x93":       "posix.system",
		"c__builtin__\neval\n":                  "__builtin__.eval",
		"ctorch.hub\nload\n":                    "torch.hub.load",
		"cnumpy.core.multiarray\n../system\n":   "../system",
		"c__builtin__\ngetattr\n(cos\nsystem\n": "getattr",
	} {
		r := newRelease(t)
		ran := filepath.Join(r.dir, "ran")
		command := "touch " + ran
		text := binary.LittleEndian.AppendUint32([]byte("\x80\x04"+global+"X"), uint32(len(command)))
		r.Checkpoint = r.write("evil.pt", append(text, command+"\x85R."...))
		r.stops(tensor.F32, "evil.pt", want)
		if _, err := os.Stat(ran); !errors.Is(err, os.ErrNotExist) {
			t.Fatal("the pickle ran a program")
		}
	}
}

// TestHostileTokenizer gives tokenizers that the checkpoint was not trained with.
func TestHostileTokenizer(t *testing.T) {
	const sound = "../testdata/tokenizer/byte-level.json"
	added := func(id int, content string) string {
		return fmt.Sprintf(`{"added_tokens": [{"id": %d, "content": %q, "special": true}]}`, id, content)
	}
	for _, row := range []struct {
		name, fields string
		layout       bool
		want         []string
	}{
		{"<image> under another id", added(293, "<image>"), true, []string{"tokenizer.json has <image> as 293, the checkpoint as 158"}},
		{"<|endofchunk|> under another id", added(293, "<|endofchunk|>"), true, []string{"tokenizer.json has <|endofchunk|> as 293, the checkpoint as 157"}},
		{"ids that the vocabulary has", `{"added_tokens": []}`, true, []string{"tokenizer.json with the checkpoint's tokens", `"<|endofchunk|>": id 157 already belongs to`}},
		{"more tokens than the embedding has rows", `{"added_tokens": []}`, false, []string{"tokens.image is", "the vocabulary has 160"}},
		{"added tokens that are none", `{"added_tokens": 7}`, true, []string{"tokenizer.json"}},
		{"an added token without an id", `{"added_tokens": [{"content": "<image>"}]}`, true, []string{"tokenizer.json", "id 0 already belongs to"}},
		{"no model", `{"model": "absent"}`, true, []string{"tokenizer.json"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRelease(t)
			r.Tokenizer = r.write("tokenizer.json", mergeJSON(t, sound, row.fields))
			if !row.layout {
				r.Layout = ""
			}
			err := r.convert(tensor.F32)
			for _, w := range row.want {
				if err == nil || !strings.Contains(err.Error(), w) {
					t.Errorf("got %v, want %q in it", err, w)
				}
			}
		})
	}
	for _, text := range []string{"", "{", "null", "[]", "<html>", "{}", `{"model": {"type": "BPE", "vocab": {}, "merges": []}}`} {
		r := newRelease(t)
		r.Tokenizer = r.write("tokenizer.json", []byte(text))
		if err := r.convert(tensor.F32); err == nil || !strings.Contains(err.Error(), "tokenizer.json") {
			t.Errorf("%q: got %v, want an error that names tokenizer.json", text, err)
		}
	}
}

// TestHostileOutput converts into a place that holds something else, and gives up in the middle.
func TestHostileOutput(t *testing.T) {
	c, err := OpenOpenFlamingo(nanoFiles())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	out := t.TempDir()
	letter := filepath.Join(out, "letter.txt")
	if err := os.WriteFile(letter, []byte("dear"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, replace := range []bool{false, true} {
		if _, err := c.Write(t.Context(), Options{Out: out, Name: "hostile", Replace: replace}); err == nil || !strings.Contains(err.Error(), out) {
			t.Errorf("replace %t: got %v, want an error that names %s", replace, err, out)
		}
	}
	if data, err := os.ReadFile(letter); err != nil || string(data) != "dear" {
		t.Errorf("the letter is %q, %v", data, err)
	}

	parent := t.TempDir()
	ctx, cancel := context.WithCancelCause(t.Context())
	halt := errors.New("halt")
	_, err = c.Write(ctx, Options{Out: filepath.Join(parent, "model"), Name: "hostile", Progress: func(_ string, done, total int) {
		if done == total/2 {
			cancel(halt)
		}
	}})
	if !errors.Is(err, halt) {
		t.Errorf("got %v, want %v", err, halt)
	}
	if left, err := os.ReadDir(parent); err != nil || len(left) > 0 {
		t.Errorf("giving up left %v, %v", left, err)
	}
}
