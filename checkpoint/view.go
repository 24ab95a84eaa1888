package checkpoint

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/bits"
	"slices"

	"flamingo/tensor"
)

const (
	maxAxes     = 16
	maxElements = 1 << 53 // so that no product of a shape overflows
	maxExpanded = 1 << 24 // elements of a tensor that repeats a smaller storage
	bufferBytes = 256 << 10
	pageBytes   = 4 << 10 // a multiple of every element's width
	maxPages    = 8 << 10 // a column of as many rows is read with each page fetched once
)

// An element is how a number is stored.
type element struct {
	width  int
	floats func(dst []float32, src []byte) // nil for what is not a fraction
}

// elements are the dtypes by their names in safetensors files. All are little endian.
var elements = map[string]element{
	"F64": {8, func(dst []float32, src []byte) {
		for i := range dst {
			dst[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(src[8*i:])))
		}
	}},
	"F32": {4, tensor.GetF32},
	"F16": {2, func(dst []float32, src []byte) {
		tensor.Tensor{Shape: tensor.Shape{len(dst)}, DType: tensor.F16, Data: src}.UnpackRow(dst, 0)
	}},
	"BF16": {2, func(dst []float32, src []byte) {
		for i := range dst {
			dst[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(src[2*i:])) << 16)
		}
	}},
	"I64": {width: 8}, "I32": {width: 4}, "I16": {width: 2}, "I8": {width: 1}, "U8": {width: 1}, "BOOL": {width: 1},
}

// A storage is a run of bytes that tensors are views of. Two storages are the same when their
// pointers are.
type storage struct {
	r    io.ReaderAt
	from int64 // into r
	size int64
}

// A view is a tensor in a storage. Strides and offset count elements.
type view struct {
	dtype   string
	shape   tensor.Shape
	strides []int
	offset  int
	data    *storage
	fault   error // why the tensor cannot be read; told when it turns out to have a name
}

// denseStrides are those of a row-major tensor.
func denseStrides(shape tensor.Shape) []int {
	strides := make([]int, len(shape))
	n := 1
	for i := len(shape) - 1; i >= 0; i-- {
		strides[i] = n
		n *= max(shape[i], 1)
	}
	return strides
}

func (v *view) same(w *view) bool {
	return v.data == w.data && v.dtype == w.dtype && v.offset == w.offset && v.shape.Equal(w.shape) && slices.Equal(v.strides, w.strides)
}

// check says what is wrong with a view, so that reading any part of it stays inside its storage.
func (v *view) check() error {
	if v.fault != nil {
		return v.fault
	}
	if err := checkShape(v.shape); err != nil {
		return err
	}
	if len(v.strides) != len(v.shape) || v.offset < 0 {
		return fmt.Errorf("offset %d and strides %v do not fit shape %v", v.offset, v.strides, v.shape)
	}
	e, ok := elements[v.dtype]
	if !ok {
		return fmt.Errorf("dtype %q is not known", v.dtype)
	}
	last := uint64(v.offset)
	for i, d := range v.shape {
		high, span := bits.Mul64(uint64(max(d, 1)-1), uint64(v.strides[i]))
		if v.strides[i] < 0 || high != 0 || span > maxElements || last > maxElements {
			return fmt.Errorf("strides: got %v for shape %v, want ones that stay inside the storage", v.strides, v.shape)
		}
		last += span
	}
	n, holds := v.shape.Len(), v.data.size/int64(e.width)
	if n > 0 && last >= uint64(holds) {
		return fmt.Errorf("the last element is number %d of its storage, which has %d of %s", last, holds, v.dtype)
	}
	if n > maxExpanded && int64(n) > holds {
		return fmt.Errorf("shape %v repeats a storage of %d elements; such tensors may have at most %d", v.shape, holds, maxExpanded)
	}
	return nil
}

// checkShape bounds a shape that a file claims.
func checkShape(shape tensor.Shape) error {
	if len(shape) > maxAxes {
		return fmt.Errorf("shape: got %d axes, want at most %d", len(shape), maxAxes)
	}
	n := uint64(1)
	for _, d := range shape {
		high, low := bits.Mul64(n, uint64(max(d, 1)))
		if d < 0 || high != 0 || low >= maxElements {
			return fmt.Errorf("shape: got %v, want axes of at least 0 whose product is below 2^53", shape)
		}
		n = low
	}
	return nil
}

// dense reports whether the elements lie in row-major order without gaps.
func (v *view) dense() bool {
	n := 1
	for i := len(v.shape) - 1; i >= 0; i-- {
		if v.shape[i] != 1 && v.strides[i] != n {
			return false
		}
		n *= v.shape[i]
	}
	return true
}

// floats reads the elements from…to of the row-major tensor.
func (v *view) floats(from, to int) ([]float32, error) {
	e := elements[v.dtype]
	if e.floats == nil {
		return nil, fmt.Errorf("got dtype %s, want F64, F32, F16 or BF16", v.dtype)
	}
	dst := make([]float32, to-from)
	if len(dst) == 0 {
		return dst, nil
	}
	if !v.dense() {
		return dst, v.gather(dst, from, e)
	}
	buffer := make([]byte, min(bufferBytes, len(dst)*e.width))
	for i := 0; i < len(dst); {
		n := min(len(buffer)/e.width, len(dst)-i)
		if err := v.data.read(buffer[:n*e.width], int64(v.offset+from+i)*int64(e.width)); err != nil {
			return nil, err
		}
		e.floats(dst[i:i+n], buffer)
		i += n
	}
	return dst, nil
}

// gather reads elements that do not lie side by side, through pages: the rows of a transposed
// matrix share them.
func (v *view) gather(dst []float32, from int, e element) error {
	index, at := v.locate(from)
	pages := map[int64][]byte{}
	number, page := int64(-1), []byte(nil)
	for i := range dst {
		start := int64(at) * int64(e.width)
		if start/pageBytes != number {
			var err error
			number = start / pageBytes
			if page, err = v.data.page(pages, number); err != nil {
				return err
			}
		}
		e.floats(dst[i:i+1], page[start%pageBytes:])
		for axis := len(index) - 1; axis >= 0; axis-- {
			index[axis]++
			at += v.strides[axis]
			if index[axis] < v.shape[axis] {
				break
			}
			at -= v.strides[axis] * v.shape[axis]
			index[axis] = 0
		}
	}
	return nil
}

// locate gives the index of element n of the row-major tensor and its place in the storage.
func (v *view) locate(n int) (index []int, at int) {
	index, at = make([]int, len(v.shape)), v.offset
	for axis := len(index) - 1; axis >= 0; axis-- {
		index[axis] = n % v.shape[axis]
		n /= v.shape[axis]
		at += index[axis] * v.strides[axis]
	}
	return index, at
}

// page gives page n of the storage, of which it keeps a bounded number.
func (s *storage) page(pages map[int64][]byte, n int64) ([]byte, error) {
	if p, ok := pages[n]; ok {
		return p, nil
	}
	if len(pages) == maxPages {
		clear(pages)
	}
	p := make([]byte, min(pageBytes, s.size-n*pageBytes))
	pages[n] = p
	return p, s.read(p, n*pageBytes)
}

// read fills p with the bytes of the storage from at on.
func (s *storage) read(p []byte, at int64) error {
	return readFull(s.r, p, s.from+at)
}
