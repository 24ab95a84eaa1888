//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// settle clicks or does something and waits for the answer that follows.
func settle(p *Page, do func()) string {
	p.t.Helper()
	eval[bool](p, `(globalThis.answers = 0, globalThis.answerObserver?.disconnect(), (globalThis.answerObserver = new MutationObserver(() => {
		if (document.documentElement.dataset.state === 'ready') globalThis.answers++
	})).observe(document.documentElement, { attributeFilter: ['data-state'] }), true)`)
	do()
	p.Wait("the answer", "globalThis.answers > 0 || document.documentElement.dataset.state === 'error'")
	return p.Text("#caption")
}

// shots takes pictures of the page in both colour schemes, and narrow.
func shots(p *Page, name string) {
	p.t.Helper()
	for _, scheme := range []string{"dark", "light"} {
		p.Media("prefers-color-scheme", scheme)
		still(p)
		p.Screenshot(name + "-" + scheme)
		accessible(p, name+", "+scheme)
	}
	p.Size(360, 740)
	p.Screenshot(name + "-360")
	if eval[bool](p, "document.documentElement.scrollWidth > innerWidth") {
		p.t.Errorf("%s: the page scrolls sideways at 360 pixels", name)
	}
	p.Size(1200, 900)
}

// still waits until nothing moves.
func still(p *Page) {
	p.t.Helper()
	p.Wait("animations", "document.getAnimations().every((a) => a.effect.getTiming().iterations === Infinity || a.playState === 'finished')")
}

// fill types into a field that a selector finds.
func fill(p *Page, selector, text string) {
	p.t.Helper()
	eval[bool](p, fmt.Sprintf("(document.querySelector(%q).focus(), document.querySelector(%q).select(), true)", selector, selector))
	p.Press(text)
}

// TestModes captions, asks and classifies by keyboard alone.
func TestModes(t *testing.T) {
	_, _, page := openPage(t, "?mode=ask")
	ready(page)
	if got := eval[string](page, "document.querySelector('[name=mode]:checked').value"); got != "ask" {
		t.Fatalf("with ?mode=ask the mode is %q", got)
	}
	if got := page.Text("#status"); got != "Choose a picture or video." && !strings.HasPrefix(got, "Ready") {
		t.Errorf("the page says %q", got)
	}
	settle(page, func() { page.Upload("#file", picturePath(expected(t)[0])) })
	if got := page.Text("#status"); got != "Type a question." {
		t.Errorf("without a question the page says %q", got)
	}
	answer := settle(page, func() { fill(page, "#question", "what colour?"+kb.Enter) })
	if answer == "" || eval[bool](page, "document.querySelector('#ask-note').hidden") {
		t.Errorf("the page answers %q, and says that this model was not trained on it: %q", answer, page.Text("#ask-note"))
	}
	shots(page, "ask")

	eval[bool](page, "(document.querySelector('[name=mode]:checked').focus(), true)")
	page.Press(kb.ArrowRight)
	if got := eval[string](page, "document.querySelector('[name=mode]:checked').value + ' ' + new URLSearchParams(location.search).get('mode')"); got != "classify classify" {
		t.Errorf("after the right arrow the mode and the address are %q", got)
	}
	if got := page.Text("#caption"); got != "" {
		t.Errorf("the mode has changed, and the page still says %q", got)
	}
	best := settle(page, func() {
		fill(page, "#labels", "a small red star, three blue rings, a large green square")
		page.Press(kb.Tab)
		page.Press(kb.Enter)
	})
	if best != "a small red star" {
		t.Errorf("the likeliest label is %q", best)
	}
	total := eval[float64](page, "[...document.querySelectorAll('#bars b')].reduce((sum, b) => sum + parseInt(b.textContent.replace(/[<>]/g, '')), 0)")
	if count := eval[int](page, "document.querySelectorAll('#bars li').length"); count != 3 || total < 97 || total > 103 {
		t.Errorf("%d bars add up to %v %%", count, total)
	}
	shots(page, "classify")

	eval[bool](page, "(document.querySelector('[name=mode]:checked').focus(), true)")
	page.Press(kb.ArrowRight)
	caption := settle(page, func() { page.Press(kb.Tab); page.Press(kb.Enter) })
	if want := strings.TrimSpace(expected(t)[0].Caption); caption != want {
		t.Errorf("the caption is %q, want %q", caption, want)
	}
}

// TestBeamsAndTint shows several texts, of which one is chosen, and how sure each token was.
func TestBeamsAndTint(t *testing.T) {
	_, _, page := openPage(t, "")
	ready(page)
	describe(page, picturePath(expected(t)[0]))
	page.Click("#options summary")
	page.Click("[name=way][value=search]")
	page.Click("#tint")
	first := settle(page, func() { page.Click("#again") })
	texts := eval[[]string](page, "[...document.querySelectorAll('#best button')].map((b) => b.querySelector('span').textContent)")
	scores := eval[[]float64](page, "[...document.querySelectorAll('#best b')].map((b) => Number(b.textContent))")
	if len(texts) != 4 || texts[0] != first || scores[0] < scores[3] || scores[0] > 0 {
		t.Errorf("the answer is %q of %q with %v", first, texts, scores)
	}
	rows := eval[[]string](page, "[...document.querySelectorAll('#words td:first-child')].map((td) => td.textContent)")
	if strings.TrimSpace(strings.Join(rows, "")) != first {
		t.Errorf("the table has %q, want the tokens of %q", rows, first)
	}
	if got := eval[int](page, "document.querySelectorAll('#caption .tint[title]').length"); got == 0 {
		t.Error("no word is tinted")
	}
	shots(page, "beams")
	page.Click("#best li:nth-child(2) button")
	if got := page.Text("#caption"); got != texts[1] {
		t.Errorf("after choosing the second text the answer is %q, want %q", got, texts[1])
	}
	page.Click("#best li:nth-child(1) button")
	if got := page.Text("#caption"); got != first {
		t.Errorf("after choosing the first again the answer is %q, want %q", got, first)
	}
	page.Click("#tint")
	page.Click("[name=way][value=draw]")
	drawn := settle(page, func() { fill(page, "#temperature", "3"); page.Press(kb.Enter) })
	if drawn == "" || drawn == first {
		t.Errorf("drawn with a temperature of 3: %q", drawn)
	}
}

// TestTray adds, edits, moves and removes examples.
func TestTray(t *testing.T) {
	_, _, page := openPage(t, "")
	ready(page)
	list := func() []string {
		return eval[[]string](page, "[...document.querySelectorAll('#examples [name=text]')].map((field) => field.value)")
	}
	page.WaitText("#budget-text", "of the model’s 128 tokens")
	bare := page.Text("#budget-text")
	page.Click("#samples li:nth-child(1) .plus")
	page.Click("#samples li:nth-child(5) .plus")
	page.Upload("#example-file", picturePath(expected(t)[1]))
	page.WaitText("#budget-text", "1 without answer left out")
	page.Press("a thing")
	page.Wait("the budget", "!document.querySelector('#budget-text').textContent.includes('left out')")
	if full := page.Text("#budget-text"); full == bare {
		t.Errorf("with three examples still %q", full)
	}
	const one, two = "a small yellow circle on the left on a dotted grey background", "two red hearts on a plain navy background"
	if got, want := list(), []string{one, two, "a thing"}; strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("the tray has %q, want %q", got, want)
	}
	caption := describe(page, picturePath(expected(t)[0]))
	page.Click("#keep")
	if got := list(); len(got) != 4 || got[3] != caption {
		t.Errorf("the tray has %q, want %q at the end", got, caption)
	}
	shots(page, "tray")
	eval[bool](page, "(document.querySelector('#examples li:last-child [name=Earlier]').focus(), true)")
	page.Press(kb.Enter)
	page.Press(kb.Enter)
	if got := list(); got[1] != caption {
		t.Errorf("after two steps the tray has %q", got)
	}
	if focus := eval[string](page, "document.activeElement.name"); focus != "Earlier" {
		t.Errorf("after moving the focus is on %q", focus)
	}
	for range 4 {
		eval[bool](page, "(document.querySelector('#examples [name=Remove]').focus(), true)")
		page.Press(kb.Enter)
	}
	if got := list(); len(got) != 0 || eval[string](page, "document.activeElement.id") != "example-file" {
		t.Errorf("after removing all the tray has %q, and the focus is on %q", got, eval[string](page, "document.activeElement.id"))
	}
}

// TestKeptExamples keeps examples in the browser, and puts the most similar before a picture.
func TestKeptExamples(t *testing.T) {
	_, _, page := openPage(t, "")
	ready(page)
	page.Click("#samples li:nth-child(1) .plus")
	page.Click("#samples li:nth-child(5) .plus")
	page.Click("#store summary")
	page.Click("#keep-all")
	page.WaitText("#store-said", "2 of the tray’s pictures kept.")
	page.WaitText("#kept", "2")
	page.Click("#clear-examples")
	plain := settle(page, func() { page.Upload("#file", picturePath(expected(t)[0])) })
	page.Click("#retrieve")
	found := settle(page, func() { page.Click("#again") })
	if plain == "" || found == "" || eval[string](page, "document.documentElement.dataset.state") != "ready" {
		t.Errorf("without kept examples %q, with them %q: %s", plain, found, page.Text("#error"))
	}
	page.Screenshot("store")
	accessible(page, "store")
	page.Reload()
	ready(page)
	page.WaitText("#kept", "2")
	page.Click("#store summary")
	page.Click("#forget")
	page.WaitText("#kept", "0")
	if !eval[bool](page, "document.querySelector('#retrieve').disabled") {
		t.Error("nothing is kept, and the most similar may be asked for")
	}
}
