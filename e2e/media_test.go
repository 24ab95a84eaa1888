//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"testing"
)

// TestMedia gives the API every kind of picture file: each is captioned rightly or refused with a
// reason. testdata/pictures hold one drawing in several formats.
func TestMedia(t *testing.T) {
	_, browser, page := openPage(t, "embed.html")
	eval[bool](page, `import('/flamingo.js').then(async ({ load }) => { globalThis.model = await load('/models/nano/', { device: 'cpu' }); return true })`)
	outcome := func(blob string) string {
		t.Helper()
		return eval[string](page, fmt.Sprintf(`(async () => {
			const file = async (name) => new Uint8Array(await (await fetch('/models/formats/' + name)).arrayBuffer())
			return globalThis.model.caption(await %s).then((r) => r.text, (e) => e.code + ': ' + e.message)
		})()`, blob))
	}
	const drawing = "a large red circle in the top left on a plain white background"
	files, err := os.ReadDir("../testdata/pictures")
	if err != nil || len(files) < 6 {
		t.Fatalf("%d files in testdata/pictures: %v", len(files), err)
	}
	for _, f := range files {
		if got := outcome(fmt.Sprintf("file(%q).then((b) => new Blob([b]))", f.Name())); got != drawing {
			t.Errorf("%s: %q, want %q", f.Name(), got, drawing)
		}
	}
	svg := "new Blob([`<svg xmlns='http://www.w3.org/2000/svg' width='160' height='160'><rect width='160' height='160' fill='#fff'/><circle cx='40' cy='40' r='30' fill='#d62828'/></svg>`], { type: 'image/svg+xml' })"
	if got := outcome(svg); got != drawing {
		t.Errorf("SVG: %q, want %q", got, drawing)
	}
	for _, c := range []struct{ name, blob, want string }{
		{"0 bytes", "new Blob([])", "media-decode"},
		{"text", "new Blob(['this is not a picture'])", "media-decode"},
		{"truncated PNG", "file('plain.png').then((b) => new Blob([b.slice(0, b.length * 0.7)]))", "media-decode"},
		{"truncated JPEG", "file('exif6.jpg').then((b) => new Blob([b.slice(0, b.length * 0.7)]))", "media-decode"},
		{"12,000 by 9,000 pixels", `file('plain.png').then((b) => {
			new DataView(b.buffer).setUint32(16, 12000); new DataView(b.buffer).setUint32(20, 9000); return new Blob([b]) })`, "108 megapixels"},
		{"HEIC", "new Blob([new Uint8Array([0, 0, 0, 24]), 'ftypheic', new Uint8Array(40)])", "HEIC"},
	} {
		got := outcome(c.blob)
		if ok := eval[bool](page, fmt.Sprintf("%q.startsWith('media-decode: ') && %q.includes(%q)", got, got, c.want)); !ok {
			t.Errorf("%s: %q, want code media-decode and %q", c.name, got, c.want)
		}
	}
	for _, c := range []struct{ options, want string }{
		{"{ maxTokens: 0.5 }", "invalid-option"},
		{"{ temprature: 1 }", "invalid-option"},
		{"{ topP: 2 }", "invalid-option"},
	} {
		got := eval[string](page, fmt.Sprintf(`globalThis.model.caption(new ImageData(9, 9), %s).then((r) => r.text, (e) => e.code)`, c.options))
		if got != c.want {
			t.Errorf("options %s: %q, want %q", c.options, got, c.want)
		}
	}
	sampled := eval[[]string](page, `(async () => {
		const b = new Blob([await (await fetch('/models/formats/plain.png')).arrayBuffer()])
		const run = (seed) => globalThis.model.caption(b, { temperature: 3, topK: 20, seed, maxTokens: 12 }).then((r) => r.text)
		return [await run(1), await run(1), await run(2)]
	})()`)
	if sampled[0] != sampled[1] || sampled[0] == sampled[2] {
		t.Errorf("sampling with seeds 1, 1 and 2: %q", sampled)
	}
	if out := browser.Outside(); len(out) > 0 {
		t.Errorf("the page reached for %v, want nothing but its own server", out)
	}
}

// TestErrors shows what a person sees when something is missing.
func TestErrors(t *testing.T) {
	server := startServer(t, "..", "-models", models(t))
	page := startBrowser(t, "disable-features=WebGPU,WebGPUService", "enable-unsafe-webgpu=false", "use-webgpu-adapter=none").Open(server.URL + "/?model=./models/none/")
	page.Wait("an error", "document.documentElement.dataset.state === 'error'")
	page.Screenshot("error")
	if eval[bool](page, "document.querySelector('#error').hidden") || page.Text("#error-next") == "" {
		t.Errorf("the error is not shown with its next step: %q", page.Text("#error"))
	}
	slow := startServer(t, "..", "-models", models(t), "-slow", "400000")
	page = startBrowser(t).Open(slow.URL + "/")
	page.Wait("the download", "/ of /.test(document.querySelector('#progress-text').textContent)")
	page.Screenshot("download")
}
