package convert

import (
	"fmt"

	"flamingo/model"
)

func init() {
	lmKinds["gpt_neox"] = lmKind{
		config: func(h *hfConfig) model.LMConfig {
			h.only("hidden_act", `"gelu"`)
			h.only("rope_scaling")
			h.only("attention_bias", "true")
			dim, heads := h.whole("hidden_size"), h.whole("num_attention_heads")
			return model.LMConfig{
				Family: "gpt_neox", Dim: dim, Depth: h.whole("num_hidden_layers"), Heads: heads, Hidden: h.whole("intermediate_size"),
				MaxPositions: h.whole("max_position_embeddings"), NormEps: float32(h.number("layer_norm_eps", 1e-5)),
				RotaryDims: int(float64(dim/max(heads, 1)) * h.number("rotary_pct", 0.25)), RotaryBase: float32(h.number("rotary_emb_base", 10000)),
				Parallel: h.truth("use_parallel_residual", true), Untied: !h.truth("tie_word_embeddings", false),
			}
		},
		prefix: []string{"gpt_neox."},
		embed:  "embed_in.weight",
		head:   "embed_out.weight",
		layers: "gpt_neox.layers",
		rules:  neoxRules,
		ignore: among(".attention.bias", ".masked_bias", ".inv_freq"),
	}
}

func neoxRules(p part, c model.LMConfig, to rules) {
	d := c.Dim
	head := d / c.Heads
	// Upstream's rows are [head, (q, k, v), value]; here all queries come first, then keys, values.
	source := func(row int) int { return row%c.Heads*3 + row/c.Heads }
	for i := range c.Depth {
		b, out := p.in("layers.%d.", i), fmt.Sprintf("lm.blocks.%d.", i)
		b.layer("input_layernorm", out+"norm1", []int{d}, to)
		to[out+"qkv.weight"] = b.tensor("attention.query_key_value.weight", 3*d, d).permute(head*d, source)
		to[out+"qkv.bias"] = b.tensor("attention.query_key_value.bias", 3*d).permute(head, source)
		b.layer("attention.dense", out+"out", []int{d, d}, to)
		b.layer("post_attention_layernorm", out+"norm2", []int{d}, to)
		b.layer("mlp.dense_h_to_4h", out+"up", []int{c.Hidden, d}, to)
		b.layer("mlp.dense_4h_to_h", out+"down", []int{d, c.Hidden}, to)
	}
	p.layer("final_layer_norm", "lm.norm", []int{d}, to)
}
