package main

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"flamingo/model"
)

// TestClassify holds labels against the library's scores, ranked anew here.
func TestClassify(t *testing.T) {
	names := []string{"a cat", "dog", "three red houses"}
	file := put(t, t.TempDir(), "a.png", pictureOf(t, 1))
	tight := map[string]string{"caption": "<image>Out:", "caption.shot": "<image>Out:{text}<|endofchunk|>"}
	own := map[string]string{"caption": "<image>Out:", "classify": "<image>It is"}
	seen := map[string]bool{}
	for _, c := range []struct {
		what    string
		prompts map[string]string
		before  string // a label
		task    string
		sum     bool
	}{
		{"captions, with a space", map[string]string{"caption": "<image>Out:"}, " ", "caption", false},
		{"captions, by their sum", map[string]string{"caption": "<image>Out:"}, " ", "caption", true},
		{"captions, without a space", tight, "", "caption", false},
		{"a template of its own", own, " ", "classify", false},
	} {
		dir := tinyModel(t, c.prompts)
		m, library := truth(t, dir)
		prompt, err := m.PromptOf(mediaOf(t, file), model.CaptionOptions{Task: c.task})
		if err != nil {
			t.Fatal(err)
		}
		var ids [][]int32
		args := []string{"classify", "--model", dir}
		for _, n := range names {
			ids, args = append(ids, m.Tokenizer.Encode(c.before+n)), append(args, "--label", n)
		}
		if c.sum {
			args = append(args, "--sum")
		}
		scores, err := library.Score(t.Context(), prompt, ids)
		if err != nil {
			t.Fatal(err)
		}
		want, total := map[string]float64{}, 0.0
		for i, n := range names {
			of := scores[i].LogProb
			if !c.sum {
				of /= float64(len(ids[i]))
			}
			want[n] = math.Exp(of)
			total += want[n]
		}
		got := line[classified](t, succeed(t, append(args, "--json", file)...))
		if key := fmt.Sprint(got.Labels); seen[key] {
			t.Fatalf("%s: %s again: the test would not see a mix-up", c.what, key)
		} else {
			seen[key] = true
		}
		if got.File != file || len(got.Labels) != len(names) {
			t.Fatalf("%s: %+v", c.what, got)
		}
		lines := ""
		for i, l := range got.Labels {
			if p := want[l.Label] / total; !(math.Abs(l.Probability-p) < 1e-9) || i > 0 && l.Probability > got.Labels[i-1].Probability {
				t.Errorf("%s: %+v, want probability %g and the likeliest first", c.what, l, p)
			}
			lines += fmt.Sprintf("%s\t%.4f\t%.3f\n", l.Label, l.Probability, l.LogProb)
		}
		if out := succeed(t, append(args, file)...); out != lines {
			t.Errorf("%s: in words %q, want %q", c.what, out, lines)
		}
		if out := succeed(t, append(args, file, file)...); strings.Count(out, file+"\t") != 2*len(names) {
			t.Errorf("%s: two pictures: %q, want the picture before each label", c.what, out)
		}
	}
}

// TestRankedFarApart wants order where no probability is left.
func TestRankedFarApart(t *testing.T) {
	scores := []model.Score{{LogProb: -3000, Each: []float64{-3000}}, {LogProb: -5, Each: []float64{-5}}, {LogProb: -2000, Each: []float64{-2000}}}
	got := ranked([]string{"c", "a", "b"}, scores, false)
	if names := got[0].Label + got[1].Label + got[2].Label; names != "abc" || got[0].Probability != 1 || got[2].Probability != 0 {
		t.Errorf("%+v", got)
	}
}
