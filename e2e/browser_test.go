//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// patience limits each wait: SwiftShader on a loaded two-core machine is slow,
// and no test may depend on how fast anything is.
const patience = 3 * time.Minute

// Browser is a headless Chromium with an empty profile.
type Browser struct {
	t   *testing.T
	ctx context.Context

	mu      sync.Mutex
	outside []string
}

// startBrowser runs until the test ends. flags are Chromium's, as name or
// name=value without dashes, and win over ours.
func startBrowser(t *testing.T, flags ...string) *Browser {
	t.Helper()
	b := &Browser{t: t}

	// Everything but loopback goes through a proxy that refuses it and keeps
	// the address: workers and the browser itself are seen this way too.
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		b.outside = append(b.outside, r.Host)
		b.mu.Unlock()
		http.Error(w, "no way out of this test", http.StatusForbidden)
	}))
	t.Cleanup(proxy.Close)

	options := []chromedp.ExecAllocatorOption{
		chromedp.UserDataDir(filepath.Join(t.TempDir(), "profile")), chromedp.ProxyServer(proxy.URL),
		chromedp.WSURLReadTimeout(patience), chromedp.WindowSize(1200, 900),
	}
	if path := os.Getenv("CHROMIUM"); path != "" {
		options = append(options, chromedp.ExecPath(path))
	}
	ours := []string{
		"headless=new", "no-sandbox", "disable-quic", "no-first-run", "disable-background-networking",
		"disable-component-update", "disable-sync", "disable-default-apps", "hide-scrollbars",
		"disable-background-timer-throttling", "disable-renderer-backgrounding",
		"enable-unsafe-webgpu", "use-webgpu-adapter=swiftshader",
	}
	for _, f := range append(ours, flags...) {
		name, value, ok := strings.Cut(f, "=")
		if ok {
			options = append(options, chromedp.Flag(name, value))
		} else {
			options = append(options, chromedp.Flag(name, true))
		}
	}
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	b.ctx, cancel = chromedp.NewContext(ctx, chromedp.WithErrorf(t.Logf))
	t.Cleanup(cancel)
	if err := chromedp.Do(b.ctx); err != nil {
		t.Fatalf("starting Chromium: %v", err)
	}
	return b
}

// own are the hosts that Chromium reaches for by itself, whatever page is open.
var own = regexp.MustCompile(`\.(google|googleapis)\.com(:443)?$`)

// Outside gives the hosts that a page or its workers tried to reach, besides loopback.
func (b *Browser) Outside() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(b.outside), own.MatchString)
}

// CrashGPU kills the GPU process: every WebGPU device is lost.
func (b *Browser) CrashGPU() {
	b.t.Helper()
	if _, err := chromedp.CallBrowser(b.ctx, browser.CrashGPUProcess, cdp.Empty{}); err != nil {
		b.t.Fatalf("crashing the GPU process: %v", err)
	}
}

// Page is one tab. Its methods end the test when they fail.
type Page struct {
	t   *testing.T
	ctx context.Context

	mu     sync.Mutex
	errors []string
}

// Open opens url in a new tab and returns when it has loaded.
func (b *Browser) Open(url string) *Page {
	b.t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx)
	p := &Page{t: b.t, ctx: ctx}
	b.t.Cleanup(cancel)
	b.t.Cleanup(func() {
		if b.t.Failed() {
			p.Screenshot("failed-" + strings.ReplaceAll(b.t.Name(), "/", "-"))
		}
	})
	messages := chromedp.Console(ctx)
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			if m.Type == "error" || m.Type == "warning" || m.IsException() {
				p.mu.Lock()
				p.errors = append(p.errors, fmt.Sprintf("%s: %s (%s:%d)", m.Type, m.Text, m.URL, m.Line+1))
				p.mu.Unlock()
			}
		}
	}()
	p.Goto(url)
	return p
}

// ConsoleErrors gives the errors, warnings and uncaught exceptions so far.
func (p *Page) ConsoleErrors() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.errors...)
}

func (p *Page) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.t.Fatalf("%s: %v", what, err)
	}
}

// Goto navigates and returns when the page has loaded.
func (p *Page) Goto(url string) {
	p.t.Helper()
	p.do("opening "+url, chromedp.Navigate(url))
}

// Reload loads the page again.
func (p *Page) Reload() {
	p.t.Helper()
	p.do("reloading", chromedp.Reload())
}

// Click clicks the element that a CSS selector finds, once it is visible.
func (p *Page) Click(selector string) {
	p.t.Helper()
	p.do("clicking "+selector, chromedp.Click(chromedp.CSS(selector)))
}

// Press types keys into what has the focus; chromedp's package kb names special ones.
func (p *Page) Press(keys string) {
	p.t.Helper()
	p.do(fmt.Sprintf("pressing %q", keys), chromedp.KeyEvent(keys))
}

// Upload gives files to a file input, as its picker would.
func (p *Page) Upload(selector string, files ...string) {
	p.t.Helper()
	for i, f := range files {
		path, err := filepath.Abs(f)
		if err != nil {
			p.t.Fatal(err)
		}
		files[i] = path
	}
	p.do("uploading to "+selector, chromedp.SetUploadFiles(chromedp.CSS(selector), files))
}

// Text gives the text of an element without space around it.
func (p *Page) Text(selector string) string {
	p.t.Helper()
	return strings.TrimSpace(eval[string](p, fmt.Sprintf("document.querySelector(%q).textContent", selector)))
}

// Wait returns when a JavaScript expression is true. what names it in a failure.
func (p *Page) Wait(what, expression string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	poll := chromedp.Poll[chromedp.Void](expression, chromedp.WithPollingInterval(50*time.Millisecond), chromedp.WithPollingTimeout(0))
	if _, err := chromedp.Run(ctx, poll); err != nil {
		p.t.Fatalf("waiting for %s: %v; the page says:\n%s", what, err, p.Text("body"))
	}
}

// WaitText returns when the text of an element contains want.
func (p *Page) WaitText(selector, want string) {
	p.t.Helper()
	p.Wait(fmt.Sprintf("%s to say %q", selector, want),
		fmt.Sprintf("document.querySelector(%q)?.textContent.includes(%q)", selector, want))
}

// Size sets the viewport in CSS pixels.
func (p *Page) Size(width, height int64) {
	p.t.Helper()
	p.do("resizing", chromedp.EmulateViewport(width, height))
}

// Media sets CSS media features, such as prefers-color-scheme to dark.
func (p *Page) Media(feature, value string) {
	p.t.Helper()
	p.do("setting "+feature, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: feature, Value: value}},
		})
		return err
	}))
}

// SetOffline makes the page see no network, and navigator.onLine false. Workers
// keep theirs: stop the server to cut those off.
func (p *Page) SetOffline(offline bool) {
	p.t.Helper()
	p.do("setting offline", chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		all := []*network.Conditions{{DownloadThroughput: -1, UploadThroughput: -1, Offline: offline}}
		if _, err := cdp.Call(ctx, t, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{MatchedNetworkConditions: all}); err != nil {
			return err
		}
		_, err := cdp.Call(ctx, t, network.OverrideNetworkState, network.OverrideNetworkStateParams{DownloadThroughput: -1, UploadThroughput: -1, Offline: offline})
		return err
	}))
}

// Screenshot writes build/screenshots/NAME.png, the whole page.
func (p *Page) Screenshot(name string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		p.t.Errorf("screenshot %s: %v", name, err)
		return
	}
	dir := filepath.Join("..", "build", "screenshots")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// eval gives the value of a JavaScript expression, of its promise if it is one.
func eval[T any](p *Page, expression string) T {
	p.t.Helper()
	return evalWithin[T](p, patience, expression)
}

// evalWithin is eval with a patience of its own.
func evalWithin[T any](p *Page, patience time.Duration, expression string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("evaluating %s: %v", expression, err)
	}
	return v
}
