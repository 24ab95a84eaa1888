package checkpoint

import (
	"io"

	"flamingo/loader"
)

// readSafetensors reads a header. No two tensors of such a file share bytes.
func readSafetensors(r io.ReaderAt, size int64) ([]named, error) {
	s, err := loader.OpenSafetensors(r, size)
	if err != nil {
		return nil, err
	}
	var list []named
	for _, e := range s.Entries {
		list = append(list, named{name: e.Name, view: &view{
			dtype: e.DType, shape: e.Shape, strides: denseStrides(e.Shape), data: &storage{r, e.Offset, e.Bytes},
		}})
	}
	return unwrapAll(list)
}
