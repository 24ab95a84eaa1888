package gpu

import (
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
)

// An Op is a kernel and its CPU twin. The kernel is shaders/NAME.wgsl; its storage bindings are
// In followed by Out, in group 0, and its Params are the uniform at group 1, binding 0.
type Op struct {
	Name     string
	In, Out  []string   // an Out may also be read: caches and state are updated in place
	CPU      func(*Run) // the twin: plain Go, the truth that kernels are tested against
	Variants []Variant  // faster kernels for devices with optional features, best first
}

// A Variant is another kernel of the same op, in shaders/NAME_SUFFIX.wgsl, with the same bindings,
// parameters and workgroup counts.
type Variant struct {
	Suffix string
	Needs  []string // features in WebGPU's spelling
}

// Kernel names the file that suits a device: the first variant whose needs are met, or the base.
func (o *Op) Kernel(i Info) string {
	for _, v := range o.Variants {
		if i.Has(v.Needs...) {
			return o.Name + "_" + v.Suffix
		}
	}
	return o.Name
}

// Consts are the compile-time facts of a kernel, printed in front of its text. Values are int,
// uint32, float32 or bool; a string is only substituted in include lines ($NAME).
type Consts map[string]any

// A Call is how one dispatch launches its op.
type Call struct {
	Consts Consts
	Params any    // a struct of uint32, int32 and float32 fields, as the kernel declares it
	Groups [3]int // workgroups; zero counts as one
}

// UniformBytes encodes Params as a uniform of a multiple of 16 bytes.
func (c Call) UniformBytes() ([]byte, error) {
	var b []byte
	if c.Params != nil {
		var err error
		if b, err = appendParams(nil, reflect.ValueOf(c.Params)); err != nil {
			return nil, fmt.Errorf("gpu: params %T: %w", c.Params, err)
		}
	}
	for len(b) == 0 || len(b)%16 != 0 {
		b = append(b, 0)
	}
	return b, nil
}

// appendParams encodes numbers of 32 bits, and structs and arrays of them. encoding/binary, which
// could do so too, would be downloaded by every visitor for this alone.
func appendParams(b []byte, v reflect.Value) (_ []byte, err error) {
	switch v.Kind() {
	case reflect.Uint32:
		return binary.LittleEndian.AppendUint32(b, uint32(v.Uint())), nil
	case reflect.Int32:
		return binary.LittleEndian.AppendUint32(b, uint32(v.Int())), nil
	case reflect.Float32:
		return binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(v.Float()))), nil
	case reflect.Struct:
		for i := 0; i < v.NumField() && err == nil; i++ {
			b, err = appendParams(b, v.Field(i))
		}
		return b, err
	case reflect.Array:
		for i := 0; i < v.Len() && err == nil; i++ {
			b, err = appendParams(b, v.Index(i))
		}
		return b, err
	}
	return nil, fmt.Errorf("a field is %s, want uint32, int32 or float32", v.Kind())
}

// Size returns the workgroup counts with zeros replaced by ones.
func (c Call) Size() [3]int {
	g := c.Groups
	for i := range g {
		g[i] = max(g[i], 1)
	}
	return g
}
