package model

import "flamingo/ops"

// MosaicGPT (MosaicML, April 2023; MPT-1B): MPT with a LayerNorm over the full width of queries and
// of keys.
func init() { lmFamilies["mosaic_gpt"] = decoder{positions: alibi, qkNorm: true, act: ops.GELU} }
