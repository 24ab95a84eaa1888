package model

import "flamingo/ops"

// MPT (MosaicML 2023): no biases anywhere, ALiBi positions, GELU.
func init() { lmFamilies["mpt"] = decoder{alibi: true, act: ops.GELU} }
