//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// TestBuiltIn is what a visitor finds: the page opens with the sticker model and a composed board, and
// what it says of that, of the samples and of words that it was just taught is right.
func TestBuiltIn(t *testing.T) {
	server := startServer(t, "..")
	page := startBrowser(t).Open(server.URL + "/")
	ready(page)
	page.WaitText("#caption", "background")
	if got, want := page.Text("#caption"), "a dog to the left of a balloon on a plain yellow background"; got != want {
		t.Errorf("of the board as it opens the page says %q, want %q", got, want)
	}

	data, err := os.ReadFile("../web/samples/sticker/samples.json")
	if err != nil {
		t.Fatal(err)
	}
	var samples []struct{ File, Alt string }
	if err := json.Unmarshal(data, &samples); err != nil {
		t.Fatal(err)
	}
	wrong := 0
	for i, sample := range samples {
		got := settle(page, func() { page.Click(fmt.Sprintf("#samples li:nth-child(%d) .sample", i+1)) })
		t.Logf("%s: %q", sample.File, got)
		if got != sample.Alt {
			wrong++
		}
	}
	if wrong > 1 {
		t.Errorf("%d of %d samples have another caption than their own, want 1 at most", wrong, len(samples))
	}

	// Each word is taught beside one of another thing, and asked about on pictures that are new.
	settle(page, func() { page.Click("[name=source][value=board]") })
	learned, taught := 0, [][2]string{{"owl", "mibop"}, {"pizza", "gat"}, {"snail", "ruzel"}, {"anchor", "teb"}, {"carrot", "nodup"}}
	for i, pair := range taught {
		for _, one := range [][2]string{taught[(i+2)%len(taught)], pair} {
			page.Click("#clear-board")
			page.Click("#sticker-list button[title='" + one[0] + "']")
			page.WaitText("#word-for", one[0])
			fill(page, "#word", one[1]+kb.Enter)
			page.WaitText("#taught", one[1])
		}
		page.Click("#ask-taught")
		page.Wait("an answer", "document.querySelector('#taught-said').textContent !== ''")
		said := page.Text("#taught-said")
		t.Logf("%s as %q: %s", pair[0], pair[1], said)
		if eval[string](page, "document.querySelector('#taught-said').dataset.right") == "true" {
			learned++
		}
		for range 2 {
			left := eval[int](page, "document.querySelectorAll('#taught li').length")
			page.Click("#taught button")
			page.Wait("a word to be forgotten", fmt.Sprintf("document.querySelectorAll('#taught:not([hidden]) li').length < %d", left))
		}
	}
	if learned < 4 {
		t.Errorf("of %d words it has learned %d, want 4 at least", len(taught), learned)
	}
}
