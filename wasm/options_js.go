package main

import (
	"fmt"
	"math"
	"strings"
	"syscall/js"

	"flamingo/model"
)

// An option is one key of an options object: how to read its value.
type option struct {
	name string
	read func(js.Value) error
}

// decode reads an options object strictly: a key it does not know is an error. Keys that are
// undefined count as absent.
func decode(call string, v js.Value, options ...option) error {
	if v.IsUndefined() || v.IsNull() {
		return nil
	}
	if v.Type() != js.TypeObject {
		return fmt.Errorf("%w: %s: options are a %s, want an object", model.ErrOption, call, v.Type())
	}
	keys := js.Global().Get("Object").Call("keys", v)
next:
	for i := range keys.Length() {
		key := keys.Index(i).String()
		for _, o := range options {
			if o.name != key {
				continue
			}
			if value := v.Get(key); !value.IsUndefined() {
				if err := o.read(value); err != nil {
					return fmt.Errorf("%w: %s: %s: %w", model.ErrOption, call, key, err)
				}
			}
			continue next
		}
		var known []string
		for _, o := range options {
			known = append(known, o.name)
		}
		return fmt.Errorf("%w: %s: %q is not known, want one of %s", model.ErrOption, call, key, strings.Join(known, ", "))
	}
	return nil
}

func number(name string, to *float64) option {
	return option{name, func(v js.Value) error {
		if v.Type() != js.TypeNumber || math.IsNaN(v.Float()) {
			return fmt.Errorf("is a %s, want a number", v.Type())
		}
		*to = v.Float()
		return nil
	}}
}

func integer(name string, to *int) option {
	return option{name, func(v js.Value) error {
		if v.Type() != js.TypeNumber || v.Float() != math.Trunc(v.Float()) || math.Abs(v.Float()) > math.MaxInt32 {
			return fmt.Errorf("is %s, want a whole number", js.Global().Get("String").Invoke(v).String())
		}
		*to = v.Int()
		return nil
	}}
}

func text(name string, to *string, allowed ...string) option {
	return option{name, func(v js.Value) error {
		if v.Type() != js.TypeString {
			return fmt.Errorf("is a %s, want a string", v.Type())
		}
		*to = v.String()
		for _, a := range allowed {
			if a == *to {
				return nil
			}
		}
		if len(allowed) > 0 {
			return fmt.Errorf("is %q, want one of %s", *to, strings.Join(allowed, ", "))
		}
		return nil
	}}
}

// prompt reads words, or an array of token ids.
func prompt(name string, words *string, ids *[]int32) option {
	return option{name, func(v js.Value) error {
		if !js.Global().Get("Array").Call("isArray", v).Bool() {
			return text(name, words).read(v)
		}
		*ids = []int32{}
		for i := range v.Length() {
			id := 0
			if err := integer(name, &id).read(v.Index(i)); err != nil {
				return fmt.Errorf("token %d %w", i, err)
			}
			*ids = append(*ids, int32(id))
		}
		return nil
	}}
}

func boolean(name string, to *bool) option {
	return option{name, func(v js.Value) error {
		if v.Type() != js.TypeBoolean {
			return fmt.Errorf("is a %s, want true or false", v.Type())
		}
		*to = v.Bool()
		return nil
	}}
}
