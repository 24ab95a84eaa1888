//go:build e2e

package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// TestWidget puts the element on a page of its own: it does nothing before it is asked, captions a
// picture when clicked, and writes alternative text where there is none.
func TestWidget(t *testing.T) {
	server, _, page := openPage(t, "embed.html?quiet")
	server.Requests()
	page.Wait("the element", "customElements.get('flamingo-caption')")
	for _, r := range server.Requests() {
		if strings.HasSuffix(r.Path, "/flamingo.json") {
			t.Error("the model was fetched before anyone asked for it")
		}
	}
	got := eval[[]string](page, `(async () => {
		document.body.innerHTML = '<img id="shown" src="./models/formats/plain.png"><flamingo-caption for="shown" fill-alt device="cpu" model="./models/nano/"></flamingo-caption>'
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

// TestWidgetModes lets the element ask, classify and begin with words: it says what the API says.
func TestWidgetModes(t *testing.T) {
	promptModels(t)
	_, _, page := openPage(t, "embed.html?quiet")
	openAPI(t, page, "nano-asks")
	picture := "./models/pictures/" + filepath.Base(expected(t)[0].File)
	type row struct{ State, Told, Shown, Alt, Button string }
	for _, c := range []struct{ name, attributes, script, button, want string }{
		{"nothing", "", "", "Describe this picture", "model.caption(pictures[0])"},
		{"words", `prompt=" a tiny"`, "", "Describe this picture", "model.caption(pictures[0], { prompt: ' a tiny' })"},
		{"a question", `mode="ask" question="what colour?"`, "", "what colour?", "model.ask(pictures[0], 'what colour?')"},
		{"labels", `mode="classify" labels=" a small red star,a blue ring ,"`, "", "Classify this picture",
			"model.classify(pictures[0], ['a small red star', 'a blue ring'])"},
		{"properties", `mode="classify"`, "Object.assign(element, { mode: 'ask', question: 'what shape?', labels: null, noWorker: false })",
			"what shape?", "model.ask(pictures[0], 'what shape?')"},
		{"no question", `mode="ask"`, "", "Describe this picture", "model.ask(pictures[0], '')"},
		{"no labels", `mode="classify"`, "", "Classify this picture", "model.classify(pictures[0], [])"},
		{"an unknown mode", `mode="guess"`, "", "Describe this picture",
			`Promise.reject({ code: 'invalid-option', message: 'flamingo-caption: mode is "guess", want caption, ask or classify', hint: 'Correct the attribute "mode".' })`},
		{"no element", `for="nobody"`, "element.src = null", "Describe this picture",
			`Promise.reject({ code: 'invalid-option', message: 'flamingo-caption: no element has the id "nobody"', hint: 'Set src, or set for to the id of an <img> or <video>.' })`},
	} {
		got := eval[row](page, fmt.Sprintf(`(async () => {
			document.body.innerHTML = %q
			const element = document.querySelector('flamingo-caption')
			%s
			const part = (name) => element.shadowRoot.querySelector('[part=' + name + ']')
			const Button = part('button').textContent
			const ended = new Promise((end) => { for (const name of ['caption', 'error']) element.addEventListener('flamingo-' + name, end) })
			element.start()
			const { labels, text, error } = (await ended).detail
			return {
				State: element.state, Told: error ? error.code + ': ' + error.message : JSON.stringify([text, labels]),
				Shown: part(error ? 'error' : 'result').textContent, Alt: part('picture').alt, Button,
			}
		})()`, `<flamingo-caption model="./models/nano-asks/" src="`+picture+`" `+c.attributes+`></flamingo-caption>`, c.script))
		want := eval[row](page, fmt.Sprintf(`outcome(%s).then((said) => {
			if (said.error) return { State: 'error', Told: said.error, Shown: said.error.slice(said.error.indexOf(' ') + 1) + '. ' + said.hint, Alt: '' }
			const labels = Array.isArray(said) ? said : undefined
			const Alt = labels ? labels[0].label : said.text
			const Shown = labels ? labels.map((l) => l.label + ' ' + Math.round(100 * l.probability) + ' %%').join(', ') : said.text
			return { State: 'done', Told: JSON.stringify([Alt, labels]), Shown, Alt }
		})`, c.want))
		want.Button = c.button
		if got != want {
			t.Errorf("%s:\n got %q\nwant %q", c.name, got, want)
		}
	}
}

// TestWidgetVideos shows and describes a video of its own, and one that stands on the page.
func TestWidgetVideos(t *testing.T) {
	page := openStudio(t, "nano")
	eval[bool](page, "import('/flamingo-caption.js').then(() => true)")
	want := eval[string](page, "model.caption(films[0]).then((r) => r.text)") + " | Describe this video"
	for _, c := range []struct{ name, html, shows string }{
		{"src", `<flamingo-caption model="./models/nano/" src="FILM#film.webm"></flamingo-caption>`, "video"},
		{"for", `<video id="clip" src="FILM" muted></video><flamingo-caption model="./models/nano/" for="clip"></flamingo-caption>`, ""},
	} {
		got := eval[string](page, fmt.Sprintf(`(async () => {
			document.body.innerHTML = %q.replace('FILM', URL.createObjectURL(films[0]))
			const element = document.querySelector('flamingo-caption')
			const button = element.shadowRoot.querySelector('[part=button]').textContent
			const failed = new Promise((told) => element.addEventListener('flamingo-error', ({ detail }) => told(detail.error.message)))
			const text = await Promise.race([element.start().then((result) => result?.text ?? failed), failed])
			const shown = [...element.shadowRoot.querySelectorAll('[part=picture]')].filter((one) => !one.hidden)
			return text + ' | ' + button + ' | ' + shown.map((one) => one.localName).join()
		})()`, c.html))
		if got != want+" | "+c.shows {
			t.Errorf("%s: %q, want %q", c.name, got, want+" | "+c.shows)
		}
	}
}
