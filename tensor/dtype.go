package tensor

import (
	"fmt"
	"math"
)

// A DType is a storage format. F32 and I32 are used for activations and state; the others hold
// weights, which kernels dequantise as they read them.
type DType uint8

const (
	F32 DType = iota
	F16
	Q8
	Q4
	I32
)

// BlockLen is the number of consecutive weights along a row that share one scale in Q8 and Q4.
const BlockLen = 32

// format is one row of the table of storage formats.
type format struct {
	name   string
	bits   int  // per element, scales apart
	blocks bool // rows are blocks of BlockLen with an f16 scale each
	// Both work on whole blocks; scales are only there with blocks.
	pack   func(quants, scales []byte, src []float32)
	unpack func(dst []float32, quants, scales []byte)
}

var formats = [...]format{
	F32: {name: "f32", bits: 32, pack: func(quants, _ []byte, src []float32) { PutF32(quants, src) }, unpack: func(dst []float32, quants, _ []byte) { GetF32(dst, quants) }},
	F16: {name: "f16", bits: 16, pack: packF16, unpack: unpackF16},
	Q8:  {name: "q8", bits: 8, blocks: true, pack: packQ8, unpack: unpackQ8},
	Q4:  {name: "q4", bits: 4, blocks: true, pack: packQ4, unpack: unpackQ4},
	I32: {name: "i32", bits: 32},
}

func (d DType) String() string {
	if int(d) < len(formats) {
		return formats[d].name
	}
	return fmt.Sprintf("dtype(%d)", uint8(d))
}

// ParseDType is the inverse of String.
func ParseDType(name string) (DType, error) {
	for d, f := range formats {
		if f.name == name {
			return DType(d), nil
		}
	}
	return 0, fmt.Errorf("tensor: dtype %q is not known, want one of f32, f16, q8, q4, i32", name)
}

// MarshalText and UnmarshalText let a DType stand in JSON under its name.
func (d DType) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

func (d *DType) UnmarshalText(b []byte) (err error) {
	*d, err = ParseDType(string(b))
	return err
}

// Quantised reports whether rows are blocks with scales.
func (d DType) Quantised() bool { return formats[d].blocks }

// Bytes is the storage of a tensor, a multiple of 4. A quantised shape needs a last axis that is
// a multiple of BlockLen.
func (d DType) Bytes(shape Shape) (int, error) {
	if int(d) >= len(formats) {
		return 0, fmt.Errorf("tensor: %v is not a dtype", d)
	}
	n := 1
	for _, x := range shape {
		if x < 0 || (x > 0 && n > math.MaxInt32*64/x) {
			return 0, fmt.Errorf("tensor: shape %v is negative or too large", shape)
		}
		n *= x
	}
	f := formats[d]
	bytes := (n*f.bits + 7) / 8
	if f.blocks {
		if len(shape) == 0 || shape.Dim(-1)%BlockLen != 0 {
			return 0, fmt.Errorf("tensor: shape %v as %v: the last axis is not a multiple of %d", shape, d, BlockLen)
		}
		bytes += n / BlockLen * 2
	}
	return (bytes + 3) &^ 3, nil
}

// Quants is the size in bytes of the part of a quantised tensor that precedes its scales.
func (d DType) Quants(shape Shape) int { return shape.Len() * formats[d].bits / 8 }

// Pack stores f32 values of the given shape in format d.
func Pack(d DType, v []float32, shape ...int) (Tensor, error) {
	n, err := d.Bytes(shape)
	if err != nil {
		return Tensor{}, err
	}
	if Shape(shape).Len() != len(v) {
		return Tensor{}, fmt.Errorf("tensor: %d values do not fill %v", len(v), Shape(shape))
	}
	t := Tensor{Shape: shape, DType: d, Data: make([]byte, n)}
	return t, t.PackRows(0, v)
}

// PackRows stores whole rows of f32 values from row i of t on. Calls for different rows may run at
// the same time.
func (t Tensor) PackRows(i int, v []float32) error {
	f, k := formats[t.DType], t.Shape.Dim(-1)
	if f.pack == nil {
		return fmt.Errorf("tensor: %v does not hold fractions", t.DType)
	}
	if i < 0 || len(v)%max(k, 1) != 0 || i*k+len(v) > t.Shape.Len() {
		return fmt.Errorf("tensor: %d values from row %d on are no rows of %v", len(v), i, t.Shape)
	}
	quants, scales := t.row(i)
	f.pack(quants, scales, v)
	return nil
}

// row is where row i of t and its scales begin.
func (t Tensor) row(i int) (quants, scales []byte) {
	f, k := formats[t.DType], t.Shape.Dim(-1)
	if f.blocks {
		scales = t.Data[t.DType.Quants(t.Shape)+i*k/BlockLen*2:]
	}
	return t.Data[i*k*f.bits/8:], scales
}

// UnpackRow dequantises row i of t, which has Rows() rows, into dst, as long as the last axis.
func (t Tensor) UnpackRow(dst []float32, i int) {
	f := formats[t.DType]
	if f.unpack == nil {
		panic(fmt.Sprintf("tensor: %v does not hold fractions", t.DType))
	}
	quants, scales := t.row(i)
	f.unpack(dst, quants[:t.Shape.Dim(-1)*f.bits/8], scales)
}
