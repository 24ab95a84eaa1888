package checkpoint

import (
	"errors"
	"fmt"
	"strings"
)

// The other values that an allowed name can stand for.
type (
	storageType struct{ dtype string } // a class of storages in torch; UntypedStorage has no dtype
	torchDType  struct{ dtype string }
	numpyArray  struct{} // the class numpy.ndarray
	scriptClass struct{} // a class of TorchScript
)

// A record is an object of TorchScript: inert, its attributes in a dict.
type record struct{ attributes *dict }

// globals is the allow-list: every name by which a pickle may ask for a function or a class. None
// of it is Python; what the functions do is written here.
var globals = map[string]any{
	"collections.OrderedDict": function{"collections.OrderedDict", orderedDict},
	"_codecs.encode":          function{"_codecs.encode", encode},
	// With protocol 2, Python 3 writes its empty byte string so.
	"__builtin__.bytes": function{"bytes", emptyBytes},
	"builtins.bytes":    function{"bytes", emptyBytes},

	"torch._utils._rebuild_tensor":               function{"torch._utils._rebuild_tensor", rebuildTensor},
	"torch._utils._rebuild_tensor_v2":            function{"torch._utils._rebuild_tensor_v2", rebuildTensor},
	"torch._utils._rebuild_tensor_v3":            function{"torch._utils._rebuild_tensor_v3", rebuildTyped},
	"torch._utils._rebuild_parameter":            function{"torch._utils._rebuild_parameter", firstArgument},
	"torch._utils._rebuild_parameter_with_state": function{"torch._utils._rebuild_parameter_with_state", firstArgument},
	"torch.Size":                         function{"torch.Size", firstArgument},
	"torch.jit._pickle.build_intlist":    function{"torch.jit._pickle.build_intlist", firstArgument},
	"torch.jit._pickle.build_doublelist": function{"torch.jit._pickle.build_doublelist", firstArgument},
	"torch.jit._pickle.build_boollist":   function{"torch.jit._pickle.build_boollist", firstArgument},
	"torch.jit._pickle.build_tensorlist": function{"torch.jit._pickle.build_tensorlist", firstArgument},
	"torch.jit._pickle.restore_type_tag": function{"torch.jit._pickle.restore_type_tag", firstArgument},

	"numpy.ndarray":                      numpyArray{},
	"numpy.dtype":                        function{"numpy.dtype", numpyType},
	"numpy.core.multiarray._reconstruct": function{"numpy.core.multiarray._reconstruct", numpyReconstruct},
	"numpy.core.multiarray.scalar":       function{"numpy.core.multiarray.scalar", numpyScalar},
	"numpy.core.numeric._frombuffer":     function{"numpy.core.numeric._frombuffer", numpyFromBuffer},
}

// torchNames are torch's classes of storages and its dtypes, by the dtypes of safetensors files.
var torchNames = []struct {
	dtype, storage string
	dtypes         []string
}{
	{"F64", "Double", []string{"float64", "double"}},
	{"F32", "Float", []string{"float32", "float"}},
	{"F16", "Half", []string{"float16", "half"}},
	{"BF16", "BFloat16", []string{"bfloat16"}},
	{"I64", "Long", []string{"int64", "long"}},
	{"I32", "Int", []string{"int32", "int"}},
	{"I16", "Short", []string{"int16", "short"}},
	{"I8", "Char", []string{"int8"}},
	{"U8", "Byte", []string{"uint8"}},
	{"BOOL", "Bool", []string{"bool"}},
	{"", "Untyped", nil},
}

func init() {
	for _, n := range torchNames {
		for _, module := range []string{"torch.", "torch.storage.", "torch.cuda."} {
			globals[module+n.storage+"Storage"] = storageType{n.dtype}
		}
		for _, d := range n.dtypes {
			globals["torch."+d] = torchDType{n.dtype}
		}
	}
}

// resolve looks a name up in the allow-list.
func resolve(module, name string) (any, error) {
	full := module + "." + name
	if rest, ok := strings.CutPrefix(full, "numpy._core."); ok {
		full = "numpy.core." + rest // as NumPy 2 calls it
	}
	if v, ok := globals[full]; ok {
		return v, nil
	}
	if module == "__torch__" || strings.HasPrefix(module, "__torch__.") {
		return scriptClass{}, nil
	}
	return nil, fmt.Errorf("the pickle wants to call %.200q, which is not among the names that weights need; nothing was executed, save the state_dict alone", full)
}

// global reads a module and a name from two lines.
func (m *machine) global(module string) error {
	name, err := m.in.line()
	if err != nil {
		return err
	}
	return m.pushGlobal(module, name)
}

func (m *machine) stackGlobal(items tuple) error {
	module, ok := m.textOf(items[0])
	name, okName := m.textOf(items[1])
	if !ok || !okName {
		return fmt.Errorf("got %s and %s, want the names of a module and of what is in it", kindName(items[0]), kindName(items[1]))
	}
	return m.pushGlobal(module, name)
}

func (m *machine) pushGlobal(module, name string) error {
	v, err := resolve(module, name)
	if err != nil {
		return err
	}
	return m.push(v)
}

// reduce calls what the allow-list has under a name.
func (m *machine) reduce(items tuple) error {
	args, ok := items[1].(tuple)
	if !ok {
		return fmt.Errorf("got %s, want a tuple of arguments", kindName(items[1]))
	}
	m.ops += len(args) // the memo may hold a long tuple
	switch f := items[0].(type) {
	case function:
		v, err := f.call(m, args)
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		return m.push(v)
	case scriptClass:
		return m.push(&record{})
	}
	return fmt.Errorf("got %s, want a function to call", kindName(items[0]))
}

// build gives the value below the last one its state.
func (m *machine) build(items tuple) error {
	v, err := m.top()
	if err != nil {
		return err
	}
	switch v := v.(type) {
	case *dict:
		return nil // attributes of an OrderedDict, such as the versions of a state_dict's modules
	case *record:
		v.attributes, _ = items[0].(*dict) // objects with a __setstate__ of their own hold no parameters
		return nil
	case *numpyDType:
		return v.setState(m, items[0])
	case *view:
		return v.setState(m, items[0])
	}
	return fmt.Errorf("got %s, want something that has a state", kindName(v))
}

func orderedDict(m *machine, args tuple) (any, error) {
	d := &dict{}
	if len(args) == 0 {
		return d, nil
	}
	pairs, ok := args[0].(*list)
	if !ok || len(args) > 1 {
		return nil, fmt.Errorf("got %d arguments, the first %s, want none or a list of pairs", len(args), kindName(args[0]))
	}
	m.ops += len(pairs.items) // and a long list
	for i, p := range pairs.items {
		pair, ok := p.(tuple)
		if l, isList := p.(*list); isList {
			pair, ok = l.items, true
		}
		if !ok || len(pair) != 2 {
			return nil, fmt.Errorf("item %d: got %s, want a pair", i, kindName(p))
		}
		if err := m.set(d, pair[0], pair[1]); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// firstArgument is for functions that dress up what they are given.
func firstArgument(_ *machine, args tuple) (any, error) {
	if len(args) == 0 {
		return nil, errors.New("got no arguments, want at least one")
	}
	return args[0], nil
}

func emptyBytes(_ *machine, args tuple) (any, error) {
	if len(args) > 0 {
		return nil, fmt.Errorf("got %d arguments, want none", len(args))
	}
	return &blob{storage: storage{strings.NewReader(""), 0, 0}}, nil
}

// integers reads a tuple, or a list, of numbers that fit an int.
func integers(v any) ([]int, error) {
	items, ok := v.(tuple)
	if l, isList := v.(*list); isList {
		items, ok = l.items, true
	}
	if !ok || len(items) > maxAxes {
		return nil, fmt.Errorf("got %s, want a tuple of at most %d integers", kindName(v), maxAxes)
	}
	out := make([]int, len(items))
	for i, x := range items {
		n, ok := x.(int64)
		if !ok {
			return nil, fmt.Errorf("got %s, want an integer", kindName(x))
		}
		out[i] = int(n)
	}
	return out, nil
}
