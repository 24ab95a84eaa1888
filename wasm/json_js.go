package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"syscall/js"

	"flamingo/model"
)

// Values cross the border as JSON: its code is there already, for manifests, and field by field would
// take several times as much.

// decode reads a value strictly: a key that `to` has no field for is an error. Keys that are undefined
// count as absent, and so does a value that is.
func decode(call string, v js.Value, to any) error {
	if v.IsUndefined() || v.IsNull() {
		return nil
	}
	d := json.NewDecoder(strings.NewReader(js.Global().Get("JSON").Call("stringify", v).String()))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return fmt.Errorf("%w: %s: %w", model.ErrOption, call, err)
	}
	return nil
}

// encode makes a JavaScript value.
func encode(v any) js.Value {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return js.Global().Get("JSON").Call("parse", string(data))
}
