package convert

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"flamingo/model"
	"flamingo/tensor"
)

// TestBatch writes many texts at once: each is the one that is written alone, and no picture is
// encoded twice.
func TestBatch(t *testing.T) {
	m := openNano(t, tensor.F32)
	card := model.TestCard()
	// Cards with stripes, so that their captions differ.
	picture := func(n int) model.Media {
		pixels := slices.Clone(card.Pixels.(tensor.GoBytes))
		for i := range pixels {
			if n > 0 && i/4/card.Width%(4*n) < 2*n && i%4 < 3 {
				pixels[i] = byte(60 * n)
			}
		}
		return model.Picture(model.Image{Width: card.Width, Height: card.Height, Pixels: pixels})
	}
	shots := []model.Shot{{Media: picture(5), Text: "a red ring"}, {Media: picture(6), Text: "two blue stars"}}
	var plain, few, mixed []model.Prompt
	for i := range 5 {
		plain = append(plain, ask(t, m, picture(i), model.CaptionOptions{}))
		few = append(few, ask(t, m, picture(i), model.CaptionOptions{Shots: shots}))
		mixed = append(mixed, ask(t, m, picture(i%2), model.CaptionOptions{Prompt: []string{"", " a", " a large green", " two", " a"}[i], Shots: shots[:i%3]}))
	}
	unnamed := slices.Clone(plain)
	for i := range unnamed {
		unnamed[i].Media = []model.Media{{Frames: plain[i].Media[0].Frames, Count: 1}}
	}
	cases := []struct {
		name    string
		prompts []model.Prompt
		o       model.Options
		encoded int
	}{
		{"mixed", mixed, model.Options{LogProbs: true}, 4},
		{"few shots", few, model.Options{MaxTokens: 9}, 7},
		{"one", plain[:1], model.Options{}, 1},
		{"plain", plain, model.Options{}, 5},
		{"sampled", plain, model.Options{Temperature: 1.5, TopK: 40, Seed: 7, Repetition: 1.2, MinTokens: 4, MaxTokens: 12}, 5},
		{"stopped", few, model.Options{Stop: []string{" "}, Banned: []int32{9}}, 7},
		{"without keys", unnamed, model.Options{}, 5},
		{"the same", slices.Repeat(plain[:1], 9), model.Options{MaxTokens: 3}, 1},
	}
	if inBrowser {
		cases = cases[:2]
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			all, alone := m.NewCaptioner(), m.NewCaptioner()
			defer all.Close()
			defer alone.Close()
			if _, err := m.Encode(t.Context(), picture(7)); err != nil { // the last one is remembered by all
				t.Fatal(err)
			}
			before := m.Encoded()
			got := batch(t, all, c.prompts, c.o)
			if n := m.Encoded() - before; n != c.encoded {
				t.Errorf("%d pictures were encoded, want %d", n, c.encoded)
			}
			again := batch(t, all, c.prompts, c.o) // over what the session remembers
			for i, p := range c.prompts {
				want, err := alone.Continue(t.Context(), p, c.o, nil)
				if err != nil {
					t.Fatal(err)
				}
				for _, x := range []model.Caption{got[i], again[i]} {
					if !slices.Equal(x.IDs, want.IDs) || x.Text != want.Text || x.Finish != want.Finish {
						t.Errorf("prompt %d: %q %v %s, alone %q %v %s", i, x.Text, x.IDs, x.Finish, want.Text, want.IDs, want.Finish)
					}
					for n, l := range want.LogProbs {
						if math.Abs(x.LogProbs[n]-l) > 1e-4*tolerance() {
							t.Errorf("prompt %d: token %d has log-probability %g, alone %g", i, n, x.LogProbs[n], l)
						}
					}
				}
			}
		})
	}
	t.Run("refused", func(t *testing.T) {
		c := m.NewCaptioner()
		defer c.Close()
		twisted := model.Prompt{IDs: plain[0].IDs}
		for i, p := range [][]model.Prompt{{plain[0], twisted}, {{}}, slices.Repeat(plain[:1], model.MaxBatch+1)} {
			if err := c.Batch(t.Context(), p, model.Options{}, nil); !errors.Is(err, model.ErrOption) {
				t.Errorf("case %d: %v, want %v", i, err, model.ErrOption)
			}
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		said := fmt.Errorf("enough")
		if err := c.Batch(ctx, plain, model.Options{}, func(int, model.Caption) { cancel(said) }); !errors.Is(err, said) {
			t.Errorf("cancelled after the first text: %v, want %v", err, said)
		}
		if err := c.Batch(t.Context(), plain, model.Options{}, nil); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}

func ask(t *testing.T, m *model.Flamingo, x model.Media, o model.CaptionOptions) model.Prompt {
	t.Helper()
	p, err := m.PromptOf(x, o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func batch(t *testing.T, c *model.Captioner, prompts []model.Prompt, o model.Options) []model.Caption {
	t.Helper()
	out := make([]model.Caption, len(prompts))
	err := c.Batch(t.Context(), prompts, o, func(i int, x model.Caption) {
		if out[i].Finish != "" {
			t.Errorf("prompt %d is done twice", i)
		}
		out[i] = x
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
