package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"flamingo/convert"
	"flamingo/tensor"
)

// line decodes a line of --json strictly: its fields are a promise.
func line[T any](t *testing.T, text string) (v T) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

func TestCaptionForms(t *testing.T) {
	m, dir := tinyModel(t), t.TempDir()
	b, a := put(t, dir, "b.png", pictureOf(t, 2)), put(t, dir, "a.PNG", pictureOf(t, 1))
	put(t, dir, "notes.txt", []byte("no picture"))
	put(t, dir, ".hidden.png", []byte("no picture"))
	args := []string{"caption", "--model", m, "--max-tokens", "6"}
	captions, finishes := map[string]string{}, map[string]bool{}
	for _, file := range []string{a, b} {
		got := line[answer](t, succeed(t, append(args, "--json", file)...))
		if got.File != file || len(got.IDs) == 0 || got.Stats.Tokens != len(got.IDs) || got.Stats.VisionMS <= 0 || got.Stats.PrefillMS <= 0 {
			t.Errorf("%+v", got)
		}
		if want := map[bool]string{true: "length", false: "stop"}[len(got.IDs) == 6]; got.Finish != want {
			t.Errorf("%d ids, finish %s, want %s", len(got.IDs), got.Finish, want)
		}
		captions[file] = plain(got.Caption)
		finishes[got.Finish] = true
		if out := succeed(t, append(args, file)...); out != captions[file]+"\n" {
			t.Errorf("alone: %q, want %q", out, captions[file])
		}
	}
	if captions[a] == captions[b] || len(finishes) != 2 {
		t.Fatalf("captions %q, finishes %v: the test would not see a mix-up", captions, finishes)
	}
	both := fmt.Sprintf("%s\t%s\n%s\t%s\n", a, captions[a], b, captions[b])
	if out := succeed(t, append(args, a, b)...); out != both {
		t.Errorf("two files: %q, want %q", out, both)
	}
	if out := succeed(t, append(args, dir)...); out != both {
		t.Errorf("a directory: %q, want %q", out, both)
	}
	status, out, errs := flamingo(t, pictureOf(t, 2), append(args, "-")...)
	if status != statusOK || out != captions[b]+"\n" {
		t.Errorf("standard input: status %d, %q %s", status, out, errs)
	}
	// What streams to a terminal is the same text.
	var live bytes.Buffer
	p := &program{in: strings.NewReader(""), out: &live, err: io.Discard, liveOut: true}
	if status := p.run(t.Context(), append(args, "--device", "cpu", a)); status != statusOK || live.String() != captions[a]+"\n" {
		t.Errorf("terminal: status %d, %q, want %q", status, live.String(), captions[a])
	}
}

func TestCaptionSampling(t *testing.T) {
	m := tinyModel(t)
	file := put(t, t.TempDir(), "a.png", pictureOf(t, 1))
	draw := func(seed string, more ...string) answer {
		return line[answer](t, succeed(t, append([]string{"caption", "--model", m, "--json", "--max-tokens", "8",
			"--temperature", "5", "--seed", seed, file}, more...)...))
	}
	one, again, other := draw("1"), draw("1"), draw("2")
	if !reflect.DeepEqual(one.IDs, again.IDs) || reflect.DeepEqual(one.IDs, other.IDs) {
		t.Errorf("seed 1: %v and %v, seed 2: %v", one.IDs, again.IDs, other.IDs)
	}
	greedy := line[answer](t, succeed(t, "caption", "--model", m, "--json", "--max-tokens", "8", file))
	if top := draw("1", "--top-k", "1"); !reflect.DeepEqual(top.IDs, greedy.IDs) {
		t.Errorf("top-k 1 gives %v, greedy %v", top.IDs, greedy.IDs)
	}
	prompted := line[answer](t, succeed(t, "caption", "--model", m, "--json", "--max-tokens", "8", "--prompt", " a cat", file))
	if reflect.DeepEqual(prompted.IDs, greedy.IDs) {
		t.Errorf("the prompt changes nothing: %v", greedy.IDs)
	}
}

// TestCaptionWithoutTokenizer asks a model that has no words: it takes and gives ids.
func TestCaptionWithoutTokenizer(t *testing.T) {
	from, err := convert.OpenNative(checkpointOf(t))
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	image, m, dir := fmt.Sprint(from.Config.Tokens.Image), filepath.Join(t.TempDir(), "wordless"), t.TempDir()
	from.Tokenizer = nil
	if _, err := from.Write(t.Context(), convert.Options{Out: m, Name: "wordless", DType: tensor.Q8}); err != nil {
		t.Fatal(err)
	}
	file, other := put(t, dir, "a.png", pictureOf(t, 1)), put(t, dir, "b.png", pictureOf(t, 2))
	args := []string{"caption", "--model", m, "--max-tokens", "4", "--ids", "9," + image + ",7"}
	got := line[answer](t, succeed(t, append(args, "--json", file)...))
	if got.Caption != "" || len(got.IDs) == 0 {
		t.Fatalf("%+v, want ids and no words", got)
	}
	ids := strings.Trim(strings.ReplaceAll(fmt.Sprint(got.IDs), " ", ","), "[]")
	if out := succeed(t, append(args, file)...); out != ids+"\n" {
		t.Errorf("alone: %q, want %q", out, ids)
	}
	if out := succeed(t, append(args, file, other)...); !strings.HasPrefix(out, file+"\t"+ids+"\n"+other+"\t") {
		t.Errorf("two files: %q, want %q for the first", out, ids)
	}
	var live bytes.Buffer
	p := &program{in: strings.NewReader(""), out: &live, err: io.Discard, liveOut: true}
	if status := p.run(t.Context(), append(args, "--device", "cpu", file)); status != statusOK || live.String() != ids+"\n" {
		t.Errorf("terminal: status %d, %q, want %q", status, live.String(), ids)
	}
	bare := succeed(t, "caption", "--model", m, "--max-tokens", "4", file)
	if alone := succeed(t, "caption", "--model", m, "--max-tokens", "4", "--ids", image, file); bare != alone || bare == ids+"\n" {
		t.Errorf("no prompt gives %q, <image> alone %q, other ids %q; want the first two alike", bare, alone, ids)
	}
	for _, c := range []struct {
		args   []string
		status int
		part   string
	}{
		{[]string{"--prompt", "a cat"}, statusFailed, "option: this model has no tokenizer; give the prompt as token ids, such as [" + image + "]"},
		{[]string{"--prompt", "a cat", "--ids", image}, statusUsage, "--prompt and --ids can't be used together"},
		{[]string{"--ids", "9,7"}, statusFailed, "option: the prompt has the <image> token 0 times, want once; its id is " + image},
		{[]string{"--ids", image + ",320"}, statusFailed, "prompt token 1 is 320, the vocabulary has 320"},
		{[]string{"--ids", image + ",cat"}, statusUsage, "--ids"},
	} {
		status, out, errs := flamingo(t, nil, append(append([]string{"caption", "--model", m}, c.args...), file)...)
		if status != c.status || out != "" || !strings.Contains(errs, c.part) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%v: status %d, want %d and one line that says %q\n%s%s", c.args, status, c.status, c.part, out, errs)
		}
	}
}

func TestCaptionOfBadPictures(t *testing.T) {
	m, dir := tinyModel(t), t.TempDir()
	good := pictureOf(t, 1)
	first, last := put(t, dir, "1.png", good), put(t, dir, "9.png", good)
	cut, svg := put(t, dir, "2.png", good[:len(good)/2]), put(t, dir, "3.svg", []byte("<svg/>"))
	empty, missing := put(t, dir, "4.jpg", nil), filepath.Join(dir, "5.png")
	bare := t.TempDir()
	args := []string{"caption", "--model", m, "--max-tokens", "3", first, cut, svg, empty, missing, bare, last}

	status, out, errs := flamingo(t, nil, args...)
	if lines := strings.Split(strings.TrimSpace(out), "\n"); status != statusFailed || len(lines) != 2 ||
		!strings.HasPrefix(lines[0], first+"\t") || !strings.HasPrefix(lines[1], last+"\t") {
		t.Errorf("status %d, want %d and two captions:\n%s", status, statusFailed, out)
	}
	wants := []struct{ file, part string }{
		{cut, "the PNG file is truncated"}, {svg, "render it to PNG first"}, {empty, "empty (0 bytes)"},
		{missing, "no such file"}, {bare, "the directory has no picture"},
	}
	lines := strings.Split(strings.TrimSpace(errs), "\n")
	if len(lines) != len(wants) {
		t.Fatalf("want %d lines of errors:\n%s", len(wants), errs)
	}
	for i, w := range wants {
		if !strings.HasPrefix(lines[i], "flamingo: "+w.file+": media-decode: ") || !strings.Contains(lines[i], w.part) {
			t.Errorf("%s\nwant media-decode for %s that says %q", lines[i], w.file, w.part)
		}
	}

	status, out, errs = flamingo(t, nil, append(args, "--json")...)
	objects := strings.Split(strings.TrimSpace(out), "\n")
	if status != statusFailed || errs != "" || len(objects) != len(wants)+2 {
		t.Fatalf("--json: status %d, %d lines, standard error %q", status, len(objects), errs)
	}
	for i, w := range wants {
		if got := line[failure](t, objects[1+i]); got.File != w.file || got.Error.Code != "media-decode" || !strings.Contains(got.Error.Message, w.part) {
			t.Errorf("%+v, want media-decode for %s that says %q", got, w.file, w.part)
		}
	}
}

func TestCaptionRefuses(t *testing.T) {
	m := tinyModel(t)
	file := put(t, t.TempDir(), "a.png", pictureOf(t, 1))
	for _, c := range []struct {
		args   []string
		status int
		part   string
	}{
		{[]string{"caption", file}, statusUsage, "missing flags: --model"},
		{[]string{"caption", "--model", m}, statusUsage, `"<image> ..."`},
		{[]string{"caption", "--model", m, "--colour", file}, statusUsage, "unknown flag --colour"},
		{[]string{"caption", "--model", m, "--device", "tpu", file}, statusUsage, "--device"},
		{[]string{"caption", "--model", m, "--max-tokens", "0", file}, statusFailed, "invalid-option: option: --max-tokens is 0"},
		{[]string{"caption", "--model", m, "--max-tokens=-1", file}, statusFailed, "invalid-option"},
		{[]string{"caption", "--model", m, "--temperature=-1", file}, statusFailed, "invalid-option"},
		{[]string{"caption", "--model", m, "--top-p", "2", file}, statusFailed, "invalid-option"},
		{[]string{"caption", "--model", m, "--offline", file}, statusFailed, "invalid-option"},
		{[]string{"caption", "--model", m, "--prompt", strings.Repeat("ho ", 200), file}, statusFailed, "invalid-option"},
		{[]string{"caption", "--model", filepath.Join(m, "nothing"), file}, statusFailed, "network: "},
	} {
		status, out, errs := flamingo(t, nil, c.args...)
		if status != c.status || out != "" || !strings.HasPrefix(errs, "flamingo: ") || !strings.Contains(errs, c.part) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%v: status %d, want %d and one line that says %q\n%s%s", c.args[1:], status, c.status, c.part, out, errs)
		}
	}
	status, out, errs := flamingo(t, nil, "caption", "--model", filepath.Join(m, "nothing"), "--json", file)
	if got := line[failure](t, out); status != statusFailed || errs != "" || got.Error.Code != "network" {
		t.Errorf("--json: status %d, %+v, %q", status, got, errs)
	}
}

func TestCaptionByAddress(t *testing.T) {
	server := httptest.NewServer(http.FileServer(http.Dir(tinyModel(t))))
	defer server.Close()
	file := put(t, t.TempDir(), "a.png", pictureOf(t, 1))
	args := []string{"caption", "--model", server.URL, "--cache", t.TempDir(), "--max-tokens", "4", file}
	fetched := succeed(t, args...)
	server.Close()
	if kept := succeed(t, append(args, "--offline")...); kept != fetched {
		t.Errorf("from the cache %q, want %q", kept, fetched)
	}
	status, out, errs := flamingo(t, nil, args...)
	if status != statusOK || out != fetched || !strings.Contains(errs, "note: The stored model is used") {
		t.Errorf("without the server: status %d, %q, %s", status, out, errs)
	}
}

func TestHelpAndVersion(t *testing.T) {
	if out := succeed(t, "--help"); !strings.Contains(out, "caption") || !strings.Contains(out, "inspect") {
		t.Error(out)
	}
	if out := succeed(t, "version"); !strings.HasPrefix(out, "flamingo ") || !strings.Contains(out, devices) {
		t.Error(out)
	}
}
