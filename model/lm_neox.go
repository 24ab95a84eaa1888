package model

import "flamingo/ops"

// GPT-NeoX (Black et al. 2022; Pythia, RedPajama-INCITE): biases everywhere, rotary positions, an
// output matrix of its own.
func init() {
	lmFamilies["gpt_neox"] = decoder{positions: rotary, normBias: true, bias: true, act: ops.GELU}
}
