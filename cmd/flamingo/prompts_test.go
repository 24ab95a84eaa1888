package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"flamingo/gpu"
	"flamingo/model"
	"flamingo/runtime"
)

// truth is a model as the library has it.
func truth(t *testing.T, dir string) (*model.Flamingo, *model.Captioner) {
	t.Helper()
	dev := gpu.NewCPU()
	l, err := runtime.Load(t.Context(), dev, runtime.Options{Location: dir})
	if err != nil {
		t.Fatal(err)
	}
	c := l.Model.NewCaptioner()
	t.Cleanup(func() { c.Close(); l.Model.Close(); dev.Close() })
	return l.Model, c
}

func mediaOf(t *testing.T, file string) model.Media {
	t.Helper()
	img, err := (&program{}).read(file)
	if err != nil {
		t.Fatal(err)
	}
	return model.Picture(img)
}

var asking = map[string]string{"caption": "<image>Out:", "ask": "<image>Q:{question} A:", "ask.shot": "<image>Q:{question} A:{text}<|endofchunk|>"}

// TestShots holds examples from both places against the library, in their order.
func TestShots(t *testing.T) {
	dir, pics := tinyModel(t, asking), t.TempDir()
	file, one, two := put(t, pics, "x.png", pictureOf(t, 1)), put(t, pics, "a=b.png", pictureOf(t, 2)), put(t, pics, "c.png", pictureOf(t, 3))
	sub := filepath.Join(pics, "lists")
	if err := os.Mkdir(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	plain := put(t, sub, "plain.jsonl", []byte(`{"image": "../c.png", "text": "a, b"}`+"\n\n"))
	asked := put(t, sub, "asked.jsonl", []byte(fmt.Sprintf(`{"image": %q, "question": "who?", "text": "me"}`, two)))
	_, library := truth(t, dir)
	x, b, c := mediaOf(t, file), mediaOf(t, one), mediaOf(t, two)
	seen := map[string]bool{}
	for _, test := range []struct {
		args []string
		o    model.CaptionOptions
	}{
		{[]string{"caption"}, model.CaptionOptions{}},
		{[]string{"caption", "--shot", one + "=do, re"}, model.CaptionOptions{Shots: []model.Shot{{Media: b, Text: "do, re"}}}},
		{[]string{"caption", "--shot", one + "=do", "--shots", plain}, model.CaptionOptions{Shots: []model.Shot{{Media: c, Text: "a, b"}, {Media: b, Text: "do"}}}},
		{[]string{"caption", "--shot", "=do"}, model.CaptionOptions{Shots: []model.Shot{{Text: "do"}}}},
		{[]string{"ask", "--question", "hm?"}, model.CaptionOptions{Task: "ask", Question: "hm?"}},
		{[]string{"ask", "--question", "hm?", "--prompt", " no"}, model.CaptionOptions{Task: "ask", Question: "hm?", Prompt: " no"}},
		{[]string{"ask", "--question", "hm?", "--shots", asked, "--shot", one + "=do"}, model.CaptionOptions{Task: "ask", Question: "hm?",
			Shots: []model.Shot{{Media: c, Question: "who?", Text: "me"}, {Media: b, Question: "hm?", Text: "do"}}}},
	} {
		test.o.MaxTokens, test.o.LogProbs = 8, true
		want, err := library.Caption(t.Context(), x, test.o, nil)
		if err != nil {
			t.Fatal(err)
		}
		key := fmt.Sprint(want.LogProbs)
		if seen[key] {
			t.Fatalf("%v: %s again: the test would not see a mix-up", test.args, key)
		}
		seen[key] = true
		out := succeed(t, append(test.args, "--model", dir, "--max-tokens", "8", "--json", "--log-probs", file)...)
		var text string
		var got written
		if test.args[0] == "ask" {
			x := line[reply](t, out)
			if text, got = x.Answer, x.written; x.Question != "hm?" || x.File != file {
				t.Errorf("%v: %+v", test.args, x)
			}
		} else {
			x := line[answer](t, out)
			text, got = x.Caption, x.written
		}
		if text != want.Text || !reflect.DeepEqual(got.IDs, want.IDs) || !reflect.DeepEqual(got.LogProbs, want.LogProbs) {
			t.Errorf("%v: %q %v, want %q %v", test.args, text, got, want.Text, want)
		}
	}
}

// TestWriting holds the choices of a text against the library: each has to matter and arrive.
func TestWriting(t *testing.T) {
	dir, pics := tinyModel(t), t.TempDir()
	short, long := put(t, pics, "a.png", pictureOf(t, 1)), put(t, pics, "b.png", pictureOf(t, 2))
	_, library := truth(t, dir)
	for _, c := range []struct {
		file string
		args []string
		o    model.Options
	}{
		{short, []string{"--min-tokens", "5"}, model.Options{MinTokens: 5}},
		{long, []string{"--repetition-penalty", "4"}, model.Options{Repetition: 4}},
		{long, []string{"--stop", "never, this", "--stop", "\u06b4"}, model.Options{Stop: []string{"never, this", "\u06b4"}}},
	} {
		bare, err := library.Caption(t.Context(), mediaOf(t, c.file), model.CaptionOptions{Options: model.Options{MaxTokens: 10}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		c.o.MaxTokens = 10
		want, err := library.Caption(t.Context(), mediaOf(t, c.file), model.CaptionOptions{Options: c.o}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if reflect.DeepEqual(want.IDs, bare.IDs) {
			t.Fatalf("%v changes nothing: the test would not see it", c.args)
		}
		got := line[answer](t, succeed(t, append([]string{"caption", "--model", dir, "--max-tokens", "10", "--json", c.file}, c.args...)...))
		if got.Caption != want.Text || !reflect.DeepEqual(got.IDs, want.IDs) || got.Finish != string(want.Finish) || got.LogProbs != nil {
			t.Errorf("%v: %+v, want %+v", c.args, got, want)
		}
	}
}

// TestBatch wants the texts of pictures that are answered about together to be those of each alone.
func TestBatch(t *testing.T) {
	dir, pics := tinyModel(t), t.TempDir()
	put(t, pics, "a.png", pictureOf(t, 1))
	put(t, pics, "b.png", []byte("no picture"))
	put(t, pics, "c.png", pictureOf(t, 2))
	put(t, pics, "d.png", pictureOf(t, 3))
	told := map[string][]string{}
	for _, size := range []string{"1", "2", "8"} {
		for _, more := range [][]string{{"--log-probs"}, {"--temperature", "3", "--seed", "7"}} {
			status, out, errs := flamingo(t, nil, append([]string{"caption", "--model", dir, "--max-tokens", "6", "--json", "--batch", size, pics}, more...)...)
			lines := strings.Split(strings.TrimSpace(out), "\n")
			if status != statusFailed || errs != "" || len(lines) != 4 {
				t.Fatalf("--batch %s: status %d\n%s%s", size, status, out, errs)
			}
			if got := line[failure](t, lines[1]); got.File != filepath.Join(pics, "b.png") {
				t.Errorf("--batch %s: %+v, want the failure of b.png", size, got)
			}
			first, last := line[answer](t, lines[0]), line[answer](t, lines[3])
			if together := size == "8"; together && first.Stats.VisionMS != last.Stats.VisionMS {
				t.Errorf("--batch %s: pictures took %v and %v ms, want the group's time", size, first.Stats.VisionMS, last.Stats.VisionMS)
			}
			var texts []string
			for _, l := range []string{lines[0], lines[2], lines[3]} {
				x := line[answer](t, l)
				for i := range x.LogProbs {
					x.LogProbs[i] = math.Round(1e4 * x.LogProbs[i])
				}
				texts = append(texts, fmt.Sprint(x.File, x.Caption, x.IDs, x.Finish, x.LogProbs))
			}
			if want := told[more[0]]; want != nil && !reflect.DeepEqual(texts, want) {
				t.Errorf("--batch %s %v: %q, want %q", size, more, texts, want)
			}
			told[more[0]] = texts
		}
	}
}

// TestBeams holds a search against the library's.
func TestBeams(t *testing.T) {
	dir := tinyModel(t)
	file := put(t, t.TempDir(), "a.png", pictureOf(t, 1))
	m, library := truth(t, dir)
	prompt, err := m.PromptOf(mediaOf(t, file), model.CaptionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"caption", "--model", dir, "--max-tokens", "6", "--beams", "3", "--n", "3"}
	seen := ""
	for _, c := range []struct {
		args []string
		o    model.BeamOptions
	}{
		{nil, model.BeamOptions{}},
		{[]string{"--length-penalty", "3"}, model.BeamOptions{LengthPenalty: 3}},
		{[]string{"--min-tokens", "4"}, model.BeamOptions{MinTokens: 4}},
	} {
		c.o.Beams, c.o.N, c.o.MaxTokens = 3, 3, 6
		want, err := library.Beam(t.Context(), prompt, c.o)
		if err != nil {
			t.Fatal(err)
		}
		if key := fmt.Sprint(want); key == seen {
			t.Fatalf("%v changes nothing: the test would not see it", c.args)
		} else {
			seen = key
		}
		got := line[answer](t, succeed(t, append(append(args, "--json", "--log-probs", file), c.args...)...))
		if len(got.Best) != len(want) || got.Caption != got.Best[0].Text || !reflect.DeepEqual(got.IDs, got.Best[0].IDs) || got.Stats.Tokens != len(got.IDs) {
			t.Fatalf("%v: %+v, want %+v", c.args, got, want)
		}
		lines := ""
		for i, w := range want {
			h := got.Best[i]
			if !slices.Equal(h.IDs, w.IDs) || h.Text != strings.TrimLeft(w.Text, " \n") || h.LogProb != w.LogProb || h.Score != w.Score || h.Finish != string(w.Finish) {
				t.Errorf("%v: text %d is %+v, want %+v", c.args, i, h, w)
			}
			sum := 0.0
			for _, l := range h.LogProbs {
				sum += l
			}
			if whole := w.Finish == model.FinishLength; len(h.LogProbs) != len(h.IDs) || sum < w.LogProb-1e-4 || whole && sum > w.LogProb+1e-4 {
				t.Errorf("%v: log-probabilities %v of %+v", c.args, h.LogProbs, w)
			}
			lines += plain(h.Text) + "\n"
		}
		if out := succeed(t, append(append(args, file), c.args...)...); out != lines {
			t.Errorf("%v: in words %q, want %q", c.args, out, lines)
		}
	}
}

// TestFrames holds a video against the library's, named frame by frame and as a directory.
func TestFrames(t *testing.T) {
	dir, pics := tinyModel(t), t.TempDir()
	a, b := put(t, pics, "a.png", pictureOf(t, 1)), put(t, pics, "b.png", pictureOf(t, 2))
	_, library := truth(t, dir)
	var frames []model.Image
	for _, file := range []string{a, b} {
		img, err := (&program{}).read(file)
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, img)
	}
	o := model.CaptionOptions{Options: model.Options{MaxTokens: 4, LogProbs: true}}
	want, err := library.Caption(t.Context(), model.Video(frames...), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"caption", "--model", dir, "--max-tokens", "4", "--json", "--log-probs", "--frames"}
	for _, named := range [][]string{{a, b}, {pics}} {
		got := line[answer](t, succeed(t, append(args, named...)...))
		if got.File != named[0] || !reflect.DeepEqual(got.LogProbs, want.LogProbs) {
			t.Errorf("%v: %+v, want %+v", named, got, want)
		}
	}
	if got := line[answer](t, succeed(t, append(args, b, a)...)); reflect.DeepEqual(got.LogProbs, want.LogProbs) {
		t.Error("the order of frames changes nothing: the test would not see it")
	}
	bad := put(t, pics, "c.png", []byte("no picture"))
	for _, c := range []struct {
		named []string
		part  string
	}{
		{slices.Repeat([]string{a}, model.MaxFrames+1), fmt.Sprintf("want at most %d", model.MaxFrames)},
		{[]string{pics}, bad + ": media"},
	} {
		status, out, errs := flamingo(t, nil, append([]string{"caption", "--model", dir, "--frames"}, c.named...)...)
		if status != statusFailed || out != "" || !strings.Contains(errs, c.part) || strings.Count(errs, "\n") != 1 {
			t.Errorf("status %d, want one line that says %q\n%s%s", status, c.part, out, errs)
		}
	}
}

func TestPromptsRefuse(t *testing.T) {
	dir, pics := tinyModel(t), t.TempDir()
	file, bad := put(t, pics, "a.png", pictureOf(t, 1)), put(t, pics, "bad.png", []byte("no picture"))
	list := func(text string) string { return put(t, t.TempDir(), "shots.jsonl", []byte(text)) }
	for _, c := range []struct {
		args   []string
		status int
		part   string
	}{
		{[]string{"caption", "--shot", file}, statusFailed, "has no =, want IMAGE=TEXT"},
		{[]string{"caption", "--shot", file + "="}, statusFailed, "has no text, want what is to be said"},
		{[]string{"caption", "--shot", bad + "=x"}, statusFailed, "media-decode"},
		{[]string{"caption", "--shot=-=x"}, statusFailed, "cannot come from standard input"},
		{[]string{"caption", "--shots", filepath.Join(pics, "none.jsonl")}, statusFailed, "--shots: open"},
		{[]string{"caption", "--shots", list("\n{\"image\": 3}\n")}, statusFailed, "line 2, wants an object"},
		{[]string{"caption", "--shots", list(`{"image": "a.png", "text": "x", "colour": 1}`)}, statusFailed, "colour"},
		{[]string{"caption", "--shots", list(`{"image": "a.png", "text": "x", "question": "y"}`)}, statusFailed, "only the command ask"},
		{[]string{"caption", "--shot", file + "=x", "--ids", "2"}, statusFailed, "in words and as token ids"},
		{[]string{"ask"}, statusUsage, "missing flags: --question"},
		{[]string{"ask", "--question", " "}, statusFailed, "--question is empty"},
		{[]string{"ask", "--question", "what?"}, statusFailed, `no prompt template for "ask"`},
		{[]string{"classify"}, statusUsage, "missing flags: --label"},
		{[]string{"classify", "--label", "a", "--label", " "}, statusFailed, "label 2 is empty"},
		{[]string{"classify", "--label", "a", "--label", "a"}, statusFailed, `"a" is there twice`},
		{[]string{"caption", "--n", "2"}, statusFailed, "give --beams"},
		{[]string{"caption", "--length-penalty", "2"}, statusFailed, "give --beams"},
		{[]string{"caption", "--beams", "2", "--seed", "1"}, statusFailed, "does not draw"},
		{[]string{"caption", "--beams", "1000"}, statusFailed, "beams is 1000"},
		{[]string{"caption", "--beams=-1"}, statusFailed, "beams is -1"},
		{[]string{"caption", "--beams", "2", "--n", "3"}, statusFailed, "n is 3"},
		{[]string{"caption", "--log-probs"}, statusFailed, "give --json"},
		{[]string{"caption", "--batch", "0"}, statusFailed, "--batch is 0"},
		{[]string{"caption", "--stop", ""}, statusFailed, "stop texts is empty"},
		{[]string{"caption", "--overwrite"}, statusFailed, "--overwrite is for --sidecar"},
		{[]string{"caption", "--sidecar", "--frames"}, statusFailed, "give --jsonl"},
	} {
		args := append(append([]string{c.args[0], "--model", dir}, c.args[1:]...), file)
		status, out, errs := flamingo(t, nil, args...)
		if status != c.status || out != "" || !strings.Contains(errs, c.part) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%v: status %d, want %d and one line that says %q\n%s%s", c.args, status, c.status, c.part, out, errs)
		}
	}
}
