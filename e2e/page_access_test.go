//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"testing"
)

// flaw is what axe-core finds.
type flaw struct {
	ID, Help string
	Targets  []string
}

// flaws runs axe-core on the page as it is.
func flaws(p *Page) []flaw {
	p.t.Helper()
	const file = "node/node_modules/axe-core/axe.min.js"
	axe, err := os.ReadFile(file)
	if err != nil {
		p.t.Fatalf("%v: run `make e2e`, which installs it", err)
	}
	return eval[[]flaw](p, fmt.Sprintf(`(async () => {
		globalThis.axe ?? (0, (() => { %s })())
		const { violations } = await axe.run(document, { resultTypes: ['violations'] })
		return violations.map(({ id, help, nodes }) => ({ ID: id, Help: help, Targets: nodes.map(({ target }) => target.join(' ')) }))
	})()`, axe))
}

// accessible holds the page as it is against the rules of axe-core.
func accessible(p *Page, what string) {
	p.t.Helper()
	for _, f := range flaws(p) {
		p.t.Errorf("%s: %s (%s) at %q", what, f.Help, f.ID, f.Targets)
	}
}

// TestAccessible holds the page against the rules of axe-core where no other test looks: while the
// model loads, with everything shown, and with an error, in both colour schemes.
func TestAccessible(t *testing.T) {
	_, _, page := openPage(t, "")
	check := func(what string) {
		t.Helper()
		for _, scheme := range []string{"light", "dark"} {
			page.Media("prefers-color-scheme", scheme)
			still(page)
			accessible(page, what+", "+scheme)
		}
	}
	check("while the model loads")
	ready(page)
	page.Click("#samples li:nth-child(1) .plus")
	page.Click("#options summary")
	page.Click("[name=way][value=search]")
	page.Click("#tint")
	settle(page, func() { page.Click("#samples li:nth-child(2) .sample") })
	page.Click("#words summary")
	page.Click("#alt")
	check("everything")
	eval[bool](page, "(document.dispatchEvent(new ClipboardEvent('paste', { clipboardData: new DataTransfer() })), true)")
	page.Wait("the error", "!document.querySelector('#error').hidden")
	check("with an error")
}
