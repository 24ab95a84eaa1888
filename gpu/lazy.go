package gpu

import (
	"fmt"

	"flamingo/tensor"
)

// lazyBuffer is memory of the CPU device that is made anew for each kernel that reads it.
type lazyBuffer struct {
	size int
	load func() ([]byte, error)
}

func (b *lazyBuffer) Size() int { return b.size }

// AllocLazy returns a tensor of the CPU device d whose bytes are loaded each time a kernel reads
// them and are not kept, so that a model larger than memory can run, slowly. Nothing can be written
// to it.
func AllocLazy(d Device, label string, t tensor.DType, shape tensor.Shape, load func() ([]byte, error)) (Tensor, error) {
	n, err := t.Bytes(shape)
	if err != nil {
		return Tensor{}, fmt.Errorf("gpu: %s: %w", label, err)
	}
	if _, ok := d.(*cpu); !ok {
		return Tensor{}, fmt.Errorf("gpu: %s: %s has no lazy tensors, only the CPU has", label, d.Info().Description)
	}
	return Tensor{Shape: shape, DType: t, buffer: &lazyBuffer{n, load}}, nil
}

// hostBytes is the memory of a buffer of the CPU device.
func hostBytes(b Buffer) ([]byte, error) {
	switch b := b.(type) {
	case *hostBuffer:
		return *b, nil
	case *lazyBuffer:
		data, err := b.load()
		if err == nil && len(data) != b.size {
			err = fmt.Errorf("gpu: %d bytes were loaded for a buffer of %d", len(data), b.size)
		}
		return data, err
	}
	return nil, fmt.Errorf("gpu: %T is no buffer of the CPU device", b)
}
