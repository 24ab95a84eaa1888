package convert

import (
	"fmt"

	"flamingo/model"
)

// Nobody has published a Chinchilla; the names are this project's.
func init() {
	lmKinds["chinchilla"] = lmKind{
		config: func(h *hfConfig) model.LMConfig {
			return model.LMConfig{
				Family: "chinchilla", Dim: h.whole("hidden_size"), Depth: h.whole("num_hidden_layers"), Heads: h.whole("num_attention_heads"),
				Hidden: h.whole("intermediate_size"), MaxPositions: h.whole("max_position_embeddings"), NormEps: float32(h.number("rms_norm_eps", 1e-6)),
			}
		},
		prefix: []string{""},
		embed:  "embed.weight",
		layers: "blocks",
		rules: func(p part, c model.LMConfig, to rules) {
			d := c.Dim
			for i := range c.Depth {
				b, out := p.in("blocks.%d.", i), fmt.Sprintf("lm.blocks.%d.", i)
				for name, shape := range map[string][]int{
					"norm1.weight": {d}, "qkv.weight": {3 * d, d}, "relative.weight": {d, d}, "out.weight": {d, d},
					"norm2.weight": {d}, "up.weight": {c.Hidden, d}, "down.weight": {d, c.Hidden},
				} {
					to[out+name] = b.tensor(name, shape...)
				}
				to[out+"q_bias"], to[out+"r_bias"] = b.tensor("relative_u", d), b.tensor("relative_v", d)
			}
			to["lm.norm.weight"] = p.tensor("norm.weight", d)
		},
	}
}
