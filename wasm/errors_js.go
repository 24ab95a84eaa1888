package main

import (
	"errors"
	"strings"
	"syscall/js"

	"flamingo/runtime"
)

// hints say what to do, by error code.
var hints = map[string]string{
	"aborted":            "",
	"webgpu-unavailable": `Use a browser with WebGPU, or pass device: "cpu" for small models.`,
	"no-adapter":         `Switch hardware acceleration on and update the graphics driver, or pass device: "cpu" for small models.`,
	"limits-too-small":   "Choose a smaller model, or a stronger quantisation of this one.",
	"device-lost":        "Load the model again; if that repeats, choose a smaller model.",
	"out-of-memory":      "Close other pages that use the GPU, or choose a smaller model.",
	"cors":               "The server of the model must send Access-Control-Allow-Origin, and the page's CSP must allow the host.",
	"offline":            "Load the model once with a network connection.",
	"network":            "Check the connection and the address of the model.",
	"integrity":          "The server delivers other bytes than its manifest names: publish the model again.",
	"quota-exceeded":     `Free disk space or clear the cache, or load with cache: "none".`,
	"invalid-model":      "Convert the model again with `flamingo convert`.",
	"unsupported-model":  "Convert the model with a version of `flamingo` that matches this page.",
	"invalid-option":     "See flamingo.d.ts for what each option takes.",
	"internal":           "This is a bug in the engine: please report it with the console's text.",
}

// toJS makes the Error that a promise is rejected with: {name, code, message, hint}. One that came from
// the page, as when a picture cannot be decoded, goes back to it as it was.
func toJS(err error) js.Value {
	var thrown js.Error
	if errors.As(err, &thrown) && thrown.Type() == js.TypeObject && thrown.Get("code").Type() == js.TypeString {
		return thrown.Value
	}
	code, message := runtime.Code(err), err.Error()
	if errors.Is(err, errAborted) {
		code = "aborted"
	}
	if code == "internal" {
		js.Global().Get("console").Call("error", message)
		message, _, _ = strings.Cut(message, "\n") // the stack is for the console
	}
	hint := hints[code]
	// A message that ends with a next step of its own knows better than the table.
	if i := strings.LastIndex(message, "; "); i >= 0 && code != "internal" {
		hint = strings.ToUpper(message[i+2:i+3]) + message[i+3:] + "."
		message = message[:i]
	}
	e := js.Global().Get("Error").New(message)
	e.Set("name", "FlamingoError")
	if code == "aborted" {
		e.Set("name", "AbortError")
	}
	e.Set("code", code)
	e.Set("hint", hint)
	return e
}
