package convert

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"flamingo/model"
	"flamingo/ops"
	"flamingo/tokenizer"
)

// seedFiles adds files that are sound, and what a careless editor makes of them.
func seedFiles(f *testing.F, add func(data []byte), pattern string) {
	f.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		f.Fatalf("no seed matches %s: %v", pattern, err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		add(data)
		add(data[:len(data)/2])
		add(append(data, '}'))
	}
}

// frugal runs do, which may allocate a multiple of what it reads and what the largest vocabulary
// takes, but not what numbers in there say.
func frugal(t *testing.T, read int, do func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	if got, most := after.TotalAlloc-before.TotalAlloc, uint64(32<<20+1000*read); got > most {
		t.Errorf("%d bytes were allocated for %d that were read, want at most %d", got, read, most)
	}
}

// complete wants a rule for each tensor that the runtime loads, of the right size.
func complete(t *testing.T, to rules, spec []model.Entry, prefix string) {
	t.Helper()
	for _, e := range spec {
		if !strings.HasPrefix(e.Name, prefix) {
			continue
		}
		if _, err := to.values(e); err != nil {
			t.Error(err)
		}
	}
}

// FuzzHFConfig reads what somebody published as the config.json of a language model. Where the
// runtime has such a model, the converter makes all of its tensors.
func FuzzHFConfig(f *testing.F) {
	add := func(data []byte) { f.Add(data) }
	seedFiles(f, add, filepath.Join(families, "*", "config.json"))
	seedFiles(f, add, filepath.Join(openFlamingoNano, "lm", "config.json"))
	f.Add([]byte(`{"model_type":"llama","hidden_size":1e18,"num_attention_heads":0}`))
	f.Add([]byte(`{"model_type":"mpt","d_model":9223372036854775807,"n_layers":-1,"attn_config":{"alibi":null}}`))
	f.Add([]byte(`null`))
	data, err := os.ReadFile("../runtime/testdata/tiny.json")
	if err != nil {
		f.Fatal(err)
	}
	around, err := model.ParseConfig(data)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var l *languageModel
		var err error
		frugal(t, len(data), func() { l, err = describeLM("lm/config.json", data) })
		if err != nil {
			if !errors.Is(err, ErrCheckpoint) || !strings.Contains(err.Error(), "lm/config.json") {
				t.Errorf("%v is not an ErrCheckpoint that names lm/config.json", err)
			}
			return
		}
		c := around
		c.LM, c.Tokens = l.config, model.Tokens{BOS: -1, EOS: -1, Pad: -1}
		if err := c.LM.Validate(); err != nil {
			t.Fatal(err)
		}
		if err := l.locateIn(newPart(nil)); err != nil {
			t.Fatal(err)
		}
		to := rules{}
		l.make(to, true)
		complete(t, to, model.Spec(c), "lm.")
	})
}

// FuzzParseNFNet reads what somebody typed as an NFNet.
func FuzzParseNFNet(f *testing.F) {
	for _, text := range []string{
		"F0", "dm_nfnet_f6", "nfnet_f0", "F7", "nano", "", "{}", strings.Repeat("F", 1000), `{"depths":[1,2,3,4,5]}`,
		`{"channels":[4,4,4,4],"depths":[256,256,256,256],"group_size":2,"stem_channels":8}`,
		`{"channels":[16384,16384,16384,16384],"depths":[1,1,1,1],"group_size":4,"stem_channels":4096,"num_features":16384,"alpha":0.2}`,
		`{"channels":[1e18,-1,0,4],"depths":[9223372036854775807,1,1,1],"group_size":0,"stem_channels":8}`,
	} {
		f.Add([]byte(text), true)
	}
	seedFiles(f, func(data []byte) { f.Add(data, false) }, filepath.Join(nfnetHaiku, "config.json"))
	f.Fuzz(func(t *testing.T, data []byte, final bool) {
		var c model.NFNetConfig
		var err error
		frugal(t, len(data), func() { c, err = ParseNFNet(data, final) })
		if err != nil {
			if !errors.Is(err, ErrCheckpoint) || len(err.Error()) > 2000 {
				t.Errorf("%.1000v is not a short ErrCheckpoint", err)
			}
			return
		}
		v := model.VisionConfig{Family: "nfnet", Activation: ops.GELU, NFNetConfig: c}
		pre := model.Preprocess{Size: NFNetSize, Fit: model.FitPad, Mean: imageNetMean, Std: imageNetStd}
		if (model.TowerConfig{Vision: v, Preprocess: pre}).Validate() != nil {
			return
		}
		to := rules{}
		foldNFNet(newPart(nil), c, DeepMindFlavour, to)
		complete(t, to, model.VisionSpec(v), "vision.")
	})
}

// FuzzLayout reads a release.json. What is accepted is what its writer meant, and nothing overflows.
func FuzzLayout(f *testing.F) {
	seedFiles(f, func(data []byte) { f.Add(data) }, filepath.Join(openFlamingoNano, "release.json"))
	f.Add([]byte(`{"vision":{"width":1e9,"mlp_ratio":1e300}}`))
	f.Add([]byte(`{"media_token_id":4294967295}`))
	least := `{"vision":{"image_size":1,"patch_size":1,"width":1,"layers":1,"heads":1,"mlp_ratio":1},"cross_attn_every_n_layers":1,"media_token_id":1,"eoc_token_id":2}`
	f.Add([]byte(least))
	f.Add([]byte(strings.ReplaceAll(least, ":1,", ":-1,")))
	f.Add([]byte(strings.ReplaceAll(least, "layers\":1", "layers\":0")))
	f.Add([]byte(strings.Replace(least, "mlp_ratio\":1", "mlp_ratio\":1e-300", 1)))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var l *Layout
		var err error
		frugal(t, len(data), func() { l, err = parseLayout("x/release.json", data) })
		if err != nil {
			if !errors.Is(err, ErrCheckpoint) || !strings.Contains(err.Error(), "x/release.json") {
				t.Errorf("%v is not an ErrCheckpoint that names x/release.json", err)
			}
			return
		}
		if l.Every < 1 || l.MediaToken < 0 || l.EOCToken < 0 || l.MediaToken == l.EOCToken || l.PadToken < -1 {
			t.Errorf("%+v was accepted", l)
		}
		if hidden := float64(l.Vision.Width) * l.Vision.MLPRatio; !(hidden > 0 && hidden < 1<<31) {
			t.Errorf("a hidden width of %g was accepted", hidden)
		}
		text, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := parseLayout("x/release.json", text); err != nil || *again != *l {
			t.Errorf("%s reads as %+v, %v; want %+v", text, again, err, l)
		}
	})
}

// FuzzAddTokens adds tokens to a tokenizer.json. What comes out is a tokenizer that has them, and has
// them already when they are added again.
func FuzzAddTokens(f *testing.F) {
	seedFiles(f, func(data []byte) { f.Add(data, int32(301)) }, "../testdata/tokenizer/byte-level.json")
	tiny := `{"added_tokens":[],"model":{"type":"BPE","vocab":{"a":0,"b":1},"merges":[]}}`
	for _, id := range []int32{-1, 0, 1, 2, 1<<20 - 2, 1<<20 - 1, 1<<31 - 1} {
		f.Add([]byte(tiny), id)
	}
	f.Add([]byte(`{"added_tokens":[{"id":2,"content":"<image>","special":true}],"model":{"type":"BPE","vocab":{"a":0,"<|endofchunk|>":1},"merges":[]}}`), int32(1))
	f.Add([]byte(`{"added_tokens":[{"id":2,"content":"c"},{"id":2,"content":"d"}],"model":{"type":"BPE","vocab":{"a":0},"merges":[["a","a"]]}}`), int32(3))
	for _, text := range []string{"null", "{}", "[]", `{"added_tokens":null}`, `{"added_tokens":[null]}`, `{"added_tokens":[{"id":1e99}]}`, `{"Added_Tokens":[]}`} {
		f.Add([]byte(text), int32(2))
	}
	f.Fuzz(func(t *testing.T, words []byte, id int32) {
		added := []addedToken{{"<|endofchunk|>", id}, {"<image>", id + 1}}
		var out []byte
		var err error
		frugal(t, len(words), func() { out, err = addTokens(words, added) })
		if err != nil {
			if !errors.Is(err, ErrCheckpoint) || !strings.Contains(err.Error(), "tokenizer.json") {
				t.Errorf("%v is not an ErrCheckpoint that names tokenizer.json", err)
			}
			return
		}
		tok, err := tokenizer.Parse(out)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range added {
			if got, ok := tok.TokenID(a.text); !ok || got != a.id {
				t.Errorf("%s: got %d, %t; want %d", a.text, got, ok, a.id)
			}
		}
		if again, err := addTokens(out, added); err != nil || !bytes.Equal(again, out) {
			t.Errorf("adding again gives %.200s, %v; want what there was, %.200s", again, err, out)
		}
	})
}
