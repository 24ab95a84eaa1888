//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flamingo/model"
	"flamingo/picture"
	"flamingo/tensor"
)

// gallery is all held-out pictures, each with what is said of it and its embedding on the CPU.
func gallery(t *testing.T, cpu truth) (media []model.Media, texts []string, vectors [][]float32) {
	t.Helper()
	for _, e := range expected(t) {
		f, err := os.Open(picturePath(e))
		if err != nil {
			t.Fatal(err)
		}
		p, err := picture.Read(f, model.MaxPixels)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		x := model.Picture(model.Image{Width: p.Width, Height: p.Height, Pixels: tensor.GoBytes(p.Pixels)})
		if _, err := cpu.Encode(t.Context(), x); err != nil {
			t.Fatal(err)
		}
		v, err := cpu.Embedding(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		media, texts, vectors = append(media, x), append(texts, strings.TrimSpace(e.Caption)), append(vectors, v.F32())
	}
	return media, texts, vectors
}

// openGallery loads a model in a page and gives scripts its name, all held-out pictures and their texts.
func openGallery(t *testing.T, page *Page, name string) {
	t.Helper()
	openAPI(t, page, name)
	var files, texts []string
	for _, e := range expected(t) {
		files, texts = append(files, filepath.Base(e.File)), append(texts, strings.TrimSpace(e.Caption))
	}
	list, _ := json.Marshal([][]string{files, texts})
	eval[bool](page, fmt.Sprintf(`(async ([files, said]) => {
		globalThis.texts = said
		globalThis.pictures = await Promise.all(files.map(async (file) => (await fetch('/models/pictures/' + file)).blob()))
		globalThis.shots = pictures.map((image, i) => ({ image, text: texts[i] }))
		globalThis.code = (promise) => promise.then((v) => 'no error: ' + JSON.stringify(v), (e) => e.code + ': ' + e.message)
		globalThis.whole = async () => {
			const db = await new Promise((ok) => { indexedDB.open('flamingo-examples').onsuccess = (e) => ok(e.target.result) })
			const count = (name) => new Promise((ok) => { db.transaction(name).objectStore(name).count().onsuccess = (e) => ok(e.target.result) })
			const counts = [await count('examples'), await count('vectors')]
			db.close()
			return counts
		}
		return true
	})(%s)`, list))
}

func dot(a, b []float32) (sum float64) {
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

// alike is how far embeddings of the browser's device and the CPU may be apart.
const alike = 1e-4

// found is an example that was.
type found struct {
	ID         float64
	Text       string
	Similarity float64
}

// TestRetrieve finds pictures that are like another, and captions with them: as the CPU does, as with
// the same examples given by hand, and after a reload.
func TestRetrieve(t *testing.T) {
	promptModels(t)
	server, _, page := openPage(t, "embed.html")
	cpu := openTruth(t, "nano-asks")
	media, texts, vectors := gallery(t, cpu)
	openGallery(t, page, "nano-asks")

	for i, v := range eval[[][]float32](page, `Promise.all(pictures.map(async (file) => [...await model.embed(file)]))`) {
		if len(v) != len(vectors[i]) || len(v) != eval[int](page, "model.info.embedding") {
			t.Fatalf("picture %d: an embedding of %d numbers, want %d", i, len(v), len(vectors[i]))
		}
		for j := range v {
			if d := math.Abs(float64(v[j] - vectors[i][j])); d > alike {
				t.Fatalf("picture %d: number %d of its embedding is %g, want %g", i, j, v[j], vectors[i][j])
			}
		}
	}

	// Those like 0, among all others.
	got := eval[[]found](page, `(async () => {
		const examples = model.examples()
		globalThis.ids = await examples.add(shots.slice(1))
		return examples.nearest(pictures[0], 99)
	})()`)
	order := make([]int, len(texts)-1)
	for i := range order {
		order[i] = i + 1
	}
	slices.SortFunc(order, func(a, b int) int {
		return int(math.Copysign(1, dot(vectors[0], vectors[a])-dot(vectors[0], vectors[b])))
	})
	if len(got) != len(order) {
		t.Fatalf("%d examples are near, want all %d", len(got), len(order))
	}
	for i, x := range got {
		at := slices.Index(texts, x.Text)
		if want := dot(vectors[0], vectors[at]); math.Abs(x.Similarity-want) > 10*alike || math.Abs(want-dot(vectors[0], vectors[order[i]])) > 10*alike {
			t.Errorf("place %d: %q with a similarity of %g, want %q with %g", i, x.Text, x.Similarity, texts[order[i]], want)
		}
	}

	// The two nearest before one that is given, after a reload.
	page.Goto(server.URL + "/embed.html")
	openGallery(t, page, "nano-asks")
	last := order[len(order)-2:]
	o := model.CaptionOptions{}
	for _, i := range last {
		o.Shots = append(o.Shots, model.Shot{Media: media[i], Text: texts[i]})
	}
	want := cpu.write(cpu.promptOf(media[0], o), model.Options{MaxTokens: 20})
	const retrieve = "retrieve: { from: 'store', n: 2 }"
	for _, c := range []struct {
		name, options string
		encoded       int
	}{
		{"found", retrieve, 3},
		{"found again", "retrieve: { from: model.examples(), n: 2 }", 0},
		{"given by hand", "shots: (await model.examples().nearest(pictures[0], 2)).map(({ image, text }) => ({ image, text }))", 0},
	} {
		got := eval[spoken](page, fmt.Sprintf("(async () => outcome(model.caption(pictures[0], { %s, maxTokens: 20 })))()", c.options))
		got.sameAs(t, c.name, want)
		if got.Stats.Encoded != c.encoded {
			t.Errorf("%s: %d pictures were encoded, want %d", c.name, got.Stats.Encoded, c.encoded)
		}
	}
	o.Shots = append(o.Shots, model.Shot{Media: media[5], Text: "a heart"})
	eval[spoken](page, "outcome(model.caption(pictures[0], { shots: [{ image: pictures[5], text: 'a heart' }], "+retrieve+", maxTokens: 9 }))").
		sameAs(t, "before one that is given", cpu.write(cpu.promptOf(media[0], o), model.Options{MaxTokens: 9}))

	// A picture that is in the store is found there.
	if got := eval[[]found](page, "model.examples().nearest(pictures[3], 1)"); len(got) != 1 || got[0].Text != texts[3] || math.Abs(got[0].Similarity-1) > alike {
		t.Errorf("the nearest to a picture of the store is %+v, want itself", got)
	}

	// Questions need examples that have some.
	const ask = "code(model.ask(pictures[0], 'what?', { retrieve: { from: 'store', n: 4 }, maxTokens: 8 }).then((r) => r.ids))"
	if got := eval[string](page, ask); !strings.Contains(got, `"store" has no examples with a question`) {
		t.Errorf("a question without examples: %s", got)
	}
	eval[[]float64](page, "model.examples().add([{ image: pictures[0], text: 'red', question: 'colour?' }, { image: pictures[1], text: 'rings', question: 'shape?' }])")
	asked := cpu.write(cpu.promptOf(media[2], model.CaptionOptions{Task: "ask", Question: "what?", Shots: shotsLike(media, vectors, 2)}), model.Options{MaxTokens: 8})
	eval[spoken](page, "outcome(model.ask(pictures[2], 'what?', { retrieve: { from: 'store', n: 4 }, maxTokens: 8 }))").sameAs(t, "a question", asked)
	if got := eval[string](page, "code(model.caption(pictures[0], { retrieve: { from: 'other', n: 4 } }))"); !strings.HasPrefix(got, `invalid-option: caption: "retrieve": "other" has no examples`) {
		t.Errorf("a store without examples: %s", got)
	}
}

// shotsLike are the two examples with a question, the one more like a picture last.
func shotsLike(media []model.Media, vectors [][]float32, query int) []model.Shot {
	shots := []model.Shot{{Media: media[0], Question: "colour?", Text: "red"}, {Media: media[1], Question: "shape?", Text: "rings"}}
	if dot(vectors[query], vectors[0]) > dot(vectors[query], vectors[1]) {
		slices.Reverse(shots)
	}
	return shots
}

// TestOrders averages log-probabilities over the orders of two examples.
func TestOrders(t *testing.T) {
	_, _, page := openPage(t, "embed.html")
	cpu := openTruth(t, "nano")
	media, texts, _ := gallery(t, cpu)
	openGallery(t, page, "nano")
	type score struct {
		LogProb, PerToken float64
		Tokens            []struct{ LogProb float64 }
	}
	got := eval[[]score](page, "model.score(pictures[0], texts.slice(0, 3), { shots: shots.slice(1, 3), orders: 6, seed: 4 })")
	mean := make([]float64, len(got))
	for _, order := range [][]int{{1, 2}, {2, 1}} {
		o := model.CaptionOptions{}
		for _, i := range order {
			o.Shots = append(o.Shots, model.Shot{Media: media[i], Text: texts[i]})
		}
		for i, s := range cpu.score(cpu.promptOf(media[0], o), []string{" " + texts[0], " " + texts[1], " " + texts[2]}) {
			mean[i] += s.LogProb / 2
		}
	}
	for i, s := range got {
		sum := 0.0
		for _, x := range s.Tokens {
			sum += x.LogProb
		}
		if math.Abs(s.LogProb-mean[i]) > 0.2 || math.Abs(sum-s.LogProb) > 1e-9 || math.Abs(sum/float64(len(s.Tokens))-s.PerToken) > 1e-9 {
			t.Errorf("text %d: %+v, want a mean of %g", i, s, mean[i])
		}
	}
}

// TestExamplesKept exports, imports, stops and fills the store: what is in it is whole, always.
func TestExamplesKept(t *testing.T) {
	_, _, page := openPage(t, "embed.html")
	openGallery(t, page, "nano")
	same := eval[[]string](page, `(async () => {
		const examples = model.examples('birds')
		const ids = await examples.add(shots.slice(0, 6))
		const again = await examples.add([shots[2], { ...shots[2], text: 'another text' }])
		const said = async (list) => JSON.stringify(await Promise.all(list.map(async ({ image, text }) => [text, image.type, [...new Uint8Array(await image.arrayBuffer())].join()])))
		const near = async () => JSON.stringify((await examples.nearest(pictures[9], 4)).map(({ text, similarity }) => [text, similarity]))
		const [before, order] = [await said(await examples.list()), await near()]
		const file = await examples.export()
		await model.examples('others').add(shots[7])
		await examples.clear()
		const empty = await examples.size()
		const added = [await examples.import(new File([file], 'birds.examples')), await examples.import(file)]
		const after = [await said(await examples.list()), await near()]
		const [first] = await examples.list()
		await examples.remove(first.id, 3)
		return [
			again[0] === ids[2] && again[1] > ids[5], empty === 0, added.join() === '7,0', after[0] === before, after[1] === order,
			(await examples.size()) === 6, (await examples.list()).every(({ id }) => id !== first.id), (await model.examples('others').size()) === 1,
			(await whole()).join() === '7,7',
		].map(String)
	})()`)
	if slices.Contains(same, "false") || len(same) != 9 {
		t.Errorf("add, export, clear, import, remove: %v, want true each", same)
	}

	// Pictures are kept small, and no larger than they were.
	size := eval[[]int](page, `(async () => {
		const canvas = new OffscreenCanvas(900, 300), context = canvas.getContext('2d'), noise = context.createImageData(900, 300)
		for (let i = 0; i < noise.data.length; i++) noise.data[i] = i % 4 === 3 ? 255 : (i * 2654435761 >>> 8) % 256
		context.putImageData(noise, 0, 0)
		const [id] = await model.examples('birds').add({ image: await canvas.convertToBlob(), text: 'noise' })
		const { image } = (await model.examples('birds').list()).find((example) => example.id === id)
		const bitmap = await createImageBitmap(image)
		return [bitmap.width, bitmap.height, image.size]
	})()`)
	if size[0] != 256 || size[1] != 85 || size[2] > 100_000 {
		t.Errorf("a picture of 900 by 300 pixels is kept as %d by %d in %d bytes, want 256 by 85", size[0], size[1], size[2])
	}

	// A file whose second picture only looks like one changes nothing.
	broken := eval[string](page, `(async () => {
		const { writeArchive } = await import('/archive.js')
		const examples = model.examples('birds')
		const before = await examples.size()
		const good = { text: 'new', model: '', vector: new Float32Array(3), image: new Blob([pictures[20]], { type: 'image/png' }) }
		const bytes = new Uint8Array(await pictures[21].arrayBuffer())
		bytes.fill(0, 60, bytes.length - 20)
		const outcome = await code(examples.import(writeArchive([good, { ...good, image: new Blob([bytes], { type: 'image/png' }) }])))
		return (await examples.size()) === before ? outcome : 'the store has changed'
	})()`)
	if !strings.HasPrefix(broken, "invalid-option: examples.import: example 2: ") {
		t.Errorf("a picture that cannot be decoded: %s", broken)
	}

	// Stopped in the middle, an add leaves whole examples; another model's vectors are made anew.
	stopped := eval[[]string](page, `(async () => {
		const examples = model.examples('stopped'), controller = new AbortController()
		const adding = code(examples.add(shots, { signal: controller.signal }))
		while (await examples.size() < 3) await new Promise((r) => setTimeout(r))
		controller.abort()
		const outcome = await adding, kept = await examples.size(), [all, vectors] = await whole()
		return [outcome, String(kept >= 3 && kept < shots.length), String(all === vectors)]
	})()`)
	if !strings.HasPrefix(stopped[0], "aborted") || stopped[1] != "true" || stopped[2] != "true" {
		t.Errorf("an add that was stopped: %q, want aborted, some examples, and each with its vector", stopped)
	}
	anew := eval[[]string](page, `(async () => {
		const { load } = await import('/flamingo.js')
		await model.examples('birds').clear()
		await model.examples('birds').add(shots.slice(0, 20))
		const other = await load('/models/nano-f32/')
		const controller = new AbortController()
		const stopping = code(other.examples('birds').nearest(pictures[23], 1, { signal: controller.signal }))
		setTimeout(() => controller.abort(), 20)
		const stopped = await stopping
		const retrieve = { from: model.examples('birds'), n: 1 }
		const first = await other.caption(pictures[22], { retrieve, maxTokens: 4 })
		const then = await other.caption(pictures[23], { retrieve: { from: 'birds', n: 2 }, maxTokens: 4 })
		const [self] = await other.examples('birds').nearest(pictures[4], 1)
		await other.dispose()
		return [stopped, String(first.stats.encoded), String(then.stats.encoded), self.text, String(self.similarity)]
	})()`)
	if !strings.HasPrefix(anew[0], "aborted") || anew[3] != strings.TrimSpace(expected(t)[4].Caption) || !strings.HasPrefix(anew[4], "1") && !strings.HasPrefix(anew[4], "0.9999") {
		t.Errorf("another model: %q, want aborted, and a picture to be nearest to itself", anew)
	}
}

// TestExamplesFull fills the disk: what does not fit is not there at all, and what comes once there is
// room is.
func TestExamplesFull(t *testing.T) {
	server, _, page := openPage(t, "embed.html")
	page.Quota(server.URL, 50_000)
	got := eval[[]string](page, `import('/flamingo.js').then(async ({ load }) => {
		globalThis.model = await load('/models/nano/', { device: 'cpu', cache: 'none' })
		const examples = model.examples()
		const plain = (i) => new ImageData(new Uint8ClampedArray(Array.from({ length: 4 * 256 * 256 }, (_, j) => (j + i) * 2654435761 >>> 16)), 256, 256)
		const adding = examples.add(Array.from({ length: 40 }, (_, i) => ({ image: plain(i), text: 'noise' })))
		const outcome = await adding.then(() => 'no error', (e) => e.code + ': ' + e.message)
		return [outcome, String(await examples.size()), String((await examples.list()).length)]
	})`)
	if !strings.HasPrefix(got[0], "quota-exceeded: examples.add: shot ") || got[1] != got[2] {
		t.Errorf("a full store: %q, want quota-exceeded", got)
	}
	page.Quota(server.URL, 1e9)
	if got := eval[int](page, "model.examples().add({ image: new ImageData(9, 9), text: 'white' }).then((ids) => ids.length)"); got != 1 {
		t.Errorf("%d examples were added once there was room, want 1", got)
	}
}
