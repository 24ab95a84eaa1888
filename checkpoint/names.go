package checkpoint

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// wrappers are modules that training puts around a model and that name no part of it: of data
// parallelism, sharding, activation checkpointing and compilation.
var wrappers = []string{"module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_orig_mod"}

// unwrap removes wrappers from a dotted name. The last component is a parameter, never a wrapper.
func unwrap(name string) string {
	parts := strings.Split(name, ".")
	last := len(parts) - 1
	parts = append(slices.DeleteFunc(parts[:last:last], func(s string) bool { return slices.Contains(wrappers, s) }), parts[last])
	return strings.Join(parts, ".")
}

// unwrapAll unwraps the names of a file. Two that become one must mean the same elements.
func unwrapAll(list []named) ([]named, error) {
	before := map[string]named{}
	out := list[:0]
	for _, t := range list {
		name := unwrap(t.name)
		if other, ok := before[name]; ok {
			if !other.same(t.view) {
				return nil, fmt.Errorf("tensors %q and %q differ and would both be called %q", other.name, t.name, name)
			}
			continue
		}
		before[name] = t
		t.name = name
		out = append(out, t)
	}
	return out, nil
}

// arrange checks the tensors of one file and sorts them by name.
func arrange(list []named) ([]named, error) {
	if len(list) == 0 {
		return nil, errors.New("the file holds no tensors under names")
	}
	for _, t := range list {
		if !utf8.ValidString(t.name) {
			return nil, fmt.Errorf("tensor %q: the name is not UTF-8", t.name)
		}
		if err := t.check(); err != nil {
			return nil, fmt.Errorf("tensor %q: %w", t.name, err)
		}
	}
	slices.SortFunc(list, func(a, b named) int { return strings.Compare(a.name, b.name) })
	for i, t := range list[1:] {
		if t.name == list[i].name {
			return nil, fmt.Errorf("tensor %q: the name appears twice", t.name)
		}
	}
	return list, nil
}

// search finds a tensor in a sorted list.
func search(list []named, name string) (named, bool) {
	i, ok := slices.BinarySearchFunc(list, name, func(t named, name string) int { return strings.Compare(t.name, name) })
	if !ok {
		return named{}, false
	}
	return list[i], true
}
