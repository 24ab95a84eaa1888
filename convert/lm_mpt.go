package convert

import (
	"fmt"

	"flamingo/model"
)

func init() {
	mosaic := lmKind{
		config: func(h *hfConfig) model.LMConfig {
			for _, name := range []string{"softmax_scale", "attn_clip_qkv", "logit_scale"} {
				h.only(name)
			}
			h.only("alibi", "true")
			h.only("alibi_bias_max", "8")
			h.only("embedding_fraction", "1", "1.0")
			h.only("no_bias", "true")
			family := "mpt"
			if h.truth("attn_qk_ln", false) {
				family = "mosaic_gpt"
			}
			return mptConfig(h, family, h.whole("mlp_ratio", 4))
		},
		prefix: []string{"transformer.", ""},
		embed:  "wte.weight",
		layers: "transformer.blocks",
		rules:  mptRules("ln_1", "ln_2", "mlp.mlp_up", "mlp.mlp_down", "ln_f"),
		ignore: among("attn_bias", "causal_mask"),
	}
	lmKinds["mosaic_gpt"] = mosaic

	mpt := mosaic
	mpt.config = func(h *hfConfig) model.LMConfig {
		a := h.inner("attn_config")
		for _, name := range []string{"softmax_scale", "clip_qkv"} {
			a.only(name)
		}
		a.only("alibi", "true")
		a.only("alibi_bias_max", "8")
		a.only("prefix_lm", "false")
		a.only("attn_type", `"multihead_attention"`)
		h.only("no_bias", "true")
		h.only("logit_scale")
		h.only("embedding_fraction", "1", "1.0")
		family := "mpt"
		if a.truth("qk_ln", false) {
			family = "mosaic_gpt"
		}
		return mptConfig(h, family, h.whole("expansion_ratio", 4))
	}
	mpt.rules = mptRules("norm_1", "norm_2", "ffn.up_proj", "ffn.down_proj", "norm_f")
	lmKinds["mpt"] = mpt
}

func mptConfig(h *hfConfig, family string, ratio int) model.LMConfig {
	dim := h.whole("d_model")
	return model.LMConfig{
		Family: family, Dim: dim, Depth: h.whole("n_layers"), Heads: h.whole("n_heads"), Hidden: ratio * dim,
		MaxPositions: h.whole("max_seq_len"),
	}
}

// mptRules are for MPT's names, of which there are two generations.
func mptRules(norm1, norm2, up, down, last string) func(part, model.LMConfig, rules) {
	return func(p part, c model.LMConfig, to rules) {
		d := c.Dim
		for i := range c.Depth {
			b, out := p.in("blocks.%d.", i), fmt.Sprintf("lm.blocks.%d.", i)
			to[out+"norm1.weight"] = b.tensor(norm1+".weight", d)
			to[out+"qkv.weight"] = b.tensor("attn.Wqkv.weight", 3*d, d)
			if c.Family == "mosaic_gpt" {
				to[out+"q_norm.weight"] = b.tensor("attn.q_ln.weight", d)
				to[out+"k_norm.weight"] = b.tensor("attn.k_ln.weight", d)
			}
			to[out+"out.weight"] = b.tensor("attn.out_proj.weight", d, d)
			to[out+"norm2.weight"] = b.tensor(norm2+".weight", d)
			to[out+"up.weight"] = b.tensor(up+".weight", c.Hidden, d)
			to[out+"down.weight"] = b.tensor(down+".weight", d, c.Hidden)
		}
		to["lm.norm.weight"] = p.tensor(last+".weight", d)
	}
}
