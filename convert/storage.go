package convert

import (
	"flamingo/model"
	"flamingo/tensor"
)

// Storage is the format in which a conversion stores a tensor when its large matrices are stored
// as d.
func Storage(e model.Entry, d tensor.DType) tensor.DType { return policy(e, d) }
