//go:build !js

package main

import (
	"reflect"
	"slices"
	"testing"

	"flamingo/gpu"
	"flamingo/model"
	"flamingo/runtime"
)

// nano is the built-in model on the CPU.
func nano(t *testing.T) *model.Flamingo {
	t.Helper()
	dev := gpu.NewCPU()
	l, err := runtime.Load(t.Context(), dev, runtime.Options{Location: "../models/nano"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Model.Close(); dev.Close() })
	return l.Model
}

// TestInterleave puts conversations together: texts beside each other are one text, an answer keeps its
// tokens, and words that spell a token are words.
func TestInterleave(t *testing.T) {
	m := nano(t)
	words, k := m.Tokenizer.Encode, m.Config.Tokens
	x := &model.Media{Key: "x"}
	odd := []int32{300, 9} // no tokenizer cuts a text like this
	for _, c := range []struct {
		name  string
		parts []part
		want  []any // ids, and lists of them
		media int
	}{
		{"nothing", nil, []any{k.BOS}, 0},
		{"a picture and words", []part{{media: x}, {text: "Output:"}}, []any{k.BOS, k.Image, words("Output:")}, 1},
		{"words in pieces", []part{{text: "a re"}, {text: "d circle"}}, []any{k.BOS, words("a red circle")}, 0},
		{"an answer", []part{{media: x}, {text: "Output:"}, {ids: odd, ended: true}, {media: x}, {text: "Output:"}},
			[]any{k.BOS, k.Image, words("Output:"), odd, k.EndOfChunk, k.Image, words("Output:")}, 2},
		{"an answer cut off", []part{{media: x}, {ids: odd}}, []any{k.BOS, k.Image, odd}, 1},
		{"an answer without a word", []part{{media: x}, {ids: []int32{}, ended: true}, {text: "a"}}, []any{k.BOS, k.Image, k.EndOfChunk, words("a")}, 1},
		{"a token that is spelled", []part{{text: "<image>"}}, []any{k.BOS, words("<image>")}, 0},
	} {
		var want []int32
		for _, w := range c.want {
			if id, ok := w.(int32); ok {
				want = append(want, id)
			} else {
				want = append(want, w.([]int32)...)
			}
		}
		got, err := interleave(m, c.parts)
		if err != nil || !slices.Equal(got.IDs, want) || len(got.Media) != c.media {
			t.Errorf("%s: %v with %d media, %v; want %v with %d", c.name, got.IDs, len(got.Media), err, want, c.media)
		}
	}
	if slices.Contains(words("<image>"), k.Image) {
		t.Error("words became an <image> token")
	}
	m.Tokenizer = nil
	if _, err := interleave(m, []part{{text: "a"}}); err == nil {
		t.Error("words for a model without a tokenizer, and no error")
	}
	if _, err := answers(m, "", []string{"a"}); err == nil {
		t.Error("texts to score by a model without a tokenizer, and no error")
	}
}

func TestGap(t *testing.T) {
	for _, c := range []struct {
		task      string
		templates map[string]string
		want      string
	}{
		{"", map[string]string{"caption": "<image>Output:", "caption.shot": "<image>Output:\n{text}"}, ""},
		{"caption", map[string]string{"caption": "<image>Output:"}, " "},
		{"classify", map[string]string{"caption": "<image>Output:"}, " "},
		{"caption", map[string]string{"caption": "<image>Output:", "caption.shot": "<image>Output:{text}<|endofchunk|>"}, ""},
		{"classify", map[string]string{"caption": "<image>Output:", "caption.shot": "<image>Output:\n{text}<|endofchunk|>"}, "\n"},
		{"classify", map[string]string{"caption": "<image>Output:", "classify": "<image>It is", "classify.shot": "<image>It is a {text}."}, " a "},
		{"classify", map[string]string{"caption": "<image>", "caption.shot": "<image>:{text}", "classify": "<image>Is"}, " "},
		{"caption", map[string]string{"caption": "<image>Output:", "caption.shot": "Picture <image> {text}"}, " "},
	} {
		if got := gap(c.templates, c.task); got != c.want {
			t.Errorf("%q of %v: %q, want %q", c.task, c.templates, got, c.want)
		}
	}
}

func TestSpell(t *testing.T) {
	m := nano(t)
	ids := m.Tokenizer.Encode(" a red circle")
	full := m.Tokenizer.Decode(ids, true)
	for _, c := range []struct {
		name, text, want string
		tokens           int
	}{
		{"all", full, "a red circle", len(ids)},
		{"cut inside of a token", full[:4], "a r", 2},
		{"cut at the beginning", "", "", 0},
	} {
		got := spell(m, ids, c.text)
		text := ""
		for i, x := range got {
			text += x.Text
			if x.ID != ids[i] {
				t.Errorf("%s: token %d is %d, want %d", c.name, i, x.ID, ids[i])
			}
		}
		if text != c.want || len(got) != c.tokens {
			t.Errorf("%s: %q of %d tokens, want %q of %d", c.name, text, len(got), c.want, c.tokens)
		}
	}
	// Half a character shows when its other half does not come.
	half := m.Tokenizer.Encode("é")[:1]
	if got := spell(m, half, m.Tokenizer.Decode(half, true)); len(got) != 1 || got[0].Text != "\uFFFD" {
		t.Errorf("half a character is %v, want the sign for it", got)
	}
	m.Tokenizer = nil
	if got, want := spell(m, []int32{7, 8}, ""), []model.Token{{ID: 7}, {ID: 8}}; !reflect.DeepEqual(got, want) {
		t.Errorf("without a tokenizer: %v, want %v", got, want)
	}
}
