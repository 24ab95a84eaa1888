package gpu

import (
	"context"
	"fmt"

	"flamingo/tensor"
)

// A Tensor is a value on a device, or one that a pass will produce.
type Tensor struct {
	Shape tensor.Shape
	DType tensor.DType

	buffer Buffer // nil for a temporary of a pass
	temp   int    // index of the temporary in its pass
}

// Alloc returns a zeroed tensor that lives until Free.
func Alloc(d Device, label string, t tensor.DType, shape ...int) (Tensor, error) {
	n, err := t.Bytes(shape)
	if err != nil {
		return Tensor{}, fmt.Errorf("gpu: %s: %w", label, err)
	}
	b, err := d.Alloc(n, label)
	if err != nil {
		return Tensor{}, err
	}
	return Tensor{Shape: shape, DType: t, buffer: b}, nil
}

// Upload allocates a tensor and copies a host value to it.
func Upload(d Device, label string, v tensor.Tensor) (Tensor, error) {
	t, err := Alloc(d, label, v.DType, v.Shape...)
	if err != nil {
		return Tensor{}, err
	}
	if err := t.Write(d, 0, tensor.GoBytes(v.Data)); err != nil {
		t.Free(d)
		return Tensor{}, err
	}
	return t, nil
}

// Write copies bytes into the tensor from the given byte offset on.
func (t Tensor) Write(d Device, offset int, data tensor.Bytes) error {
	if t.buffer == nil {
		return fmt.Errorf("gpu: write: the tensor %v is a temporary of a pass", t.Shape)
	}
	return d.Write(t.buffer, offset, data)
}

// Read copies the tensor back to the host, after everything submitted so far.
func (t Tensor) Read(ctx context.Context, d Device) (tensor.Tensor, error) {
	if t.buffer == nil {
		return tensor.Tensor{}, fmt.Errorf("gpu: read: the tensor %v is a temporary of a pass", t.Shape)
	}
	v := tensor.New(t.DType, t.Shape...)
	f, err := d.Fetch(t.buffer, 0, len(v.Data))
	if err != nil {
		return v, err
	}
	return v, f.Wait(ctx, v.Data)
}

// Fetch starts to copy the tensor back to the host; what is submitted later does not change it.
func (t Tensor) Fetch(d Device) (Fetch, error) {
	if t.buffer == nil {
		return nil, fmt.Errorf("gpu: fetch: the tensor %v is a temporary of a pass", t.Shape)
	}
	n, err := t.DType.Bytes(t.Shape)
	if err != nil {
		return nil, err
	}
	return d.Fetch(t.buffer, 0, n)
}

// Free returns the tensor's memory to the device.
func (t Tensor) Free(d Device) {
	if t.buffer != nil {
		d.Free(t.buffer)
	}
}

// Valid reports whether t is a tensor at all.
func (t Tensor) Valid() bool { return t.buffer != nil || t.temp > 0 }

// Dim is the extent of axis i; negative axes count from the end.
func (t Tensor) Dim(i int) int { return t.Shape.Dim(i) }

// Rows is the number of rows when the last axis is a row.
func (t Tensor) Rows() int { return t.Shape.Rows() }

// Reshape is the same data under another shape of as many elements.
func (t Tensor) Reshape(shape ...int) Tensor {
	if tensor.Shape(shape).Len() != t.Shape.Len() {
		panic(fmt.Sprintf("gpu: %v does not reshape to %v", t.Shape, tensor.Shape(shape)))
	}
	t.Shape = shape
	return t
}
