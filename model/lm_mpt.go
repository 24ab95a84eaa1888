package model

import "flamingo/ops"

// MPT (MosaicML 2023): no biases anywhere, ALiBi positions, GELU.
func init() { lmFamilies["mpt"] = decoder{positions: alibi, act: ops.GELU} }
