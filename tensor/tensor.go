// Package tensor holds values on the host: data types, shapes, the block formats of quantised
// weights, and the comparison that every numeric test uses. It knows nothing of devices.
package tensor

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
)

// A Shape lists the extents of a tensor, outermost first. The empty shape is a scalar.
type Shape []int

// Len is the number of elements.
func (s Shape) Len() int {
	n := 1
	for _, d := range s {
		n *= d
	}
	return n
}

// Dim is the extent of axis i; negative axes count from the end.
func (s Shape) Dim(i int) int {
	if i < 0 {
		i += len(s)
	}
	if i < 0 || i >= len(s) {
		return 1
	}
	return s[i]
}

// Rows is the number of rows when the last axis is a row.
func (s Shape) Rows() int {
	if len(s) == 0 {
		return 1
	}
	n := 1
	for _, d := range s[:len(s)-1] {
		n *= d
	}
	return n
}

// Equal reports whether both shapes have the same extents.
func (s Shape) Equal(t Shape) bool {
	if len(s) != len(t) {
		return false
	}
	for i := range s {
		if s[i] != t[i] {
			return false
		}
	}
	return true
}

func (s Shape) String() string {
	return "[" + strings.Trim(strings.ReplaceAll(fmt.Sprint([]int(s)), " ", ","), "[]") + "]"
}

// A Tensor is a dense value in host memory, row-major, little endian.
type Tensor struct {
	Shape Shape
	DType DType
	Data  []byte
}

// New returns a zeroed tensor.
func New(d DType, shape ...int) Tensor {
	n, err := d.Bytes(shape)
	if err != nil {
		panic(err)
	}
	return Tensor{Shape: shape, DType: d, Data: make([]byte, n)}
}

// FromF32 copies v into an f32 tensor; its length must match the shape.
func FromF32(v []float32, shape ...int) Tensor {
	if Shape(shape).Len() != len(v) {
		panic(fmt.Sprintf("tensor: %d values do not fill %v", len(v), Shape(shape)))
	}
	t := New(F32, shape...)
	PutF32(t.Data, v)
	return t
}

// FromI32 copies v into an i32 tensor; its length must match the shape.
func FromI32(v []int32, shape ...int) Tensor {
	if Shape(shape).Len() != len(v) {
		panic(fmt.Sprintf("tensor: %d values do not fill %v", len(v), Shape(shape)))
	}
	t := New(I32, shape...)
	for i, x := range v {
		binary.LittleEndian.PutUint32(t.Data[4*i:], uint32(x))
	}
	return t
}

// F32 returns the values as float32, dequantising when needed.
func (t Tensor) F32() []float32 {
	out := make([]float32, t.Shape.Len())
	k := t.Shape.Dim(-1)
	for i := range t.Shape.Rows() {
		t.UnpackRow(out[i*k:(i+1)*k], i)
	}
	return out
}

// I32 returns the values of an i32 tensor.
func (t Tensor) I32() []int32 {
	out := make([]int32, len(t.Data)/4)
	for i := range out {
		out[i] = int32(binary.LittleEndian.Uint32(t.Data[4*i:]))
	}
	return out
}

// PutF32 writes v to dst in little-endian order.
func PutF32(dst []byte, v []float32) {
	for i, x := range v {
		binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(x))
	}
}

// GetF32 reads len(dst) little-endian float32 values from src.
func GetF32(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
	}
}
