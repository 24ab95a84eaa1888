package convert

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"flamingo/model"
	"flamingo/ops"
)

// A Release is a published Flamingo: where its parts lie, on what terms, and what it is like.
type Release struct {
	Name  string // its own repository on the hub
	Kind  string // "openflamingo" or "flamingo-mini"
	Parts []Source
	// Layout is what the files of an OpenFlamingo do not say themselves.
	Layout Layout
	lm     string // config.json of the language model; "" where it is not known here
}

// A Source is a repository that one part of a release comes from.
type Source struct {
	Role     Role
	Repo     string
	Revision string
	Licence  string // SPDX, or what the publisher calls it
}

// A Role is what a part is in a release.
type Role string

const (
	RoleTrained Role = "checkpoint"     // resampler, gated cross-attention, embeddings
	RoleLM      Role = "language model" // with its tokenizer
	RoleVision  Role = "vision encoder"
)

// Configurations of the language models, as they are published.
const (
	mpt1bConfig = `{"model_type": "mosaic_gpt", "d_model": 2048, "n_heads": 16, "n_layers": 24, "mlp_ratio": 4, "max_seq_len": 2048,
		"vocab_size": 50432, "alibi": true, "alibi_bias_max": 8, "attn_qk_ln": true, "no_bias": true}`
	rpj3bConfig = `{"model_type": "gpt_neox", "hidden_size": 2560, "num_attention_heads": 32, "num_hidden_layers": 32, "intermediate_size": 10240,
		"vocab_size": 50432, "rotary_pct": 1.0, "rotary_emb_base": 10000, "use_parallel_residual": false, "layer_norm_eps": 1e-5,
		"max_position_embeddings": 2048, "hidden_act": "gelu", "tie_word_embeddings": false, "bos_token_id": 0, "eos_token_id": 0}`
	mpt7bConfig = `{"model_type": "mpt", "d_model": 4096, "n_heads": 32, "n_layers": 32, "expansion_ratio": 4, "max_seq_len": 2048,
		"vocab_size": 50432, "attn_config": {"alibi": true, "alibi_bias_max": 8}, "no_bias": true}`
)

// Releases are the published ones that a name is enough for.
var Releases = []Release{
	openFlamingo("OpenFlamingo-3B-vitl-mpt1b", "anas-awadalla/mpt-1b-redpajama-200b", "apache-2.0", mpt1bConfig, 1),
	openFlamingo("OpenFlamingo-3B-vitl-mpt1b-langinstruct", "anas-awadalla/mpt-1b-redpajama-200b-dolly", "cc-by-sa-3.0", mpt1bConfig, 1),
	openFlamingo("OpenFlamingo-4B-vitl-rpj3b", "togethercomputer/RedPajama-INCITE-Base-3B-v1", "apache-2.0", rpj3bConfig, 2),
	openFlamingo("OpenFlamingo-4B-vitl-rpj3b-langinstruct", "togethercomputer/RedPajama-INCITE-Instruct-3B-v1", "apache-2.0", rpj3bConfig, 2),
	openFlamingo("OpenFlamingo-9B-vitl-mpt7b", "anas-awadalla/mpt-7b", "apache-2.0", mpt7bConfig, 4),
	flamingoMini("flamingo-tiny", "facebook/opt-125m"),
	flamingoMini("flamingo-mini", "facebook/opt-350m"),
}

// clipSource is the vision encoder of all of them.
var clipSource = Source{RoleVision, "openai/clip-vit-large-patch14", "main", "mit"}

func openFlamingo(name, lm, licence, config string, every int) Release {
	return Release{
		Name: "openflamingo/" + name, Kind: "openflamingo", lm: config,
		Layout: Layout{Vision: vitL14Layout, Every: every, EOCToken: neoxEOC, MediaToken: neoxImage, PadToken: neoxPad},
		Parts:  []Source{{RoleTrained, "openflamingo/" + name, "main", "mit"}, {RoleLM, lm, "main", licence}, clipSource},
	}
}

func flamingoMini(name, lm string) Release {
	return Release{
		Name: "dhansmair/" + name, Kind: "flamingo-mini",
		Parts: []Source{{RoleTrained, "dhansmair/" + name, "main", ""}, {RoleLM, lm, "main", "opt-175b-license"}, clipSource},
	}
}

// FindRelease finds a release by its name, with or without its organisation.
func FindRelease(name string) (Release, error) {
	for _, r := range Releases {
		if r.Name == name || strings.HasSuffix(r.Name, "/"+name) {
			return r, nil
		}
	}
	var known []string
	for _, r := range Releases {
		known = append(known, r.Name)
	}
	return Release{}, fmt.Errorf("%w: no release is called %q, want one of %s", ErrCheckpoint, name, strings.Join(known, ", "))
}

// Published is the configuration of a model by its name: a release, or one of the paper's.
func Published(name string) (model.Config, error) {
	if c, ok := model.Papers[name]; ok {
		return c, nil
	}
	if r, err := FindRelease(name); err == nil && r.lm != "" {
		return r.Config()
	}
	names := slices.Sorted(maps.Keys(model.Papers))
	for _, r := range Releases {
		if r.lm != "" {
			names = append(names, r.Name)
		}
	}
	return model.Config{}, fmt.Errorf("%w: no configuration is called %q, want one of %s", ErrCheckpoint, name, strings.Join(names, ", "))
}

// The vision encoder and the new tokens of every OpenFlamingo.
var (
	vitL14       = model.CLIPConfig{Patch: 14, Width: 1024, Depth: 24, Heads: 16, Hidden: 4096, Positions: 257}
	vitL14Layout = VisionLayout{ImageSize: 224, PatchSize: 14, Width: 1024, Layers: 24, Heads: 16, MLPRatio: 4, OutputDim: 768, QuickGELU: true}
)

// Rows of the embedding in every OpenFlamingo, and the new tokens among them.
const (
	neoxRows            = 50280
	neoxEOC             = 50277
	neoxImage           = 50278
	neoxPad             = 50279
	clipProject         = 768
	openFlamingoLatents = 64
)

// Config is the configuration that a conversion of the release arrives at.
func (r Release) Config() (model.Config, error) {
	l, err := r.languageModel()
	if err != nil {
		return model.Config{}, err
	}
	lm := l.config
	lm.Vocab = neoxRows
	c := model.Config{
		Vision:     model.VisionConfig{Family: "clip", Activation: clipActivation(true), CLIPConfig: vitL14},
		Preprocess: model.Preprocess{Size: vitL14Layout.ImageSize, Fit: model.FitCrop, Mean: clipMean, Std: clipStd},
		Resampler: model.ResamplerConfig{
			InputDim: vitL14.Width, Dim: vitL14.Width, Depth: 6, Heads: 8, HeadDim: innerHead, Latents: openFlamingoLatents,
			Hidden: 4 * vitL14.Width, Activation: ops.GELU,
		},
		XAttn: model.XAttnConfig{
			Every: r.Layout.Every, Placement: model.PlaceOpenFlamingo, Heads: 8, HeadDim: innerHead, Hidden: 4 * lm.Dim, Activation: ops.GELU,
		},
		LM:      lm,
		Tokens:  model.Tokens{BOS: -1, EOS: l.eos, Pad: neoxPad, EndOfChunk: neoxEOC, Image: neoxImage},
		Prompts: openFlamingoPrompts,
	}
	return c, c.Validate()
}

func (r Release) languageModel() (*languageModel, error) {
	return describeLM(cmp.Or(r.Name, "release"), []byte(r.lm))
}

// Source is the repository of a part.
func (r Release) Source(role Role) Source {
	i := slices.IndexFunc(r.Parts, func(s Source) bool { return s.Role == role })
	return r.Parts[i]
}
