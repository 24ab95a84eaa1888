package model

import "flamingo/ops"

// Chinchilla (Hoffmann et al. 2022), which the Flamingo of the paper is built on: RMSNorm, relative
// positions as in Transformer-XL, GELU. Its weights were never published.
func init() { lmFamilies["chinchilla"] = decoder{positions: relative, rms: true, act: ops.GELU} }
