//go:build e2e

package e2e

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// openPage serves the project's page and opens it with the given query; the demo has the nano model unless that names another.
func openPage(t *testing.T, query string) (*Server, *Browser, *Page) {
	t.Helper()
	server := startServer(t, "..", "-models", models(t))
	browser := startBrowser(t)
	if !strings.Contains(query, "model=") && !strings.HasPrefix(query, "embed.html") {
		query = "?model=./models/nano/&" + strings.TrimPrefix(query, "?")
	}
	return server, browser, browser.Open(server.URL + "/" + query)
}

// ready waits until the page's model is loaded.
func ready(p *Page) {
	p.t.Helper()
	p.Wait("the model", "['ready', 'error'].includes(document.documentElement.dataset.state)")
	if got := eval[string](p, "document.documentElement.dataset.state"); got != "ready" {
		p.t.Fatalf("the page is in state %q: %s", got, p.Text("#error"))
	}
}

// describe uploads a picture and returns the finished caption.
func describe(p *Page, file string) string {
	p.t.Helper()
	before := eval[int](p, "globalThis.captionsSeen ??= 0")
	eval[chromedp.Void](p, `void (globalThis.captionObserver ??= new MutationObserver(() => {
		if (document.documentElement.dataset.state === 'ready') globalThis.captionsSeen++
	}).observe(document.documentElement, { attributeFilter: ['data-state'] }) ?? true)`)
	p.Upload("#file", file)
	p.Wait("the caption", fmt.Sprintf("globalThis.captionsSeen > %d || document.documentElement.dataset.state === 'error'", before))
	return p.Text("#caption")
}

// TestCaption is what the product is for: a person gives the page a picture and reads its caption,
// the same that PyTorch and the command line give.
func TestCaption(t *testing.T) {
	server, browser, page := openPage(t, "")
	ready(page)
	e := expected(t)[0]
	if got := describe(page, picturePath(e)); got != strings.TrimSpace(e.Caption) {
		t.Errorf("the page says %q, want %q", got, strings.TrimSpace(e.Caption))
	}
	page.Screenshot("caption-light")
	page.Media("prefers-color-scheme", "dark")
	page.Screenshot("caption-dark")
	page.Media("prefers-color-scheme", "light")
	page.Size(360, 740)
	page.Screenshot("caption-360")
	if wide := eval[bool](page, "document.documentElement.scrollWidth > innerWidth"); wide {
		t.Error("the page scrolls sideways at 360 pixels")
	}
	page.Size(1200, 900)

	page.WaitText("#cached", "")
	server.Stop()
	page.Reload()
	ready(page)
	page.Wait("the badge", "!document.querySelector('#cached').hidden")
	second := expected(t)[1]
	if got := describe(page, picturePath(second)); got != strings.TrimSpace(second.Caption) {
		t.Errorf("with the server stopped, the page says %q, want %q", got, strings.TrimSpace(second.Caption))
	}
	page.Screenshot("offline")
	if out := browser.Outside(); len(out) > 0 {
		t.Errorf("the page reached for %v, want nothing but its own server", out)
	}
}

// captions runs pictures through the JavaScript API and returns ids and texts.
func captions(p *Page, modelURL, options string, list []expectation) []expectation {
	p.t.Helper()
	eval[chromedp.Void](p, fmt.Sprintf(`import('/flamingo.js').then(async ({ load }) => {
		globalThis.model = await load(%q, %s)
	})`, modelURL, options))
	var out []expectation
	for _, e := range list {
		out = append(out, eval[expectation](p, fmt.Sprintf(`(async () => {
			const blob = await (await fetch('/models/pictures/%s')).blob()
			const { text, ids } = await globalThis.model.caption(blob)
			return { file: %q, caption: text, ids }
		})()`, filepath.Base(e.File), e.File)))
	}
	eval[chromedp.Void](p, "globalThis.model.dispose()")
	return out
}

// TestSameTokens holds the browser against PyTorch, token for token.
func TestSameTokens(t *testing.T) {
	_, _, page := openPage(t, "embed.html")
	for _, c := range []struct {
		name, model, options string
		pictures             int
		misses               int // pictures that may differ
	}{
		{"f32", "/models/nano-f32/", "{}", 24, 0},
		{"q8", "/models/nano/", "{}", 24, 1},
		{"cpu", "/models/nano/", "{device: 'cpu'}", 3, 1},
		{"main thread", "/models/nano/", "{worker: false}", 3, 1},
	} {
		list := expected(t)[:c.pictures]
		misses := 0
		for i, got := range captions(page, c.model, c.options, list) {
			want := list[i].IDs
			if n := len(want); n > 0 && len(got.IDs) == n-1 {
				want = want[:n-1] // PyTorch's list ends with the end of the chunk
			}
			if !slices.Equal(got.IDs, want) {
				misses++
				t.Logf("%s: %s: got %q, want %q", c.name, got.File, got.Caption, list[i].Caption)
			}
		}
		t.Logf("%s: %d of %d pictures with the same tokens", c.name, len(list)-misses, len(list))
		if misses > c.misses {
			t.Errorf("%s: %d of %d pictures differ, want at most %d", c.name, misses, len(list), c.misses)
		}
	}
}

// TestDamagedCache flips one bit of one stored chunk: it must be found, and that chunk alone be
// fetched again.
func TestDamagedCache(t *testing.T) {
	server, _, page := openPage(t, "?model=./models/nano-f32/")
	ready(page)
	e := expected(t)[0]
	want := describe(page, picturePath(e))
	flipped := eval[int](page, `(async () => {
		const names = await indexedDB.databases()
		const db = await new Promise((done, fail) => {
			const open = indexedDB.open(names[0].name)
			open.onsuccess = () => done(open.result); open.onerror = () => fail(open.error)
		})
		const store = db.objectStoreNames[0]
		const all = await new Promise((done) => {
			const list = []
			db.transaction(store).objectStore(store).openCursor().onsuccess = ({ target: { result } }) => {
				if (!result) return done(list)
				list.push([result.key, result.value]); result.continue()
			}
		})
		const size = (v) => v.size ?? v.byteLength ?? 0
		const [key, value] = all.sort((a, b) => size(b[1]) - size(a[1]))[0]
		const bytes = new Uint8Array(value instanceof Blob ? await value.arrayBuffer() : value)
		bytes[bytes.length >> 1] ^= 4
		await new Promise((done) => {
			const tx = db.transaction(store, 'readwrite')
			tx.objectStore(store).put(value instanceof Blob ? new Blob([bytes]) : bytes, key); tx.oncomplete = done
		})
		db.close()
		return bytes.length
	})()`)
	server.Requests()
	page.Reload()
	ready(page)
	if got := describe(page, picturePath(e)); got != want {
		t.Errorf("after the repair the page says %q, want %q", got, want)
	}
	var fetched []Request
	for _, r := range server.Requests() {
		if strings.HasSuffix(r.Path, ".safetensors") {
			fetched = append(fetched, r)
		}
	}
	if len(fetched) != 1 {
		t.Fatalf("after a flipped bit, the weights were fetched by %v, want one range", fetched)
	}
	var from, to int
	if _, err := fmt.Sscanf(fetched[0].Range, "bytes=%d-%d", &from, &to); err != nil || to-from+1 != flipped {
		t.Errorf("fetched %q, want the %d bytes of the damaged chunk", fetched[0].Range, flipped)
	}
}

// TestStop aborts a caption and makes another.
func TestStop(t *testing.T) {
	_, _, page := openPage(t, "embed.html")
	got := eval[[]string](page, `import('/flamingo.js').then(async ({ load }) => {
		const model = await load('/models/nano/', {})
		const blob = await (await fetch('/models/pictures/`+filepath.Base(expected(t)[0].File)+`')).blob()
		await model.caption(blob)
		const before = await model.stats()
		const codes = []
		for (let i = 0; i < 20; i++) {
			const controller = new AbortController()
			const run = model.caption(blob, { signal: controller.signal })
			setTimeout(() => controller.abort(), Math.random() * 60)
			codes.push(await run.then((r) => r.text, (e) => e.name + '/' + e.code))
		}
		for await (const piece of model.caption(blob)) { codes.push(piece.text); break }
		codes.push((await model.caption(blob)).text)
		const after = await model.stats()
		codes.push(String(after.gpuBuffers - before.gpuBuffers))
		return codes
	})`)
	want := strings.TrimSpace(expected(t)[0].Caption)
	for i, code := range got[:20] {
		if code != "AbortError/aborted" && code != want {
			t.Errorf("abort %d settled with %q", i, code)
		}
	}
	if got[20] == "" || !strings.HasPrefix(want, got[20]) || got[21] != want || got[22] != "0" {
		t.Errorf("after aborts: first piece %q, caption %q, %s more GPU buffers; want %q and none", got[20], got[21], got[22], want)
	}
}
