// Package main is the engine in the browser. It publishes one global, flamingoEngine, whose
// functions all return promises; web/flamingo.js makes the public API of it, in a worker or on the
// page itself.
package main

import "syscall/js"

func main() {
	e := &engine{models: map[int]*loaded{}}
	js.Global().Set("flamingoEngine", map[string]any{
		"probe":      function("probe", e.probe),
		"load":       function("load", e.load),
		"caption":    function("caption", e.caption),
		"dispose":    function("dispose", e.dispose),
		"isCached":   function("isCached", e.isCached),
		"clearCache": function("clearCache", e.clearCache),
		"stats":      function("stats", e.stats),
	})
	select {}
}
