//go:build e2e

package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// TestStopEverywhere stops every kind of call at 200 random moments: while pictures and videos are read
// and encoded, during prompts, searches and scores, and in the store of examples. Each settles, and
// the model is as usable and as large as before.
func TestStopEverywhere(t *testing.T) {
	promptModels(t)
	page := openStudio(t, "nano-asks")
	type outcome struct {
		Codes         []string
		Before, After []string
		Grown, Left   int
		Examples      int
	}
	got := evalWithin[outcome](page, 15*time.Minute, `(async () => {
		const shots = pictures.slice(1, 4).map((image) => ({ image, text: 'a red circle' }))
		const questions = shots.map((shot) => ({ ...shot, question: 'what?' }))
		const video = await Promise.all(pictures.slice(0, 3).map((file) => createImageBitmap(file)))
		const store = model.examples('stops')
		await store.clear()
		await store.add(shots)
		let shade = 0
		// A picture that was never seen before is encoded.
		const fresh = () => new ImageData(new Uint8ClampedArray(Array(64).fill([++shade % 256, shade >> 8, 99, 255]).flat()), 8, 8)
		const gather = async (list, options) => {
			const texts = []
			for await (const { result } of model.captions(list, options)) texts.push(result.text)
			return texts.join()
		}
		const calls = {
			caption: (signal) => model.caption(pictures[0], { shots, maxTokens: 12, signal }).then((r) => r.text),
			fresh: (signal) => model.caption(fresh(), { maxTokens: 4, signal }).then((r) => 'done'),
			sampled: (signal) => model.caption(pictures[4], { temperature: 1, seed: 3, maxTokens: 12, signal }).then((r) => r.text),
			video: (signal) => model.caption({ video: [...video, fresh()] }, { maxTokens: 4, signal }).then((r) => 'done'),
			film: (signal) => model.caption({ video: new Blob([films[0], String(++shade)], { type: films[0].type }), fps: 2 }, { maxTokens: 4, signal }).then((r) => 'done'),
			captions: (signal) => gather([fresh(), pictures[1], fresh(), pictures[2]], { batch: 2, maxTokens: 6, signal }).then(() => 'done'),
			beams: (signal) => model.caption(pictures[0], { beams: 3, n: 2, maxTokens: 8, signal }).then((r) => r.best.map((b) => b.text).join()),
			ask: (signal) => model.ask(pictures[0], 'what?', { shots: questions, maxTokens: 8, signal }).then((r) => r.text),
			prompt: (signal) => model.prompt([{ image: pictures[5] }, 'Output:'], { maxTokens: 8, signal }).then((r) => r.text),
			score: (signal) => model.score(pictures[1], ['a red circle', 'a blue square'], { signal }).then((r) => r.map((s) => s.logProb.toFixed(3)).join()),
			classify: (signal) => model.classify(pictures[2], ['a red circle', 'a blue square'], { shots, orders: 2, signal }).then((r) => r[0].label),
			retrieve: (signal) => model.caption(fresh(), { retrieve: { from: store, n: 2 }, maxTokens: 4, signal }).then((r) => 'done'),
			add: (signal) => store.add([{ image: fresh(), text: 'a' }, { image: fresh(), text: 'b' }], { signal }).then((ids) => store.remove(...ids)).then(() => 'done'),
			session: async (signal) => {
				const session = model.session({ maxTokens: 6 })
				await session.add({ image: pictures[3] }, 'Output:')
				await session.continue({ signal })
				await session.fork().ask('what?', { signal })
				return (await session.continue({ signal })).text
			},
		}
		const took = {}
		const all = async () => {
			const texts = []
			for (const [name, call] of Object.entries(calls)) {
				const began = performance.now()
				texts.push(name + ': ' + await call())
				took[name] = performance.now() - began
			}
			return texts
		}
		await all()
		// Recorded prompts are kept up to a number: reach it.
		for (let n = 1; n < 12; n++) await model.prompt(['a b c d e f g h i j k l m n o p q r s t'.slice(0, 15 + 2 * n)], { maxTokens: 1 })
		await all()
		const Before = await all()
		const before = await model.stats()
		const Codes = []
		let seed = 1
		const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647
		for (let i = 0; i < 200; i++) {
			const [name, call] = Object.entries(calls)[i % Object.keys(calls).length]
			const controller = new AbortController()
			setTimeout(() => controller.abort(), random() * took[name])
			Codes.push(name + ': ' + await call(controller.signal).then((text) => text, (e) => e.code ?? String(e)))
		}
		const After = await all()
		return { Codes, Before, After, Grown: (await model.stats()).gpuBuffers - before.gpuBuffers, Left: left(), Examples: await store.size() }
	})()`)
	aborted := map[string]int{}
	for _, code := range got.Codes {
		name, text, _ := strings.Cut(code, ": ")
		if text == "aborted" {
			aborted[name]++
		} else if !slices.Contains(got.Before, code) {
			t.Errorf("an aborted call ended with %q, want aborted or the whole text", code)
		}
	}
	for _, call := range got.Before {
		if name, _, _ := strings.Cut(call, ": "); aborted[name] == 0 {
			t.Errorf("%s was never aborted", name)
		}
	}
	t.Logf("aborted of 200: %v", aborted)
	if len(got.Before) != 14 || !slices.Equal(got.After, got.Before) {
		t.Errorf("before aborts: %q\nand after: %q", got.Before, got.After)
	}
	if got.Grown != 0 || got.Left != 0 {
		t.Errorf("aborts left %d more GPU buffers, and %d players and addresses of files", got.Grown, got.Left)
	}
	if got.Examples < 3 {
		t.Errorf("the store has %d examples, want the first 3", got.Examples)
	}
}
