//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"flamingo/model"
)

// TestFewShot asks with examples, of which the model has seen some before: it writes what it writes
// when it remembers nothing, and encodes no picture twice.
func TestFewShot(t *testing.T) {
	promptModels(t)
	_, _, page := openPage(t, "embed.html")
	images, pictures := held(t)
	texts := expected(t)
	cpu := openTruth(t, "nano-asks")
	openAPI(t, page, "nano-asks")
	for _, c := range []struct{ shots, encoded int }{{4, 5}, {0, 0}, {1, 0}, {4, 0}} {
		o := model.CaptionOptions{}
		var shots []string
		for i := range c.shots {
			text := strings.TrimSpace(texts[i+1].Caption)
			o.Shots = append(o.Shots, model.Shot{Media: pictures[i+1], Text: text})
			shots = append(shots, fmt.Sprintf("{ image: pictures[%d], text: %q }", i+1, text))
		}
		got := eval[spoken](page, fmt.Sprintf("outcome(model.caption(pictures[0], { shots: [%s] }))", strings.Join(shots, ", ")))
		got.sameAs(t, fmt.Sprintf("%d shots", c.shots), cpu.write(cpu.promptOf(pictures[0], o), model.Options{}))
		if got.Stats.Encoded != c.encoded {
			t.Errorf("%d shots: %d pictures were encoded, want %d", c.shots, got.Stats.Encoded, c.encoded)
		}
	}
	got := eval[spoken](page, `outcome(model.ask(pictures[1], 'what shape?', { shots: [{ image: pictures[0], question: 'colour?', text: 'red' }], maxTokens: 12 }))`)
	got.sameAs(t, "a question", cpu.write(cpu.promptOf(pictures[1], model.CaptionOptions{
		Task: "ask", Question: "what shape?", Shots: []model.Shot{{Media: pictures[0], Question: "colour?", Text: "red"}},
	}), model.Options{MaxTokens: 12}))

	got = eval[spoken](page, `outcome(model.prompt(['<image>', { image: pictures[2] }, 'Output', ':'], { maxTokens: 12, minTokens: 2, repetitionPenalty: 1.5, logProbs: true, banned: [9], stop: [' on'] }))`)
	got.sameAs(t, "parts", cpu.write(cpu.interleave(model.Passage{Text: "<image>"}, model.Passage{Media: &pictures[2]}, model.Passage{Text: "Output:"}),
		model.Options{MaxTokens: 12, MinTokens: 2, Repetition: 1.5, Banned: []int32{9}, Stop: []string{" on"}}))
	if len(got.LogProbs) != len(got.IDs) || slices.Max(got.LogProbs) > 0 {
		t.Errorf("%d log-probabilities %v of %d tokens", len(got.LogProbs), got.LogProbs, len(got.IDs))
	}

	got = eval[spoken](page, `outcome(model.caption(pictures[1], { shots: [{ text: 'a red ring' }, { image: pictures[0], text: 'a star' }], maxTokens: 12 }))`)
	got.sameAs(t, "an example of words", cpu.write(cpu.promptOf(pictures[1], model.CaptionOptions{
		Shots: []model.Shot{{Text: "a red ring"}, {Media: pictures[0], Text: "a star"}},
	}), model.Options{MaxTokens: 12}))

	video := model.Video(images[3], images[4])
	got = eval[spoken](page, `Promise.all([pictures[3], pictures[4]].map((file) => createImageBitmap(file))).then((video) => outcome(model.caption({ video, fps: 1 })))`)
	got.sameAs(t, "a video", cpu.write(cpu.promptOf(video, model.CaptionOptions{}), model.Options{}))
	if got.Stats.Encoded != 1 {
		t.Errorf("%d media were encoded for a video, want 1", got.Stats.Encoded)
	}

	for _, c := range []struct{ script, want string }{
		{"model.prompt([{ image: pictures[0] }, 'word '.repeat(400)])", "the model takes 128 in all"},
		{"model.caption({ video: Array(257).fill(pictures[0]) })", "want at most 256"},
		{"model.caption(pictures[0], { prompt: [model.info.imageToken, model.info.imageToken] })", "<image> token 2 times"},
		{"model.caption(pictures[0], { beams: 99 })", "beams is 99"},
		{"model.caption(pictures[0], { minTokens: 99 })", "minTokens is 99"},
	} {
		if got := eval[spoken](page, "outcome("+c.script+")"); !strings.HasPrefix(got.Error, "invalid-option: ") || !strings.Contains(got.Error, c.want) || got.Hint == "" {
			t.Errorf("%s: %q (%s), want invalid-option, %q and a hint", c.script, got.Error, got.Hint, c.want)
		}
	}
}

// TestSearchAndScores compares beams, log-probabilities, scores and labels with the CPU's.
func TestSearchAndScores(t *testing.T) {
	_, _, page := openPage(t, "embed.html")
	_, pictures := held(t)
	cpu := openTruth(t, "nano")
	openAPI(t, page, "nano")
	p := cpu.promptOf(pictures[0], model.CaptionOptions{})
	for _, o := range []model.BeamOptions{{Beams: 3, N: 3}, {Beams: 4, N: 2, LengthPenalty: 1, MaxTokens: 6}} {
		want := run(cpu, func(ctx context.Context, x *model.Captioner) ([]model.Hypothesis, error) { return x.Beam(ctx, p, o) })
		maxTokens := ""
		if o.MaxTokens > 0 {
			maxTokens = fmt.Sprintf(", maxTokens: %d", o.MaxTokens)
		}
		got := eval[spoken](page, fmt.Sprintf(`(async () => {
			const run = model.caption(pictures[0], { beams: %d, n: %d, lengthPenalty: %g, logProbs: true%s })
			const Pieces = []
			for await (const piece of run) Pieces.push(piece)
			return { ...await run, Pieces }
		})()`, o.Beams, o.N, o.LengthPenalty, maxTokens))
		if len(got.Best) != len(want) || !slices.Equal(got.IDs, want[0].IDs) {
			t.Fatalf("%+v: %d texts, the first %v; want %d and %v", o, len(got.Best), got.IDs, len(want), want[0].IDs)
		}
		for i, h := range got.Best {
			w := want[i]
			if !slices.Equal(h.IDs, w.IDs) || h.Text != strings.TrimLeft(w.Text, " ") || h.Finish != string(w.Finish) ||
				math.Abs(h.LogProb-w.LogProb) > near*10 || math.Abs(h.Score-w.Score) > near*10 || len(h.LogProbs) != len(h.IDs) {
				t.Errorf("%+v: text %d is %+v, want %+v", o, i, h, w)
			}
		}
		text := ""
		for i, x := range got.Pieces {
			text += x.Text
			if x.ID != got.IDs[i] || x.LogProb != got.LogProbs[i] {
				t.Errorf("%+v: piece %d is %+v, want %d with %g", o, i, x, got.IDs[i], got.LogProbs[i])
			}
		}
		if text != got.Text {
			t.Errorf("%+v: the pieces say %q, the result %q", o, text, got.Text)
		}
	}

	texts := []string{"a large red circle", "a small blue square in the middle", "a"}
	list, _ := json.Marshal(texts)
	spaced := slices.Clone(texts)
	for i := range spaced {
		spaced[i] = " " + spaced[i]
	}
	type score struct {
		Text                           string
		LogProb, PerToken, Probability float64
		Tokens                         []struct{ LogProb float64 }
	}
	for _, c := range []struct {
		script string
		want   []model.Score
	}{
		{fmt.Sprintf("model.score(pictures[0], %s)", list), cpu.score(p, spaced)},
		{fmt.Sprintf("model.score([{ image: pictures[0] }, 'Output:'], %s, { normalise: 'sum' })", list), cpu.score(p, texts)},
	} {
		for i, s := range eval[[]score](page, c.script) {
			w, sum := c.want[i], 0.0
			for _, x := range s.Tokens {
				sum += x.LogProb
			}
			if s.Text != texts[i] || math.Abs(s.LogProb-w.LogProb) > near*10 || math.Abs(s.PerToken-w.Mean()) > near || len(s.Tokens) != len(w.Each) || math.Abs(sum-s.LogProb) > 1e-9 {
				t.Errorf("%s: text %d is %+v, want %+v", c.script, i, s, w)
			}
		}
	}
	type label struct {
		Label                string
		LogProb, Probability float64
	}
	for _, c := range []struct {
		normalise string
		of        func(model.Score) float64
	}{{"mean", model.Score.Mean}, {"sum", func(s model.Score) float64 { return s.LogProb }}} {
		got := eval[[]label](page, fmt.Sprintf("model.classify(pictures[0], %s, { normalise: '%s' })", list, c.normalise))
		order, total := []int{0, 1, 2}, 0.0
		scores := cpu.score(p, spaced)
		slices.SortFunc(order, func(a, b int) int { return int(math.Copysign(1, c.of(scores[b])-c.of(scores[a]))) })
		for i, at := range order {
			total += got[i].Probability
			odds := math.Exp(c.of(scores[at]) - c.of(scores[order[0]]))
			if got[i].Label != texts[at] || math.Abs(got[i].Probability/got[0].Probability-odds) > near*10*odds {
				t.Errorf("by the %s, label %d is %+v, want %q with %g of the best one's probability", c.normalise, i, got[i], texts[at], odds)
			}
		}
		if math.Abs(total-1) > 1e-9 {
			t.Errorf("by the %s, probabilities add up to %g", c.normalise, total)
		}
	}
}

// TestConversation lets a session grow and fork: each answer is what the CPU writes behind the whole
// of it, and pictures are encoded once.
func TestConversation(t *testing.T) {
	promptModels(t)
	_, _, page := openPage(t, "embed.html")
	_, pictures := held(t)
	cpu := openTruth(t, "nano-asks")
	openAPI(t, page, "nano-asks")
	got := eval[[]spoken](page, `(async () => {
		const session = model.session({ maxTokens: 6 })
		await session.add({ image: pictures[0] }, 'Output:')
		const list = [await session.continue({ maxTokens: 40 })]
		session.add({ image: pictures[1] })
		list.push(await session.ask('what colour?'))
		const fork = session.fork()
		list.push(await session.continue())
		await fork.add(' and', { image: pictures[0] })
		list.push(await fork.continue())
		const controller = new AbortController()
		const stopped = session.continue({ maxTokens: 60, minTokens: 60, signal: controller.signal })
		for await (const piece of stopped) { controller.abort(); break }
		list.push(await session.continue())
		session.reset()
		await session.add({ image: pictures[0] }, 'Output:')
		list.push(await session.continue({ maxTokens: 40 }))
		await session.dispose()
		return list
	})()`)
	// what is said so far, and the answers' own tokens
	ids := func(p model.Prompt, c model.Caption) model.Prompt {
		p.IDs = append(slices.Clone(p.IDs), c.IDs...)
		if c.Finish == model.FinishStop {
			p.IDs = append(p.IDs, cpu.Config.Tokens.EndOfChunk)
		}
		return p
	}
	join := func(p model.Prompt, passages ...model.Passage) model.Prompt {
		more := cpu.interleave(passages...)
		return model.Prompt{IDs: append(slices.Clone(p.IDs), more.IDs[1:]...), Media: append(slices.Clone(p.Media), more.Media...)}
	}
	short := model.Options{MaxTokens: 6}
	begin := cpu.interleave(model.Passage{Media: &pictures[0]}, model.Passage{Text: "Output:"})
	first := cpu.write(begin, model.Options{MaxTokens: 40})
	asked := join(ids(begin, first), model.Passage{Media: &pictures[1]}, model.Passage{Text: "Q: what colour? A:"})
	second := cpu.write(asked, short)
	on := ids(asked, second)
	third := cpu.write(on, short)
	forked := cpu.write(join(on, model.Passage{Text: " and"}, model.Passage{Media: &pictures[0]}), short)
	last := cpu.write(ids(on, third), short)
	for i, want := range []model.Caption{first, second, third, forked, last, first} {
		got[i].sameAs(t, fmt.Sprintf("answer %d", i+1), want)
		if encoded := []int{1, 1, 0, 0, 0, 0}[i]; got[i].Stats.Encoded != encoded {
			t.Errorf("answer %d: %d pictures were encoded, want %d", i+1, got[i].Stats.Encoded, encoded)
		}
	}
}
