//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"

	"flamingo/model"
)

// TestCaptions describes many pictures in shared passes: each text is the CPU's for that picture
// alone, and one that cannot be read stops no other.
func TestCaptions(t *testing.T) {
	promptModels(t)
	_, _, page := openPage(t, "embed.html")
	_, pictures := held(t)
	texts := expected(t)
	cpu := openTruth(t, "nano-asks")
	openAPI(t, page, "nano-asks")
	eval[bool](page, `globalThis.gather = async (list, options) => {
		const all = []
		for await (const { index, media, result, error } of model.captions(list, options)) {
			all.push({ ...result, error: error ? error.code : '', Right: media === list[index] && all.length === index })
		}
		return all
	}, true`)
	type captioned struct {
		spoken
		Right bool
	}
	shot := func(i int) model.Shot {
		return model.Shot{Media: pictures[i], Text: strings.TrimSpace(texts[i].Caption)}
	}
	for _, c := range []struct {
		script  string
		of      []int // pictures, -1: one that cannot be read
		o       model.CaptionOptions
		encoded []int // in each pass
	}{
		{
			fmt.Sprintf("gather([0, 1, 2, 0, 3].map((i) => pictures[i]), { batch: 4, shots: [{ image: pictures[4], text: %q }, { image: pictures[5], text: %q }] })", shot(4).Text, shot(5).Text),
			[]int{0, 1, 2, 0, 3}, model.CaptionOptions{Shots: []model.Shot{shot(4), shot(5)}}, []int{5, 5, 5, 5, 1},
		},
		{"gather([pictures[1], new Blob(['torn'], { type: 'image/png' }), pictures[2]], { maxTokens: 5 })", []int{1, -1, 2}, model.CaptionOptions{Options: model.Options{MaxTokens: 5}}, []int{0, 0, 0}},
		{"gather(pictures, { batch: 3, question: 'what shape?', maxTokens: 6, temperature: 1, seed: 5 })", []int{0, 1, 2, 3, 4, 5}, model.CaptionOptions{Task: "ask", Question: "what shape?", Options: model.Options{MaxTokens: 6, Temperature: 1, Seed: 5}}, []int{0, 0, 0, 0, 0, 0}},
	} {
		got := eval[[]captioned](page, c.script)
		if len(got) != len(c.of) {
			t.Fatalf("%s: %d texts, want %d", c.script, len(got), len(c.of))
		}
		for i, x := range got {
			if !x.Right {
				t.Errorf("%s: text %d is not of its picture, or not in its place", c.script, i)
			}
			if c.of[i] < 0 {
				if x.Error != "media-decode" {
					t.Errorf("%s: text %d ended with %q, want media-decode", c.script, i, x.Error)
				}
				continue
			}
			x.sameAs(t, fmt.Sprintf("%s: text %d", c.script, i), cpu.write(cpu.promptOf(pictures[c.of[i]], c.o), c.o.Options))
			if x.Stats.Encoded != c.encoded[i] {
				t.Errorf("%s: text %d shared a pass with %d encoded pictures, want %d", c.script, i, x.Stats.Encoded, c.encoded[i])
			}
		}
	}
}
