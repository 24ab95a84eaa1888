//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// openBoard opens the page with a model that has the sticker model's name and the nano model's
// weights: what it says means nothing, but it says it.
func openBoard(t *testing.T) *Page {
	t.Helper()
	_, _, page := openPage(t, "?model=./models/stand-in/")
	ready(page)
	page.Wait("an answer about the board", "document.documentElement.dataset.state === 'ready' && document.querySelector('#caption').textContent !== ''")
	return page
}

// laid says what lies on the board and where, from the bottom to the top.
func laid(p *Page) []string {
	p.t.Helper()
	return eval[[]string](p, "[...document.querySelectorAll('#surface .sticker')].map((button) => button.ariaLabel)")
}

func lies(p *Page, what string, want ...string) {
	p.t.Helper()
	if got := laid(p); !slices.Equal(got, want) {
		p.t.Errorf("%s: on the board there is %q, want %q", what, got, want)
	}
}

// spot is the point of the viewport that lies at these shares of an element's width and height.
func spot(p *Page, selector string, x, y float64) [2]float64 {
	p.t.Helper()
	return eval[[2]float64](p, fmt.Sprintf(`(() => {
		const { left, top, width, height } = document.querySelector(%q).getBoundingClientRect()
		return [left + %g * width, top + %g * height]
	})()`, selector, x, y))
}

// drag presses the pointer at the first point, moves it along the others and lets go at the last.
func drag(p *Page, points ...[2]float64) {
	p.t.Helper()
	steps := []chromedp.Action[chromedp.Void]{chromedp.MouseEvent(chromedp.MousePressed, points[0][0], points[0][1], chromedp.ButtonLeft, chromedp.ClickCount(1))}
	for i, to := range points[1:] {
		for k := 1.0; k <= 5; k++ {
			from := points[i]
			steps = append(steps, chromedp.MouseEvent(chromedp.MouseMoved, from[0]+(to[0]-from[0])*k/5, from[1]+(to[1]-from[1])*k/5, chromedp.ButtonLeft))
		}
	}
	last := points[len(points)-1]
	p.do("dragging", append(steps, chromedp.MouseEvent(chromedp.MouseReleased, last[0], last[1], chromedp.ButtonLeft, chromedp.ClickCount(1)))...)
}

// follows waits until the answer is what the model says of the board as it is, asked in another way.
func follows(p *Page) {
	p.t.Helper()
	p.Wait("the answer to follow the board", `(async () => {
		if (document.documentElement.dataset.state !== 'ready') return false
		const { picture } = await import('/demo-board.js')
		globalThis.other ??= (await import('/flamingo.js')).load('./models/stand-in/')
		const { text } = await (await other).caption(picture())
		return text.trim() === document.querySelector('#caption').textContent.trim()
	})()`)
}

// TestBoard lays stickers by pointer and by keys, and reads what the model says of them.
func TestBoard(t *testing.T) {
	page := openBoard(t)
	lies(page, "as it opens", "dog on the left", "balloon on the right")
	follows(page)
	shots(page, "board")

	eval[bool](page, "(document.querySelector('#surface').scrollIntoView({ block: 'start' }), true)")
	drag(page, spot(page, ".sticker:nth-of-type(1)", 0.5, 0.5), spot(page, "#surface", 0.5, 0.2), spot(page, "#surface", 0.8, 0.85))
	lies(page, "after a drag", "dog in the bottom right", "balloon on the right")
	follows(page)
	fill(page, "#sticker-search", "ow")
	if got := eval[int](page, "document.querySelectorAll('#sticker-list button').length"); got == 0 || got > 6 {
		t.Errorf("%d stickers have %q in their names", got, "ow")
	}
	owl := "#sticker-list button[title=owl]"
	drag(page, spot(page, owl, 0.5, 0.5), spot(page, "#surface", 0.2, 0.2))
	lies(page, "with an owl", "dog in the bottom right", "balloon on the right", "owl in the top left")
	page.Click(owl)
	if got := laid(page); len(got) != 4 {
		t.Errorf("after a click on a sticker of the drawer there is %q", got)
	}
	drag(page, spot(page, ".sticker:nth-of-type(1)", 0.5, 0.5), spot(page, "#surface", 0.5, 0.5), spot(page, "#surface", 1.15, 0.5))
	if got := laid(page); len(got) != 3 || strings.Contains(got[0], "dog") {
		t.Errorf("after the dog was dragged off there is %q", got)
	}
	page.Click("#undo")
	if got := laid(page); len(got) != 4 || got[0] != "dog in the bottom right" {
		t.Errorf("after undoing that there is %q", got)
	}
	follows(page)

	width := "document.querySelector('.sticker').getBoundingClientRect().width"
	eval[bool](page, "(document.querySelector('.sticker').focus(), true)")
	before := eval[float64](page, width)
	page.Press("+")
	page.Press(kb.ArrowUp)
	for range 20 {
		page.Press(kb.ArrowLeft)
	}
	if got := eval[float64](page, width); got <= before || laid(page)[0] != "dog in the bottom left" && laid(page)[0] != "dog at the bottom" {
		t.Errorf("after keys there is %q, %g wide, before %g", laid(page), got, before)
	}
	follows(page)
	page.Press(kb.Delete)
	if got := eval[string](page, "document.activeElement.ariaLabel"); len(laid(page)) != 3 || got != "balloon on the right" {
		t.Errorf("after Delete there is %q, and the focus is on %q", laid(page), got)
	}

	page.Click("[name=drawer][value=grounds]")
	page.Click("[name=ground][value=striped]")
	page.Click("[name=colour][value=blue]")
	if got := eval[string](page, "document.querySelector('#ground').ariaLabel"); got != "Background: striped blue" {
		t.Errorf("the ground is called %q", got)
	}
	page.Click("[name=ground][value='on a beach']")
	follows(page)
	shots(page, "board-grounds")
	page.Click("#clear-board")
	lies(page, "after clearing")
}

// TestBoardAndOwn goes from the board to pictures of one's own and back, and asks in another mode.
func TestBoardAndOwn(t *testing.T) {
	page := openBoard(t)
	said := page.Text("#caption")
	settle(page, func() { page.Upload("#file", picturePath(expected(t)[0])) })
	if got, want := page.Text("#caption"), strings.TrimSpace(expected(t)[0].Caption); got != want || eval[bool](page, "document.querySelector('#board').checkVisibility()") {
		t.Errorf("the picture is %q, want %q, and the board may still be there", got, want)
	}
	if got := settle(page, func() { page.Click("[name=source][value=board]") }); got != said {
		t.Errorf("back at the board the answer is %q, before %q", got, said)
	}
	page.Click("#keep")
	page.Wait("the example", "document.querySelector('#examples [name=text]')?.value === document.querySelector('#caption').textContent")
	page.Click("#clear-examples")
	settle(page, func() { page.Click("[name=source][value=own]") })
	page.Click("[name=mode][value=ask]")
	settle(page, func() { page.Click("[name=source][value=board]") })
	if got := page.Text("#status"); got != "Type a question." {
		t.Errorf("without a question the page says %q", got)
	}
	if got := settle(page, func() { fill(page, "#question", "how many?"+kb.Enter) }); got == "" {
		t.Error("the question has no answer")
	}
}

// TestStickerSamples shows a picture and a video of the samples.
func TestStickerSamples(t *testing.T) {
	page := openBoard(t)
	if got := settle(page, func() { page.Click("#samples li:nth-child(1) .sample") }); got == "" {
		t.Errorf("the first sample has no caption: %q", page.Text("#error"))
	}
	settle(page, func() { page.Click("#samples li:nth-child(7) .sample") })
	page.Wait("the strip", "document.querySelectorAll('#strip li').length === 8")
	if got := page.Text("#caption"); got == "" {
		t.Errorf("the video has no caption: %q", page.Text("#error"))
	}
	page.Click("#samples li:nth-child(8) .plus")
	page.Wait("the example", "document.querySelector('#examples video')")
	shots(page, "sticker-samples")
}

// TestTeach teaches words, by the button and by hand, and forgets them.
func TestTeach(t *testing.T) {
	page := openBoard(t)
	words := func() string {
		list := eval[[]string](page, "[...document.querySelectorAll('#examples [name=text]')].map(({ value }) => value)")
		slices.Sort(list)
		return strings.Join(list, " ")
	}
	page.Click("#teach-demo")
	page.WaitText("#taught-said", "was taught")
	if got := words(); got != "dax dax dax dax wug wug wug wug" {
		t.Errorf("the tray has %q", got)
	}
	if got := laid(page); len(got) != 1 || !strings.HasPrefix(got[0], "octopus") && !strings.HasPrefix(got[0], "cactus") {
		t.Errorf("the model is examined about %q", got)
	}
	if !eval[bool](page, `import('/demo-board.js').then(({ scene, drawing }) =>
		document.querySelector('.sticker img').src === drawing(scene().stickers[0]).src)`) {
		t.Error("the board shows another sticker than the model sees")
	}
	shots(page, "teach")
	first := laid(page)[0]
	page.Click("#ask-taught")
	page.Wait("another picture", fmt.Sprintf("document.querySelector('.sticker').ariaLabel !== %q && document.querySelector('#taught-said').textContent !== ''", first))

	page.Click("#clear-board")
	page.Click("#sticker-list button[title=owl]")
	page.WaitText("#word-for", "owl")
	settle(page, func() { fill(page, "#word", "mibop"+kb.Enter) })
	if got := words(); got != "dax dax mibop mibop wug wug" {
		t.Errorf("with a third word the tray has %q", got)
	}
	for left := 2; left >= 0; left-- {
		page.Click("#taught button")
		page.Wait("a word to be forgotten", fmt.Sprintf("document.querySelectorAll('#taught li').length === %d", left))
	}
	if got := words(); got != "" {
		t.Errorf("after forgetting the tray has %q", got)
	}
}

// TestModelCard shows what the card beside the model says.
func TestModelCard(t *testing.T) {
	page := openBoard(t)
	page.WaitText("#card", "does not exist")
	if got := eval[int](page, "document.querySelectorAll('#card polyline').length"); got != 8 {
		t.Errorf("the chart has %d curves, want those of four tasks in two styles", got)
	}
	page.Wait("the failures", "[...document.querySelectorAll('.failures img')].length === 2")
	for i := range 2 {
		page.Click(fmt.Sprintf("#card details:nth-of-type(1):not([open]) summary, #card div:nth-of-type(%d) details summary", i+1))
	}
	shots(page, "card")
}
