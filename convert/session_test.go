package convert

import (
	"errors"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flamingo/model"
	"flamingo/tensor"
)

// TestSessionsRemember runs prompts that begin alike, share pictures and evict each other's, in one
// session and each in one of its own: the logits are the same, and no picture that is still there is
// encoded again.
func TestSessionsRemember(t *testing.T) {
	m := openRelease(t, tensor.F32)
	g := openGolden(t, filepath.Join(openFlamingoNano, "expected.safetensors"))
	pixels := g.floats("text_between.image")
	each := pixels.Shape[1:].Len()
	pictures := map[string]model.Media{}
	for i, key := range []string{"a", "b", "c"} {
		x := model.Preprocessed(tensor.FromF32(pixels.F32()[i*each:(i+1)*each], pixels.Shape[1:]...))
		x.Key = key
		pictures[key] = x
	}
	// A letter is a picture, a digit some words.
	prompt := func(text string) (p model.Prompt) {
		for _, r := range text {
			if x, ok := pictures[string(r)]; ok {
				p.IDs, p.Media = append(p.IDs, m.Config.Tokens.Image), append(p.Media, x)
			} else {
				for i := range int32(9) {
					p.IDs = append(p.IDs, 10*(r-'0')+i)
				}
			}
		}
		return p
	}
	s, err := m.NewSession(t.Context(), model.Room{Tokens: 64, Images: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	rng := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		text    string
		encoded int // pictures that are not there yet
	}{
		{"a12", 1}, {"a12", 0}, {"a123", 0}, {"a13", 0}, {"1a2b3", 1}, {"1a2b34", 0}, {"1b2a3", 0}, {"1a2a3", 0},
		{"c1", 1}, {"1234", 0}, {"5", 0}, {"c1a2", 0}, {"b9", 1}, {"b9c", 0}, {"12a", 1},
	} {
		before := m.Encoded()
		got, err := s.Logits(t.Context(), prompt(c.text))
		if err != nil {
			t.Fatal(err)
		}
		if n := m.Encoded() - before; n != c.encoded {
			t.Errorf("%s: %d pictures were encoded, want %d", c.text, n, c.encoded)
		}
		fresh, err := m.NewSession(t.Context(), model.Room{Tokens: 64, Images: 2})
		if err != nil {
			t.Fatal(err)
		}
		want, err := fresh.Logits(t.Context(), prompt(c.text))
		fresh.Close()
		if err != nil {
			t.Fatal(err)
		}
		absolute(t, c.text, got, want, 1e-5)
		if rng.IntN(2) == 0 { // what is written in between is forgotten
			for _, err := range s.Generate(t.Context(), prompt(c.text), model.Options{MaxTokens: 3}) {
				if err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// TestGenerateOptions checks what changes the tokens that are written.
func TestGenerateOptions(t *testing.T) {
	m := openNano(t, tensor.F32)
	c := m.NewCaptioner()
	defer c.Close()
	card := model.Picture(model.TestCard())
	say := func(o model.Options) model.Caption {
		t.Helper()
		got, err := c.Caption(t.Context(), card, model.CaptionOptions{Options: o}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	plain := say(model.Options{})
	if plain.Finish != model.FinishStop || len(plain.IDs) < 3 {
		t.Fatalf("the test card's caption is %q, which ends by %v", plain.Text, plain.Finish)
	}
	sum := 0.0
	var told []model.Token
	if _, err := c.Caption(t.Context(), card, model.CaptionOptions{Options: model.Options{LogProbs: true}}, func(x model.Token) { told = append(told, x) }); err != nil {
		t.Fatal(err)
	}
	p, err := m.PromptOf(card, model.CaptionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	scores, err := c.Score(t.Context(), p, [][]int32{plain.IDs, plain.IDs[:1]})
	if err != nil {
		t.Fatal(err)
	}
	for i, x := range told {
		sum += x.LogProb
		if x.ID != plain.IDs[i] || math.Abs(x.LogProb-scores[0].Each[i]) > 1e-4*tolerance() {
			t.Errorf("token %d is %d with %g, the caption has %d and scoring says %g", i, x.ID, x.LogProb, plain.IDs[i], scores[0].Each[i])
		}
	}
	if len(told) != len(plain.IDs) || math.Abs(sum-scores[0].LogProb) > 1e-3*tolerance() {
		t.Errorf("%d tokens add up to %g, want %d and %g", len(told), sum, len(plain.IDs), scores[0].LogProb)
	}
	if long := say(model.Options{MinTokens: len(plain.IDs) + 3, MaxTokens: len(plain.IDs) + 5}); len(long.IDs) < len(plain.IDs)+3 || !slices.Equal(long.IDs[:len(plain.IDs)], plain.IDs) {
		t.Errorf("with minTokens: %v after %v", long.IDs, plain.IDs)
	}
	words := strings.Fields(plain.Text)
	last := words[len(words)-1]
	cut := say(model.Options{Stop: []string{"no such text", " " + last}})
	if want := plain.Text[:strings.Index(plain.Text, " "+last)]; cut.Text != want || cut.Finish != model.FinishStop {
		t.Errorf("stopped at %q: got %q, %v, want %q", last, cut.Text, cut.Finish, want)
	}
	banned := say(model.Options{Banned: plain.IDs[1:2], MaxTokens: 12})
	if slices.Contains(banned.IDs, plain.IDs[1]) || slices.Equal(banned.IDs, plain.IDs) {
		t.Errorf("token %d is banned: got %v", plain.IDs[1], banned.IDs)
	}
	if again := say(model.Options{}); !slices.Equal(again.IDs, plain.IDs) {
		t.Errorf("afterwards: got %v, want %v", again.IDs, plain.IDs)
	}
	beams, err := c.Beam(t.Context(), p, model.BeamOptions{Beams: 4, N: 2})
	if err != nil {
		t.Fatal(err)
	}
	if len(beams) != 2 || beams[0].LogProb < beams[1].LogProb || beams[0].LogProb < sum-1 {
		t.Errorf("beams: %+v; greedy has %g", beams, sum)
	}
	before, fresh := m.Encoded(), model.Picture(model.TestCard())
	fresh.Key = "" // would be encoded again
	for _, o := range []model.Options{{MinTokens: 70}, {Repetition: -1}, {Stop: []string{""}}, {Banned: []int32{1 << 20}}} {
		if _, err := c.Caption(t.Context(), fresh, model.CaptionOptions{Options: o}, nil); !errors.Is(err, model.ErrOption) || m.Encoded() != before {
			t.Errorf("%+v: %v, want %v before anything runs", o, err, model.ErrOption)
		}
	}
}

// TestShots puts examples into a prompt: more of them cost only themselves.
func TestShots(t *testing.T) {
	m := openNano(t, tensor.F32)
	c := m.NewCaptioner()
	defer c.Close()
	card := model.TestCard()
	shot := func(i int) model.Shot {
		img := model.Image{Width: card.Width, Height: card.Height, Pixels: slices.Clone(card.Pixels.(tensor.GoBytes))}
		img.Pixels.(tensor.GoBytes)[0] = byte(i)
		return model.Shot{Media: model.Picture(img), Text: "a card <image> of colours"}
	}
	var shots []model.Shot
	for i := range 6 {
		before := m.Encoded()
		got, err := c.Caption(t.Context(), model.Picture(card), model.CaptionOptions{Shots: shots, Options: model.Options{MaxTokens: 4}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if n := m.Encoded() - before; n != 1 {
			t.Errorf("%d shots: %d pictures were encoded, want the new one", i, n)
		}
		p, err := m.PromptOf(model.Picture(card), model.CaptionOptions{Shots: shots})
		if err != nil {
			t.Fatal(err)
		}
		tags := 0
		for _, id := range p.IDs {
			if id == m.Config.Tokens.Image {
				tags++
			}
		}
		if tags != i+1 || len(p.Media) != i+1 { // the <image> in the text is text
			t.Errorf("%d shots: %d tags and %d pictures", i, tags, len(p.Media))
		}
		other := m.NewCaptioner()
		want, err := other.Continue(t.Context(), p, model.Options{MaxTokens: 4}, nil)
		other.Close()
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.IDs, want.IDs) {
			t.Errorf("%d shots: got %v with what was cached, %v without", i, got.IDs, want.IDs)
		}
		shots = append(shots, shot(i+1))
	}
	// Examples of words alone have no tag, and the query keeps its own.
	words, err := m.PromptOf(model.Picture(card), model.CaptionOptions{Shots: []model.Shot{{Text: "a red ring"}, shot(1), {Text: "two stars"}}})
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Tokenizer.Decode(words.IDs, false); got != "<BOS>Output: a red ring<EOC><image>Output: a card <image> of colours<EOC>Output: two stars<EOC><image>Output:" || len(words.Media) != 2 {
		t.Errorf("examples of words: %q with %d pictures", got, len(words.Media))
	}
	if _, err := m.Expand("caption", []model.Shot{{Media: model.Picture(card)}}, shot(1), ""); err == nil || !strings.Contains(err.Error(), "shot 1 has no text") {
		t.Errorf("a shot without text: %v", err)
	}
}
