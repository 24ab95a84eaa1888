// Package main is the engine in the browser. It publishes one global, flamingoEngine, whose
// functions all return promises; web/flamingo.js makes the public API of it, in a worker or on the
// page itself.
package main

import "syscall/js"

func main() {
	e := &engine{models: map[int]*loaded{}}
	functions := map[string]any{}
	for name, f := range map[string]func(call) (any, error){
		"probe": e.probe, "load": e.load, "generate": e.generate, "batch": e.batch, "score": e.score, "embed": e.embed, "count": e.count, "dispose": e.dispose,
		"isCached": e.isCached, "clearCache": e.clearCache, "stats": e.stats,
	} {
		functions[name] = function(name, f)
	}
	js.Global().Set("flamingoEngine", functions)
	select {}
}
