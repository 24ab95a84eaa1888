//go:build e2e

package e2e

import "testing"

// TestWidget puts the element on a page of its own: it does nothing before it is asked, captions a
// picture when clicked, and writes alternative text where there is none.
func TestWidget(t *testing.T) {
	server, _, page := openPage(t, "embed.html?quiet")
	server.Requests()
	page.Wait("the element", "customElements.get('flamingo-caption')")
	for _, r := range server.Requests() {
		if r.Path == "/models/nano/flamingo.json" {
			t.Error("the model was fetched before anyone asked for it")
		}
	}
	got := eval[[]string](page, `(async () => {
		document.body.innerHTML = '<img id="shown" src="./models/formats/plain.png"><flamingo-caption for="shown" fill-alt device="cpu"></flamingo-caption>'
		await document.querySelector('#shown').decode()
		const element = document.querySelector('flamingo-caption')
		const events = []
		for (const name of ['ready', 'caption', 'error']) element.addEventListener('flamingo-' + name, (e) => events.push(name))
		const done = new Promise((resolve) => { element.addEventListener('flamingo-caption', resolve); element.addEventListener('flamingo-error', resolve) })
		element.start()
		await done
		return [element.caption, document.querySelector('#shown').alt, document.querySelector('#shown').dataset.altSource, events.join()]
	})()`)
	want := []string{"a large red circle in the top left on a plain white background", "", "generated", "ready,caption"}
	want[1] = want[0]
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("caption, alt, source and events are %q, want %q", got, want)
			break
		}
	}
}
