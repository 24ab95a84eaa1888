//go:build e2e

package e2e

import (
	"fmt"
	"testing"

	"flamingo/model"
)

// TestShotsOneByOne adds examples up to 32: each step encodes only the pictures that are new, writes
// what the CPU writes with nothing remembered, and holds memory for them alone. -v prints the costs.
func TestShotsOneByOne(t *testing.T) {
	promptModels(t)
	_, _, page := openPage(t, "embed.html")
	_, pictures := held(t)
	cpu := openTruth(t, "nano-short")
	openAPI(t, page, "nano-short")
	type step struct {
		spoken
		MS, VisionMS, PrefillMS float64
		GPUBytes, WasmBytes     int
	}
	got := eval[[]step](page, `(async () => {
		const plain = (i) => new ImageData(new Uint8ClampedArray(Array(64).fill([8 * i, 255 - 8 * i, 99, 255]).flat()), 8, 8)
		const shots = Array.from({ length: 32 }, (_, i) => ({ image: plain(i), text: 'a' }))
		const list = []
		// Kernels for many tokens at once are compiled by the first prompt that has them.
		await model.prompt(['a b c d e f g h i j k l m n o p q r s t'], { maxTokens: 8 })
		for (const n of [0, 1, 4, 8, 16, 32]) {
			const options = { shots: shots.slice(0, n), maxTokens: 8 }
			const began = performance.now()
			const first = await model.caption(pictures[0], options)
			const ms = performance.now() - began
			const { gpuBytes, wasmBytes } = await model.stats()
			list.push({ ...first, ms, visionMs: first.stats.visionMs, prefillMs: first.stats.prefillMs, gpuBytes, wasmBytes })
		}
		return list
	})()`)
	o := model.CaptionOptions{}
	for i, n := range []int{0, 1, 4, 8, 16, 32} {
		added := n - len(o.Shots)
		for len(o.Shots) < n {
			o.Shots = append(o.Shots, model.Shot{Media: plain(len(o.Shots)), Text: "a"})
		}
		x := got[i]
		x.sameAs(t, fmt.Sprintf("%d shots", n), cpu.write(cpu.promptOf(pictures[0], o), model.Options{MaxTokens: 8}))
		if want := max(added, 1-i); x.Stats.Encoded != want {
			t.Errorf("%d shots: %d pictures were encoded, want the %d new ones", n, x.Stats.Encoded, want)
		}
		t.Logf("%2d shots: %6.0f ms, of which %6.0f for %2d new pictures and %5.0f for the prompt; %6.2f MB on the device, %5.1f MB in WebAssembly",
			n, x.MS, x.VisionMS, x.Stats.Encoded, x.PrefillMS, float64(x.GPUBytes)/1e6, float64(x.WasmBytes)/1e6)
	}
}
