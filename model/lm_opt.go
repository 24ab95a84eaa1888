package model

import "flamingo/ops"

// OPT (Zhang et al. 2022): biases everywhere, ReLU, learned positions of which the first two rows are
// for padding.
func init() {
	lmFamilies["opt"] = decoder{positions: learned, offset: 2, normBias: true, bias: true, act: ops.ReLU}
}
