//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// TestHarness tries the harness itself on a page of its own: when it passes, a
// red test of the real page speaks about the page.
func TestHarness(t *testing.T) {
	dir := static(t, map[string]string{
		"web/index.html": `<!doctype html><title>harness</title><link rel="icon" href="data:,">
<link rel="stylesheet" href="page.css"><script type="module" src="page.js"></script>
<h1 id="hello">Hello</h1><input id="file" type="file"><button id="go">Go</button><p id="out"></p>`,
		"web/page.css": "body { background: white } @media (prefers-color-scheme: dark) { body { background: black } }",
		"web/page.js": `
const out = document.querySelector('#out')
document.querySelector('#file').onchange = async (e) => { out.textContent = 'read ' + await e.target.files[0].text() }
document.querySelector('#go').onclick = () => new Worker('worker.js', { type: 'module' }).onmessage = (e) => { out.textContent = e.data }
addEventListener('keydown', (e) => { out.textContent = 'key ' + e.key })`,
		"web/worker.js": `
const adapter = await navigator.gpu?.requestAdapter()
const part = await fetch('/models/x.bin', { headers: { Range: 'bytes=2-4' } })
let away = 'reached'
await fetch('https://elsewhere.example/').catch(() => { away = 'refused' })
postMessage('worker ' + Boolean(adapter) + ' ' + await part.text() + ' ' + away)`,
		"models/x.bin": "0123456789",
		"picture.txt":  "a small file",
	})
	server := startServer(t, dir, "-connect", "https://elsewhere.example")
	browser := startBrowser(t)
	page := browser.Open(server.URL + "/")

	if got := page.Text("#hello"); got != "Hello" {
		t.Errorf("heading is %q", got)
	}
	page.Upload("#file", filepath.Join(dir, "picture.txt"))
	page.WaitText("#out", "read a small file")
	page.Press("x")
	page.WaitText("#out", "key x")
	if got := eval[int](page, "new Promise((done) => setTimeout(() => done(42), 10))"); got != 42 {
		t.Errorf("the promise gave %d, want 42", got)
	}

	page.Click("#go")
	page.WaitText("#out", "worker true 234 refused")
	if got := browser.Outside(); !slices.Contains(got, "elsewhere.example:443") {
		t.Errorf("outside requests: %q, want the worker's", got)
	}
	ranged := Request{Method: "GET", Path: "/models/x.bin", Range: "bytes=2-4", Status: 206}
	if seen := server.Requests(); !slices.Contains(seen, ranged) {
		t.Errorf("requests: %v; want %v among them", seen, ranged)
	}

	page.Size(360, 640)
	page.Media("prefers-color-scheme", "dark")
	if got := eval[string](page, "getComputedStyle(document.body).backgroundColor + innerWidth"); got != "rgb(0, 0, 0)360" {
		t.Errorf("dark and 360 pixels wide: %s", got)
	}
	page.Screenshot("harness")
	if png, err := os.ReadFile("../build/screenshots/harness.png"); err != nil || !strings.HasPrefix(string(png), "\x89PNG") {
		t.Errorf("screenshot: %d bytes, %v; want a PNG", len(png), err)
	}

	if seen := eval[bool](page, "fetch('/').then(() => true, () => false)"); !seen {
		t.Error("the running server was not reached")
	}
	page.SetOffline(true)
	if got := eval[bool](page, "navigator.onLine || fetch('/').then(() => true, () => false)"); got {
		t.Error("offline, but the page sees a network")
	}
	page.SetOffline(false)
	server.Stop()
	if seen := eval[bool](page, "fetch('/').then(() => true, () => false)"); seen {
		t.Error("the stopped server was reached")
	}
	server.Start("-fail", "1")
	const status = "fetch('/models/x.bin', { headers: { Range: 'bytes=0-0' } }).then((r) => r.status)"
	if got := eval[int](page, status); got != 503 {
		t.Errorf("with -fail 1, a range request: status %d, want 503", got)
	}

	// The message travels on its own, so it may come later than the answer.
	eval[chromedp.Void](page, "console.error('seen by the harness')")
	deadline := time.Now().Add(patience)
	for !slices.ContainsFunc(page.ConsoleErrors(), func(s string) bool { return strings.Contains(s, "seen by the harness") }) {
		if time.Now().After(deadline) {
			t.Fatalf("console errors: %q", page.ConsoleErrors())
		}
		time.Sleep(20 * time.Millisecond)
	}
}
