//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// reactModule is React as a module, which a browser can import: its packages are not.
func reactModule(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("const process = { env: { NODE_ENV: 'development' } }, loaded = {}, packages = {\n")
	for name, file := range map[string]string{
		"react": "react/cjs/react", "react-dom": "react-dom/cjs/react-dom",
		"react-dom/client": "react-dom/cjs/react-dom-client", "scheduler": "scheduler/cjs/scheduler",
	} {
		source, err := os.ReadFile(filepath.Join("node", "node_modules", file+".development.js"))
		if err != nil {
			t.Fatalf("%v: run `make e2e`, which fetches it first", err)
		}
		fmt.Fprintf(&b, "'%s': (exports, require) => {\n%s\n},\n", name, source)
	}
	b.WriteString(`}
const require = (name) => {
	if (!loaded[name]) packages[name](loaded[name] = {}, require)
	return loaded[name]
}
export const { createElement, StrictMode, useCallback, useEffect, useRef, useState } = require('react')
export const { createRoot } = require('react-dom/client')
`)
	return b.String()
}

// TestReactHook mounts components that share one model: it is loaded once, each says what the API
// says, a component that goes takes its run with it alone, and a model that is not there is an error.
func TestReactHook(t *testing.T) {
	hook, err := os.ReadFile("../examples/react/useFlamingo.js")
	if err != nil {
		t.Fatal(err)
	}
	server := startServer(t, site(t, map[string]string{
		"react.js":       reactModule(t),
		"useFlamingo.js": strings.NewReplacer("'react'", "'./react.js'", "'../../web/", "'./").Replace(string(hook)),
	}), "-models", models(t))
	page := startBrowser(t).Open(server.URL + "/embed.html?quiet")
	server.Requests()
	got := eval[[]string](page, fmt.Sprintf(`(async () => {
		const { createElement, createRoot, StrictMode } = await import('/react.js')
		const { useFlamingo } = await import('/useFlamingo.js')
		const file = await (await fetch('./models/pictures/%s')).blob()
		const seen = {}
		const until = async (so) => { while (!so()) await new Promise((next) => setTimeout(next, 20)) }
		function One({ name, model = './models/nano/' }) {
			const flamingo = useFlamingo(model)
			seen[name] = { ...flamingo, phases: (seen[name]?.phases ?? new Set()).add(flamingo.progress?.phase) }
			return createElement('p', {}, name)
		}
		const root = createRoot(document.body.appendChild(document.createElement('div')))
		const show = (...list) => root.render(createElement(StrictMode, {}, ...list.map((props) => createElement(One, { key: props.name, ...props }))))
		show({ name: 'a' }, { name: 'b' }, { name: 'bad', model: './models/nothing/' })
		await until(() => seen.a)
		let early
		try { seen.a.caption(file) } catch (error) { early = error.message }
		await until(() => seen.a.ready && seen.b.ready && seen.bad.error)
		const { text } = await seen.b.caption(file)
		const stopped = await seen.b.caption(file, { signal: AbortSignal.abort() }).then(() => 'a text', (e) => e.code)
		const unmounted = seen.a.caption(file, { minTokens: 60 })
		show({ name: 'b' })
		const code = await unmounted.then(() => 'a text', (e) => e.code)
		return [early, [...seen.a.phases].includes('fetch') ? 'progress' : 'no progress', seen.bad.error.code, text, stopped, code, (await seen.b.caption(file)).text]
	})()`, filepath.Base(expected(t)[0].File)))
	said := strings.TrimSpace(expected(t)[0].Caption)
	want := []string{"useFlamingo: the model is not loaded yet, wait for ready", "progress", "network", said, "aborted", "aborted", said}
	if !slices.Equal(got, want) {
		t.Errorf("the components found\n%q, want\n%q", got, want)
	}
	loads := 0
	for _, r := range server.Requests() {
		if r.Path == "/models/nano/flamingo.json" {
			loads++
		}
	}
	if loads != 1 {
		t.Errorf("the model was loaded %d times, want 1", loads)
	}
}
