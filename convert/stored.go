package convert

import (
	"fmt"
	"os"

	"flamingo/loader"
	"flamingo/tensor"
)

// A storedTensor is one in the files of a converted model.
type storedTensor struct {
	loader.TensorEntry
	file *os.File
}

func (s storedTensor) bytes() ([]byte, error) {
	data := make([]byte, s.Bytes)
	if _, err := s.file.ReadAt(data, s.Offset); err != nil {
		return nil, fmt.Errorf("convert: %s: %s: %w", s.file.Name(), s.Name, err)
	}
	return data, nil
}

// value reads the whole tensor.
func (s storedTensor) value() (tensor.Tensor, error) {
	data, err := s.bytes()
	return tensor.Tensor{Shape: s.Shape, DType: s.DType, Data: data}, err
}
