package convert

import (
	"fmt"

	"flamingo/model"
)

func init() {
	lmKinds["opt"] = lmKind{
		config: func(h *hfConfig) model.LMConfig {
			h.only("activation_function", `"relu"`)
			h.only("enable_bias", "true")
			h.only("layer_norm_elementwise_affine", "true")
			h.only("_remove_final_layer_norm", "false")
			dim := h.whole("hidden_size")
			c := model.LMConfig{
				Family: "opt", Dim: dim, Depth: h.whole("num_hidden_layers"), Heads: h.whole("num_attention_heads"), Hidden: h.whole("ffn_dim"),
				MaxPositions: h.whole("max_position_embeddings"), PostNorm: !h.truth("do_layer_norm_before", true),
				Untied: !h.truth("tie_word_embeddings", true),
			}
			if embed := h.whole("word_embed_proj_dim", dim); embed != dim {
				c.EmbedDim = embed
			}
			return c
		},
		prefix: []string{"model.decoder.", "decoder."},
		embed:  "embed_tokens.weight",
		head:   "lm_head.weight",
		layers: "model.decoder.layers",
		rules:  optRules,
	}
}

func optRules(p part, c model.LMConfig, to rules) {
	d := c.Dim
	to["lm.positions.weight"] = p.tensor("embed_positions.weight", c.MaxPositions+2, d)
	if c.EmbedDim != 0 {
		to["lm.project_in.weight"] = p.tensor("project_in.weight", d, c.EmbedDim)
		to["lm.project_out.weight"] = p.tensor("project_out.weight", c.EmbedDim, d)
	}
	for i := range c.Depth {
		b, out := p.in("layers.%d.", i), fmt.Sprintf("lm.blocks.%d.", i)
		b.layer("self_attn_layer_norm", out+"norm1", []int{d}, to)
		var weights, biases []values
		for _, n := range []string{"q_proj", "k_proj", "v_proj"} {
			weights = append(weights, b.tensor("self_attn."+n+".weight", d, d))
			biases = append(biases, b.tensor("self_attn."+n+".bias", d))
		}
		to[out+"qkv.weight"], to[out+"qkv.bias"] = stack(weights...), stack(biases...)
		b.layer("self_attn.out_proj", out+"out", []int{d, d}, to)
		b.layer("final_layer_norm", out+"norm2", []int{d}, to)
		b.layer("fc1", out+"up", []int{c.Hidden, d}, to)
		b.layer("fc2", out+"down", []int{d, c.Hidden}, to)
	}
	if !c.PostNorm {
		p.layer("final_layer_norm", "lm.norm", []int{d}, to)
	}
}
