//go:build e2e

package e2e

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

// TestWithoutTokenizer gives the API, the page and the widget a model that has no words: it takes
// and gives token ids, and words are refused with that next step.
func TestWithoutTokenizer(t *testing.T) {
	server, _, page := openPage(t, "embed.html?quiet")
	type outcome struct {
		Tokenizer  bool
		ImageToken int
		Text       string
		IDs, Bare  []int
		Pieces     []int
		Refusals   [][2]string
	}
	got := eval[outcome](page, `import('/flamingo.js').then(async ({ load }) => {
		const model = await load('/models/wordless/', {})
		const picture = await (await fetch('/models/formats/plain.png')).blob()
		const image = model.info.imageToken
		const options = { maxTokens: 4, temperature: 9, seed: 1 }
		const run = model.caption(picture, { ...options, prompt: [image] })
		const Pieces = []
		for await (const piece of run) Pieces.push(piece.id)
		const { text, ids } = await run
		const Bare = (await model.caption(picture, options)).ids
		const Refusals = []
		for (const prompt of ['a cat', [7], [image, image], [image, 1e6]]) {
			Refusals.push(await model.caption(picture, { prompt }).then((r) => ['said ' + r.ids, ''], (e) => [e.code + ': ' + e.message, e.hint]))
		}
		return { Tokenizer: model.info.tokenizer, ImageToken: image, Text: text, IDs: ids, Bare, Pieces, Refusals }
	})`)
	if got.Tokenizer || got.ImageToken != 2 || got.Text != "" || len(got.IDs) == 0 || !slices.Equal(got.Pieces, got.IDs) || !slices.Equal(got.Bare, got.IDs) {
		t.Errorf("got %+v; want ids, no words, and the same ids as pieces and without a prompt", got)
	}
	for i, want := range [][2]string{
		{"^invalid-option: .*this model has no tokenizer$", `^Give the prompt as token ids, such as \[2\]\.$`},
		{"^invalid-option: .*<image> token 0 times, want once", "^Its id is 2"},
		{"^invalid-option: .*<image> token 2 times, want once", "^Its id is 2"},
		{"^invalid-option: .*prompt token 1 is 1000000, the vocabulary has 320$", "."},
	} {
		for j, text := range got.Refusals[i] {
			if !regexp.MustCompile(want[j]).MatchString(text) {
				t.Errorf("refusal %d: %q, want a match of %q", i, got.Refusals[i], want)
			}
		}
	}
	page.Goto(server.URL + "/?model=./models/wordless/")
	ready(page)
	ids := regexp.MustCompile(`^\d+( \d+)*$`)
	if said := describe(page, picturePath(expected(t)[0])); !ids.MatchString(said) {
		t.Errorf("the page says %q, want ids", said)
	}
	if text := page.Text("#status"); !regexp.MustCompile("without a tokenizer").MatchString(text) || !eval[bool](page, "document.querySelector('#alt').hidden") {
		t.Errorf("the page's status is %q and ids may become an alternative text", text)
	}
	page.Goto(server.URL + "/embed.html?quiet")
	page.Wait("the element", "customElements.get('flamingo-caption')")
	said := eval[[]string](page, fmt.Sprintf(`(async () => {
		document.body.innerHTML = '<img id="shown" src="./models/pictures/%s"><flamingo-caption for="shown" fill-alt model="./models/wordless/"></flamingo-caption>'
		await document.querySelector('#shown').decode()
		const element = document.querySelector('flamingo-caption')
		await element.start()
		return [element.caption, document.querySelector('#shown').alt]
	})()`, filepath.Base(expected(t)[0].File)))
	if !ids.MatchString(said[0]) || said[1] != "" {
		t.Errorf("the widget says %q and writes the alternative text %q, want ids and none", said[0], said[1])
	}
}
