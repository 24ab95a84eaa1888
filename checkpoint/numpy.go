package checkpoint

import (
	"fmt"
	"math/bits"

	"flamingo/tensor"
)

// numpyKinds are the types of arrays that are tensors here, by NumPy's codes. Arrays of others, such
// as text or objects, are data beside the weights and are left out.
var numpyKinds = map[string]string{
	"f8": "F64", "f4": "F32", "f2": "F16", "i8": "I64", "i4": "I32", "i2": "I16", "i1": "I8", "u1": "U8", "b1": "BOOL",
}

// A numpyDType is a type of elements: its code and, once known, its byte order.
type numpyDType struct {
	code  string
	order byte // <, > or |; = for the writer's own, which is taken for little endian
}

// parseNumPyType reads a code such as <f4, whose order may be absent.
func parseNumPyType(code string) *numpyDType {
	if code != "" {
		switch code[0] {
		case '<', '>', '|', '=':
			return &numpyDType{code[1:], code[0]}
		}
	}
	return &numpyDType{code, '='}
}

// array is the view of n bytes that hold elements of type d. fortran says that the first axis is
// innermost. The result has no dtype when its elements are none that tensors have.
func (d *numpyDType) array(shape tensor.Shape, fortran bool, data storage) *view {
	v := &view{dtype: numpyKinds[d.code], shape: shape, data: &data}
	if v.dtype == "" {
		return v
	}
	if v.fault = checkShape(shape); v.fault != nil {
		return v
	}
	width := elements[v.dtype].width
	if d.order == '>' && width > 1 {
		v.fault = fmt.Errorf("the elements are big endian (>%s); save them little endian", d.code)
		return v
	}
	high, want := bits.Mul64(uint64(shape.Len()), uint64(width))
	if high != 0 || want != uint64(data.size) {
		v.fault = fmt.Errorf("got %d bytes, want %d for %s of %v", data.size, want, v.dtype, shape)
		return v
	}
	v.strides = denseStrides(shape)
	if fortran {
		n := 1
		for i, extent := range shape {
			v.strides[i] = n
			n *= max(extent, 1)
		}
	}
	return v
}

// numpyType is numpy.dtype(code, align, copy).
func numpyType(m *machine, args tuple) (any, error) {
	if len(args) == 0 {
		return nil, fmt.Errorf("got no arguments, want the code of a type")
	}
	code, ok := m.textOf(args[0])
	if !ok {
		return nil, fmt.Errorf("got %s, want the code of a type", kindName(args[0]))
	}
	return parseNumPyType(code), nil
}

// setState takes the tuple whose second item is the byte order.
func (d *numpyDType) setState(m *machine, state any) error {
	t, ok := state.(tuple)
	if !ok || len(t) < 2 {
		return fmt.Errorf("numpy.dtype: got %s, want a tuple with the byte order", kindName(state))
	}
	order, ok := m.textOf(t[1])
	if !ok || len(order) != 1 {
		return fmt.Errorf("numpy.dtype: byte order: got %.10q, want one of < > | =", order)
	}
	d.order = order[0]
	return nil
}

// numpyReconstruct makes an array that gets its contents by setState.
func numpyReconstruct(_ *machine, args tuple) (any, error) {
	if len(args) == 0 || args[0] != (numpyArray{}) {
		return nil, fmt.Errorf("want numpy.ndarray as the first of the arguments")
	}
	return &view{}, nil
}

// setState fills an array from (version, shape, dtype, is Fortran order, bytes).
func (v *view) setState(m *machine, state any) error {
	t, ok := state.(tuple)
	if !ok || len(t) != 5 {
		return fmt.Errorf("numpy.ndarray: got %s, want a tuple of version, shape, dtype, order and bytes", kindName(state))
	}
	if v.data != nil {
		return fmt.Errorf("numpy.ndarray: the array has its state already")
	}
	fortran, ok := t[3].(bool)
	if n, isNumber := t[3].(int64); isNumber {
		fortran, ok = n != 0, true
	}
	if !ok {
		return fmt.Errorf("numpy.ndarray: order: got %s, want a boolean", kindName(t[3]))
	}
	a, err := arrayOf(t[2], t[1], fortran, t[4])
	if err != nil {
		return fmt.Errorf("numpy.ndarray: %w", err)
	}
	*v = *a
	return nil
}

func arrayOf(dtype, shape any, fortran bool, data any) (*view, error) {
	d, ok := dtype.(*numpyDType)
	if !ok {
		return nil, fmt.Errorf("got %s, want a numpy.dtype", kindName(dtype))
	}
	extents, err := integers(shape)
	if err != nil {
		return nil, fmt.Errorf("shape: %w", err)
	}
	b, ok := data.(*blob)
	if !ok {
		b = &blob{} // the objects of an array of objects
		if numpyKinds[d.code] != "" {
			return nil, fmt.Errorf("got %s, want the array's bytes", kindName(data))
		}
	}
	return d.array(extents, fortran, b.storage), nil
}

// numpyScalar is a tensor without axes.
func numpyScalar(_ *machine, args tuple) (any, error) {
	if len(args) != 2 {
		return nil, fmt.Errorf("got %d arguments, want a dtype and bytes", len(args))
	}
	return arrayOf(args[0], tuple{}, false, args[1])
}

// numpyFromBuffer makes an array of (bytes, dtype, shape, order), as protocol 5 has it.
func numpyFromBuffer(m *machine, args tuple) (any, error) {
	if len(args) < 4 {
		return nil, fmt.Errorf("got %d arguments, want bytes, dtype, shape and order", len(args))
	}
	order, _ := m.textOf(args[3])
	if order != "C" && order != "F" {
		return nil, fmt.Errorf("order: got %s, want C or F", kindName(args[3]))
	}
	return arrayOf(args[1], args[2], order == "F", args[0])
}
