package convert

import (
	"fmt"

	"flamingo/model"
)

func init() {
	lmKinds["llama"] = lmKind{
		config: func(h *hfConfig) model.LMConfig {
			h.only("hidden_act", `"silu"`)
			h.only("rope_scaling")
			h.only("attention_bias", "false")
			h.only("mlp_bias", "false")
			dim, heads := h.whole("hidden_size"), h.whole("num_attention_heads")
			h.only("head_dim", fmt.Sprint(dim/max(heads, 1)))
			c := model.LMConfig{
				Family: "llama", Dim: dim, Depth: h.whole("num_hidden_layers"), Heads: heads, Hidden: h.whole("intermediate_size"),
				MaxPositions: h.whole("max_position_embeddings", 2048), NormEps: float32(h.number("rms_norm_eps", 1e-6)),
				RotaryDims: dim / max(heads, 1), RotaryBase: float32(h.number("rope_theta", 10000)),
				Untied: !h.truth("tie_word_embeddings", false),
			}
			if kv := h.whole("num_key_value_heads", heads); kv != heads {
				c.KVHeads = kv
			}
			return c
		},
		prefix: []string{"model.", ""},
		embed:  "embed_tokens.weight",
		head:   "lm_head.weight",
		layers: "model.layers",
		rules:  llamaRules,
		ignore: among(".inv_freq"),
	}
}

func llamaRules(p part, c model.LMConfig, to rules) {
	d, keys := c.Dim, c.KVWidth()/2
	for i := range c.Depth {
		b, out := p.in("layers.%d.", i), fmt.Sprintf("lm.blocks.%d.", i)
		to[out+"norm1.weight"] = b.tensor("input_layernorm.weight", d)
		to[out+"qkv.weight"] = stack(b.tensor("self_attn.q_proj.weight", d, d),
			b.tensor("self_attn.k_proj.weight", keys, d), b.tensor("self_attn.v_proj.weight", keys, d))
		to[out+"out.weight"] = b.tensor("self_attn.o_proj.weight", d, d)
		to[out+"norm2.weight"] = b.tensor("post_attention_layernorm.weight", d)
		to[out+"up.weight"] = stack(b.tensor("mlp.gate_proj.weight", c.Hidden, d), b.tensor("mlp.up_proj.weight", c.Hidden, d))
		to[out+"down.weight"] = b.tensor("mlp.down_proj.weight", d, c.Hidden)
	}
	to["lm.norm.weight"] = p.tensor("norm.weight", d)
}
