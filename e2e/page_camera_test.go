//go:build e2e

package e2e

import (
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// watchCamera counts the page's streams, and what runs at the same time.
const watchCamera = `(() => {
	globalThis.tracks = []
	const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices)
	navigator.mediaDevices.getUserMedia = async (want) => {
		const stream = await open(want)
		globalThis.tracks.push(...stream.getTracks())
		return stream
	}
	globalThis.said = []
	new MutationObserver(() => globalThis.said.push(document.querySelector('#caption').textContent))
		.observe(document.querySelector('#caption'), { childList: true, subtree: true, characterData: true })
	return true
})()`

// TestCamera describes what a camera sees again and again, until it is told to stop.
func TestCamera(t *testing.T) {
	server := startServer(t, "..", "-models", models(t))
	page := startBrowser(t, "use-fake-device-for-media-stream", "use-fake-ui-for-media-stream").Open(server.URL + "/?model=./models/nano/")
	ready(page)
	eval[bool](page, watchCamera)
	for _, stop := range []struct {
		name string
		do   func()
	}{
		{"the camera's button", func() { page.Click("#camera") }},
		{"Stop", func() { page.Click("#stop") }},
		{"Escape", func() { page.Press(kb.Escape) }},
	} {
		eval[bool](page, "(globalThis.said.length = 0, true)")
		page.Click("#camera")
		page.Wait("two captions of the camera", "document.documentElement.dataset.state === 'live' && globalThis.said.filter(Boolean).length > 1")
		if eval[bool](page, "document.querySelector('#live').hidden || document.querySelector('#live').videoWidth === 0 || document.querySelector('#spoken').textContent !== ''") {
			t.Error("the camera is on and its picture is not shown, or each caption is spoken")
		}
		if stop.name == "Stop" {
			page.Screenshot("camera")
			accessible(page, "camera")
		}
		stop.do()
		page.WaitText("#status", "The camera is off.")
		if got := eval[string](page, "globalThis.tracks.map((track) => track.readyState).join()"); got != "ended" {
			t.Errorf("after %s the camera's tracks are %q, want ended", stop.name, got)
		}
		eval[bool](page, "(globalThis.tracks.length = 0, true)")
		if eval[bool](page, "!document.querySelector('#live').hidden || document.querySelector('#preview').src === ''") {
			t.Errorf("after %s the page does not keep the last picture", stop.name)
		}
	}
	page.Click("#keep")
	if got := eval[int](page, "document.querySelectorAll('#examples .thumb img').length"); got != 1 {
		t.Errorf("the tray has %d pictures of the camera, want 1", got)
	}
}

// TestNoCamera says in plain words why there is no camera.
func TestNoCamera(t *testing.T) {
	server := startServer(t, "..", "-models", models(t))
	for _, c := range []struct{ name, want string }{
		{"NotAllowedError", "The camera was not allowed."},
		{"NotFoundError", "There is no camera."},
		{"NotReadableError", "The camera is not answering."},
	} {
		page := startBrowser(t).Open(server.URL + "/?model=./models/wordless/")
		ready(page)
		eval[bool](page, "(navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('no', '"+c.name+"') }, true)")
		page.Click("#camera")
		page.WaitText("#error-what", c.want)
		if eval[bool](page, "document.querySelector('#error').hidden || document.querySelector('#error-next').textContent === '' || document.querySelector('#camera').textContent !== 'Use the camera'") {
			t.Errorf("%s: the error, its next step and the button are %q", c.name, page.Text("#error"))
		}
	}
}
