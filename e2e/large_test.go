//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TestLargeModel loads a model of some 300 MB of random weights twice, from the server and from the
// cache, and prints what WebAssembly's memory comes to: weights must not pass through it. It runs
// by `make large`.
func TestLargeModel(t *testing.T) {
	if os.Getenv("FLAMINGO_LARGE") == "" {
		t.Skip("set FLAMINGO_LARGE=1, or run `make large`")
	}
	dir, err := filepath.Abs("../build/large-models")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	flamingo(t, "synth", "testdata/large.json", "--dtype", "q8", "--replace", "-o", filepath.Join(dir, "large"))
	server := startServer(t, "..", "-models", dir)
	page := startBrowser(t).Open(server.URL + "/embed.html")
	for _, from := range []string{"the server", "the cache"} {
		type figures struct {
			MB, WasmMiB, GPUMiB, Seconds float64
			FromCache                    float64
		}
		f := eval[figures](page, `import('/flamingo.js').then(async ({ load }) => {
			const began = performance.now(); let fromCache = 0
			const model = await load('/models/large/', { onProgress: (p) => { fromCache = p.fromCache } })
			const s = await model.stats()
			const seconds = (performance.now() - began) / 1000
			await model.dispose()
			return { MB: model.info.bytes / 1e6, WasmMiB: s.wasmBytes / 2 ** 20, GPUMiB: s.gpuBytes / 2 ** 20, Seconds: seconds, FromCache: fromCache }
		})`)
		fmt.Printf("large model from %s: %.0f MB (%.0f from the cache), wasm memory %.1f MiB, GPU buffers %.0f MiB, %.1f s\n",
			from, f.MB, f.FromCache/1e6, f.WasmMiB, f.GPUMiB, f.Seconds)
		if f.MB < 290 || f.WasmMiB >= 64 {
			t.Errorf("%.0f MB of weights left the wasm memory at %.1f MiB, want at least 290 MB and under 64 MiB", f.MB, f.WasmMiB)
		}
	}
}
