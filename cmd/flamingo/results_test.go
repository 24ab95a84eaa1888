package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"flamingo/model"
	"flamingo/picture"
)

func TestExpand(t *testing.T) {
	dir := t.TempDir()
	var all []string
	for _, name := range []string{"a.png", "b/c.JPG", "b/d/e.webp", "f.gif"} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		all = append(all, put(t, filepath.Dir(path), filepath.Base(path), nil))
	}
	put(t, dir, "b/notes.txt", nil)
	put(t, dir, "b/.hidden.png", nil)
	empty, missing := filepath.Join(dir, "empty"), filepath.Join(dir, "missing")
	if err := os.MkdirAll(filepath.Join(empty, ".git"), 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, empty, ".git/x.png", nil)
	for _, c := range []struct {
		args      []string
		recursive bool
		want      []string
	}{
		{[]string{dir}, false, []string{all[0], all[3]}},
		{[]string{dir}, true, all},
		{[]string{standardInput, missing, empty, all[3]}, true, []string{standardInput, missing, empty, all[3]}},
	} {
		if got := expand(c.args, c.recursive); !slices.Equal(got, c.want) {
			t.Errorf("%q, recursive %v: %q, want %q", c.args, c.recursive, got, c.want)
		}
	}
}

func contents(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestJSONLines continues a file after every kind of end that it may have.
func TestJSONLines(t *testing.T) {
	m, pics := tinyModel(t, asking), t.TempDir()
	put(t, pics, "a.png", pictureOf(t, 1))
	put(t, pics, "b.png", pictureOf(t, 2))
	path := filepath.Join(t.TempDir(), "out.jsonl")
	args := []string{"--model", m, "--max-tokens", "4", "--jsonl", path, pics}
	caption := append([]string{"caption", "--log-probs"}, args...)
	if out := succeed(t, caption...); out != "" {
		t.Errorf("standard output %q, want it empty", out)
	}
	files := func() (names []string) {
		for l := range strings.Lines(contents(t, path)) {
			x := line[answer](t, l)
			if len(x.LogProbs) != len(x.IDs) {
				t.Errorf("%+v, want log-probabilities", x)
			}
			names = append(names, filepath.Base(x.File))
		}
		return names
	}
	whole := contents(t, path)
	if got := files(); !slices.Equal(got, []string{"a.png", "b.png"}) {
		t.Fatalf("%q", whole)
	}
	second := strings.Index(whole, "\n") + 1
	for _, keep := range []int{len(whole), len(whole) - 1, second, second + 1, second + 30, second - 1, 20, 0} {
		put(t, filepath.Dir(path), "out.jsonl", []byte(whole[:keep]))
		succeed(t, caption...)
		if got := files(); !slices.Equal(got, []string{"a.png", "b.png"}) {
			t.Errorf("from %d bytes: %q", keep, got)
		}
		if kept := whole[:strings.LastIndex(whole[:keep], "\n")+1]; !strings.HasPrefix(contents(t, path), kept) {
			t.Errorf("from %d bytes: the lines that were whole changed", keep)
		}
	}
	// What cannot be read is told each time; what is new is added, whatever the others are called.
	put(t, pics, "c.png", []byte("no picture"))
	put(t, pics, "d.png", pictureOf(t, 3))
	caption = slices.Insert(caption, len(caption)-1, pics+"/./a.png")
	for range 2 {
		status, out, errs := flamingo(t, nil, caption...)
		if got := files(); status != statusFailed || out != "" || !strings.Contains(errs, "c.png: media-decode") || !slices.Equal(got, []string{"a.png", "b.png", "d.png"}) {
			t.Errorf("status %d, %q\n%s%s", status, got, out, errs)
		}
	}
	// Each question is an answer of its own.
	os.Remove(path)
	os.Remove(filepath.Join(pics, "c.png"))
	for i, question := range []string{"who?", "where?", "who?"} {
		succeed(t, append([]string{"ask", "--question", question}, args...)...)
		if got, want := strings.Count(contents(t, path), "\n"), []int{3, 6, 6}[i]; got != want {
			t.Errorf("question %d: %d lines, want %d", i, got, want)
		}
	}
	// Nothing is done, and no model loaded, where nothing is left.
	args[1] = "nowhere"
	succeed(t, append([]string{"ask", "--question", "who?"}, args...)...)
}

// TestJSONLinesOfOthers leaves files alone that it did not write.
func TestJSONLinesOfOthers(t *testing.T) {
	file := put(t, t.TempDir(), "a.png", pictureOf(t, 1))
	for _, c := range []struct{ text, part string }{
		{"notes\n", "line 1 is no object"},
		{`{"file": "a", "caption": "b"}` + "\nnotes\n" + `{"file":`, "line 2 is no object"},
		{`{"file": "a", "answer": "b"}` + "\n", `with "file" and "caption"`},
		{string(pictureOf(t, 1)), "give another"},
		{"notes", "no beginning of a result"},
	} {
		path := put(t, t.TempDir(), "out", []byte(c.text))
		status, out, errs := flamingo(t, nil, "caption", "--model", "nowhere", "--jsonl", path, file)
		if status != statusFailed || out != "" || !strings.Contains(errs, c.part) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%.20q: status %d, want one line that says %q\n%s%s", c.text, status, c.part, out, errs)
		}
		if got := contents(t, path); got != c.text {
			t.Errorf("%.20q became %.20q", c.text, got)
		}
	}
}

func TestSidecars(t *testing.T) {
	m, pics := tinyModel(t), t.TempDir()
	a, b := put(t, pics, "a.png", pictureOf(t, 1)), put(t, pics, "b.png", pictureOf(t, 2))
	args := []string{"caption", "--model", m, "--max-tokens", "4"}
	want := map[string]string{a: succeed(t, append(args, a)...), b: succeed(t, append(args, b)...)}
	kept := put(t, pics, "a.txt", []byte("mine"))
	check := func(first string) {
		t.Helper()
		if got := contents(t, kept); got != first {
			t.Errorf("a.txt is %q, want %q", got, first)
		}
		if got := contents(t, filepath.Join(pics, "b.txt")); got != want[b] {
			t.Errorf("b.txt is %q, want %q", got, want[b])
		}
		if entries, _ := os.ReadDir(pics); len(entries) != 4 {
			t.Errorf("%v, want two pictures and their texts", entries)
		}
	}
	args = append(args, "--sidecar")
	if out := succeed(t, append(args, pics)...); out != "" {
		t.Errorf("standard output %q, want it empty", out)
	}
	check("mine")
	// Both kinds of results at once: what one of them lacks is made, what the other has is kept.
	path := filepath.Join(t.TempDir(), "out.jsonl")
	succeed(t, append(args, "--jsonl", path, pics)...)
	check("mine")
	if got := strings.Count(contents(t, path), "\n"); got != 2 {
		t.Errorf("%d lines, want 2", got)
	}
	succeed(t, append(args, "--overwrite", "--jsonl", path, pics)...)
	check(want[a])
	if got := strings.Count(contents(t, path), "\n"); got != 2 {
		t.Errorf("%d lines, want 2", got)
	}
	for _, named := range [][]string{{a, put(t, pics, "a.jpg", nil)}, {"-"}} {
		status, out, errs := flamingo(t, nil, append(args, named...)...)
		if status != statusFailed || out != "" || !strings.Contains(errs, "no file of its own for "+named[len(named)-1]) {
			t.Errorf("%v: status %d\n%s%s", named, status, out, errs)
		}
	}
}

// none opens pictures that nobody looks at.
func none(string) (model.Media, int, error) { return model.Media{}, 0, nil }

// TestInterruption wants the picture at hand to be told and no other to be begun; a single one is given up.
func TestInterruption(t *testing.T) {
	for _, c := range []struct {
		files     []string
		out, part string
	}{
		{[]string{"a", "b", "c"}, "a\tseen\n", "behind 1 of 3 pictures"},
		{[]string{"a"}, "", "a: context canceled"},
	} {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var out bytes.Buffer
		r := &round{pictures: &pictures{}, program: &program{out: &out, err: io.Discard}, group: 1}
		err := r.run(ctx, c.files, none, each(func(ctx context.Context, x taken) (result, error) {
			stop()
			return result{lines: []string{"seen"}}, ctx.Err()
		}))
		if out.String() != c.out || !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), c.part) {
			t.Errorf("%q: %q, %v, want %q and an error that says %q", c.files, out.String(), err, c.out, c.part)
		}
	}
}

// TestGroupFails wants each picture of a group that fails to be looked at alone.
func TestGroupFails(t *testing.T) {
	var out, errs bytes.Buffer
	r := &round{pictures: &pictures{}, program: &program{out: &out, err: &errs}, group: 3}
	answer := func(_ context.Context, group []taken) (list []result, err error) {
		for _, x := range group {
			if x.file == "b" {
				return nil, fmt.Errorf("%w: broken", picture.ErrDecode)
			}
			list = append(list, result{lines: []string{fmt.Sprint(len(group))}})
		}
		return list, nil
	}
	err := r.run(t.Context(), []string{"a", "b", "c", "d", "e"}, none, answer)
	if want := "a\t1\nc\t1\nd\t2\ne\t2\n"; !errors.Is(err, errReported) || out.String() != want || strings.Count(errs.String(), "flamingo: b: media-decode") != 1 {
		t.Errorf("%q, want %q\n%s", out.String(), want, errs.String())
	}
}

// TestAhead counts what is read before it is wanted.
func TestAhead(t *testing.T) {
	files := strings.Split("abcdefgh", "")
	for _, c := range []struct {
		size, pixels int
		groups       []string
		read         []int // while each group is at work
	}{
		{1, 0, []string{"a", "b", "c", "d", "e", "f", "g", "h"}, []int{2, 3, 4, 5, 6, 7, 8, 8}},
		{3, 0, []string{"abc", "def", "gh"}, []int{6, 8, 8}},
		{3, groupPixels / 2, []string{"ab", "cd", "ef", "gh"}, []int{4, 6, 8, 8}},
		{3, groupPixels, []string{"a", "b", "c", "d", "e", "f", "g", "h"}, []int{2, 3, 4, 5, 6, 7, 8, 8}},
	} {
		synctest.Test(t, func(t *testing.T) {
			read := 0
			open := func(string) (model.Media, int, error) {
				read++
				return model.Media{}, c.pixels, nil
			}
			var groups []string
			var counts []int
			for group := range ahead(t.Context(), files, c.size, open) {
				synctest.Wait()
				name := ""
				for _, x := range group {
					name += x.file
				}
				groups, counts = append(groups, name), append(counts, read)
			}
			if !slices.Equal(groups, c.groups) || !slices.Equal(counts, c.read) {
				t.Errorf("groups of %d, %d pixels: %q with %v read, want %q with %v", c.size, c.pixels, groups, counts, c.groups, c.read)
			}
		})
	}
}

func TestProgress(t *testing.T) {
	for _, c := range []struct {
		done, total int
		took        time.Duration
		want        string
	}{
		{1, 3, 2 * time.Second, "1 of 3 pictures, 0.5 a second, 4s left"},
		{8, 1000, time.Second, "8 of 1000 pictures, 8 a second, 2m4s left"},
		{3, 3, 90 * time.Second, "3 of 3 pictures, 0.0333 a second, 0s left"},
	} {
		if got := progress(c.done, c.total, c.took); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	pics := t.TempDir()
	put(t, pics, "a.png", pictureOf(t, 1))
	put(t, pics, "b.png", pictureOf(t, 2))
	var errs bytes.Buffer
	p := &program{out: io.Discard, err: &errs, liveErr: true}
	args := []string{"caption", "--device", "cpu", "--model", tinyModel(t), "--max-tokens", "2", "--batch", "1", pics}
	if status := p.run(t.Context(), args); status != statusOK || !strings.Contains(errs.String(), "1 of 2 pictures, ") || !strings.HasSuffix(errs.String(), "\r\x1b[K") {
		t.Errorf("status %d, %q", status, errs.String())
	}
}
