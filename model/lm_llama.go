package model

// LLaMA (Touvron et al. 2023): RMSNorm, rotary positions, SwiGLU, no biases.
func init() { lmFamilies["llama"] = decoder{positions: rotary, rms: true, gated: true} }
