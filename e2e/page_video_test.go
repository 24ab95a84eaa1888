//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// TestVideoFile captions a video that is chosen, shows the frames that the model sees, and keeps to a range.
func TestVideoFile(t *testing.T) {
	_, _, page := openPage(t, "")
	ready(page)
	file := filepath.Join(t.TempDir(), "clip.webm")
	if err := os.WriteFile(file, record(page), 0o644); err != nil {
		t.Fatal(err)
	}
	frames := func(want string) {
		t.Helper()
		page.Wait("the strip to have "+want, "[...document.querySelectorAll('#strip li')].map((li) => li.textContent).join() === '"+want+"'")
	}
	if got := describe(page, file); got == "" {
		t.Errorf("the video's caption is empty; the page says %q", page.Text("#status")+page.Text("#error"))
	}
	frames("0.5 s,1.5 s")
	if eval[bool](page, "document.querySelector('#clip').hidden || !document.querySelector('#preview').hidden || document.querySelector('#alt').checkVisibility()") {
		t.Error("the player is hidden, or a video may become an <img>")
	}
	shots(page, "video")
	settle(page, func() { fill(page, "#fps", "4"); fill(page, "#end", "1"+kb.Enter) })
	frames("0.1 s,0.4 s,0.6 s,0.9 s")
	settle(page, func() { fill(page, "#start", "60"+kb.Enter) })
	page.WaitText("#error-what", "Start is 60 and end 1")
	page.Click("#samples li:nth-child(1) .sample")
	page.Wait("the picture in place of the video", "document.querySelector('#range').hidden && !document.querySelector('#preview').hidden")
}
