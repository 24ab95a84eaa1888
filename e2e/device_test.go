//go:build e2e

package e2e

import (
	"strings"
	"testing"
)

// TestDeviceLost kills the GPU process under a loaded model: the next caption says so, and a fresh
// load captions again.
func TestDeviceLost(t *testing.T) {
	_, browser, page := openPage(t, "embed.html")
	const setUp = `import('/flamingo.js').then(async ({ load }) => {
		globalThis.again = async () => {
			globalThis.model = await load('/models/nano/', {})
			return globalThis.caption()
		}
		globalThis.caption = async () => {
			const blob = await (await fetch('/models/formats/plain.png')).blob()
			return globalThis.model.caption(blob).then((r) => r.text, (e) => e.code + ' / ' + e.hint)
		}
		return globalThis.again()
	})`
	want := eval[string](page, setUp)
	if !strings.HasPrefix(want, "a large red circle") {
		t.Fatalf("the first caption is %q", want)
	}
	browser.CrashGPU()
	if got := eval[string](page, "globalThis.caption()"); !strings.HasPrefix(got, "device-lost / ") || len(got) < 20 {
		t.Errorf("after the GPU process died: %q, want device-lost and a next step", got)
	}
	if got := eval[string](page, "globalThis.model.dispose().then(() => globalThis.again())"); got != want {
		t.Errorf("loaded again, the caption is %q, want %q", got, want)
	}
}

// TestNoDevice hides what WebGPU offers, piece by piece, from an engine on the page itself.
func TestNoDevice(t *testing.T) {
	_, _, page := openPage(t, "embed.html")
	for _, c := range []struct{ gpu, want string }{
		{"undefined", "webgpu-unavailable"},
		{"{ requestAdapter: async () => null }", "no-adapter"},
		{`{ requestAdapter: async () => ({ limits: { maxStorageBuffersPerShaderStage: 4, maxComputeInvocationsPerWorkgroup: 128,
			maxComputeWorkgroupStorageSize: 16384 }, features: new Set(), info: {} }) }`, "limits-too-small"},
	} {
		got := eval[[]string](page, `import('/flamingo.js').then(({ load }) => {
			Object.defineProperty(navigator, 'gpu', { value: `+c.gpu+`, configurable: true })
			return load('/models/nano/', { worker: false }).then(() => ['loaded'], (e) => [e.code, e.message, e.hint])
		})`)
		if got[0] != c.want || len(got) < 3 || got[2] == "" {
			t.Errorf("with navigator.gpu = %s: %q, want %s and a hint", c.gpu, got, c.want)
		}
	}
	if got := eval[string](page, `import('/flamingo.js').then(({ load }) => load('/models/nano/', { worker: false, device: 'cpu' })).then((m) => m.info.device)`); got != "cpu" {
		t.Errorf("without WebGPU, device cpu gives %q", got)
	}
}
