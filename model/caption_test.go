package model

import (
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"flamingo/gpu"
	"flamingo/tensor"
	"flamingo/tokenizer"
)

// random is the built-in model's layout with random weights.
func random(t *testing.T, tok *tokenizer.Tokenizer) *Flamingo {
	t.Helper()
	c, dev, rng := nanoConfig(t), testDevice(t), rand.New(rand.NewPCG(3, 4))
	tensors := map[string]gpu.Tensor{}
	for _, e := range Spec(c) {
		v := make([]float32, e.Shape.Len())
		for i := range v {
			v[i] = 0.1 * float32(rng.NormFloat64())
		}
		x, err := gpu.Upload(dev, e.Name, tensor.FromF32(v, e.Shape...))
		if err != nil {
			t.Fatal(err)
		}
		tensors[e.Name] = x
	}
	m, err := New(dev, c, tensors, tok)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestCaptionPrompts asks a model for captions with and without its tokenizer: what its words and
// their ids have in common, and what is refused.
func TestCaptionPrompts(t *testing.T) {
	words, err := os.ReadFile("../testdata/nano/tokenizer.json")
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.Parse(words)
	if err != nil {
		t.Fatal(err)
	}
	m := random(t, tok)
	c := m.NewCaptioner()
	defer c.Close()
	image := m.Config.Tokens.Image
	spelled, err := m.Expand("caption", nil, Shot{}, " a cat")
	if err != nil {
		t.Fatal(err)
	}
	spelt := spelled.IDs
	say := func(o CaptionOptions) (Caption, error) {
		o.MaxTokens = 3
		return c.Caption(t.Context(), Picture(TestCard()), o, nil)
	}
	alone, err := say(CaptionOptions{IDs: []int32{image}})
	if err != nil {
		t.Fatal(err)
	}
	told, err := say(CaptionOptions{Prompt: " a cat"})
	if err != nil || told.Text == "" || slices.Equal(told.IDs, alone.IDs) {
		t.Fatalf("%+v, %v; want words, other than %v", told, err, alone.IDs)
	}
	for _, r := range []struct {
		name     string
		wordless bool
		o        CaptionOptions
		want     Caption
		part     string // of an error
	}{
		{name: "words as ids", o: CaptionOptions{IDs: spelt}, want: told},
		{name: "words as ids, no tokenizer", wordless: true, o: CaptionOptions{IDs: spelt}, want: Caption{IDs: told.IDs}},
		{name: "nothing, no tokenizer", wordless: true, want: Caption{IDs: alone.IDs}},
		{name: "words, no tokenizer", wordless: true, o: CaptionOptions{Prompt: "a cat"}, part: "no tokenizer; give the prompt as token ids, such as [4]"},
		{name: "both", o: CaptionOptions{Prompt: "a cat", IDs: spelt}, part: "in words and as token ids"},
		{name: "no ids", o: CaptionOptions{IDs: []int32{}}, part: "the <image> token 0 times, want once; its id is 4"},
		{name: "no picture", o: CaptionOptions{IDs: []int32{9, 8}}, part: "the <image> token 0 times, want once; its id is 4"},
		{name: "two pictures", o: CaptionOptions{IDs: []int32{image, 9, image}}, part: "the <image> token 2 times"},
		{name: "a negative id", o: CaptionOptions{IDs: []int32{image, -1}}, part: "prompt token 1 is -1, the vocabulary has"},
		{name: "an id too large", o: CaptionOptions{IDs: []int32{1 << 30}}, part: "prompt token 0 is 1073741824, the vocabulary has"},
		{name: "too many", o: CaptionOptions{IDs: append(make([]int32, 5000), image)}, part: "the prompt has 5001 tokens"},
	} {
		m.Tokenizer = tok
		if r.wordless {
			m.Tokenizer = nil
		}
		got, err := say(r.o)
		if r.part != "" {
			if !errors.Is(err, ErrOption) || !strings.Contains(err.Error(), r.part) {
				t.Errorf("%s: got %v, want an option's error that says %q", r.name, err, r.part)
			}
		} else if err != nil || got.Text != r.want.Text || !slices.Equal(got.IDs, r.want.IDs) {
			t.Errorf("%s: got %q %v, %v; want %q %v", r.name, got.Text, got.IDs, err, r.want.Text, r.want.IDs)
		}
	}
}

// TestEncodeOnce looks at pictures before it is asked about them: what the encoder made last is not
// made again, and the words are those of a model that was only asked.
func TestEncodeOnce(t *testing.T) {
	words, err := os.ReadFile("../testdata/nano/tokenizer.json")
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.Parse(words)
	if err != nil {
		t.Fatal(err)
	}
	shade := func(v byte) Media {
		return Picture(Image{Width: 8, Height: 8, Pixels: tensor.GoBytes(slices.Repeat([]byte{v, 255 - v, v / 2, 255}, 64))})
	}
	query, shots := shade(200), []Shot{{Media: shade(10), Text: "a"}, {Media: shade(90), Text: "b"}}
	m := random(t, tok)
	say := func() Caption {
		c := m.NewCaptioner()
		defer c.Close()
		got, err := c.Caption(t.Context(), query, CaptionOptions{Shots: shots, Options: Options{MaxTokens: 3}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	look := func(x Media) []float32 {
		if _, err := m.Encode(t.Context(), x); err != nil {
			t.Fatal(err)
		}
		v, err := m.Embedding(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return v.F32()
	}
	want := say()
	for _, c := range []struct {
		name    string
		look    []Media
		encoded int // of the three, afterwards
	}{
		{"the query", []Media{shots[0].Media, query}, 2},
		{"the query twice", []Media{query, query}, 2},
		{"an example", []Media{query, shots[1].Media}, 2},
		{"something else", []Media{query, shade(33)}, 3},
		{"something without a name", []Media{query, {Count: 1, Frames: shade(33).Frames}}, 3},
	} {
		for _, x := range c.look {
			look(x)
		}
		before := m.Encoded()
		if got := say(); !slices.Equal(got.IDs, want.IDs) || m.Encoded()-before != c.encoded {
			t.Errorf("%s was seen before: %v with %d encoded, want %v with %d", c.name, got.IDs, m.Encoded()-before, want.IDs, c.encoded)
		}
	}
	if v := look(query); len(v) != m.Config.Vision.EmbeddingLen() || !slices.Equal(v, look(query)) || slices.Equal(v, look(shade(33))) {
		t.Errorf("the embedding of a picture has %d numbers, want %d, the same each time, and others for another one", len(v), m.Config.Vision.EmbeddingLen())
	}
	broken := Media{Key: "broken", Count: 1, Frames: func(yield func(Image, error) bool) { yield(Image{}, ErrOption) }}
	look(query)
	for range 2 {
		if _, err := m.Encode(t.Context(), broken); !errors.Is(err, ErrOption) {
			t.Errorf("a picture that cannot be read: %v, want its error each time", err)
		}
	}
}
