package convert

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"flamingo/model"
	"flamingo/tensor"
)

// A searchGolden is what OpenFlamingo's search and scoring find behind one of the golden prompts.
type searchGolden struct {
	Beams3  []found   `json:"beams3"`
	Beams5  []found   `json:"beams5_length_penalty1"`
	Choices [][]int32 `json:"choices"`
	Mean    []float64 `json:"mean_logprob"`
	Sum     []float64 `json:"sum_logprob"`
}

type found struct {
	Score  float64
	Tokens []int32
}

// promptOf is a golden's prompt with its pictures.
func promptOf(g golden, name string) model.Prompt {
	images := g.floats(name + ".image")
	p := model.Prompt{IDs: g.ints(name + ".ids")}
	each := images.Shape[1:].Len()
	for i := range images.Shape[0] {
		p.Media = append(p.Media, model.Preprocessed(tensor.FromF32(images.F32()[i*each:(i+1)*each], images.Shape[1:]...)))
	}
	return p
}

// TestSearchGolden compares beam search, its n-best lists, length penalty and scoring with what
// upstream's semantics give, twice in one session, so that the second run finds everything cached.
func TestSearchGolden(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(openFlamingoNano, "expected_search.json"))
	if err != nil {
		t.Fatal(err)
	}
	var cases map[string]searchGolden
	if err := json.Unmarshal(data, &cases); err != nil || len(cases) < 2 {
		t.Fatalf("%d cases: %v", len(cases), err)
	}
	m := openRelease(t, tensor.F32)
	g := openGolden(t, filepath.Join(openFlamingoNano, "expected.safetensors"))
	c := m.NewCaptioner()
	defer c.Close()
	for range 2 {
		for name, want := range cases {
			p := promptOf(g, name)
			for _, x := range []struct {
				what string
				o    model.BeamOptions
				want []found
			}{
				{"3 beams", model.BeamOptions{Beams: 3, N: 3, MaxTokens: 12}, want.Beams3},
				{"5 beams", model.BeamOptions{Beams: 5, N: 5, MaxTokens: 8, LengthPenalty: 1}, want.Beams5},
			} {
				got, err := c.Beam(t.Context(), p, x.o)
				if err != nil {
					t.Fatal(err)
				}
				if len(got) != len(x.want) {
					t.Fatalf("%s: %s: %d texts, want %d", name, x.what, len(got), len(x.want))
				}
				for i, h := range got {
					ids := h.IDs
					if h.Finish == model.FinishStop {
						ids = append(slices.Clone(ids), m.Config.Tokens.EndOfChunk)
					}
					if !slices.Equal(ids, x.want[i].Tokens) || math.Abs(h.Score-x.want[i].Score) > 1e-4*tolerance() {
						t.Errorf("%s: %s: text %d is %v with %g, want %v with %g", name, x.what, i, ids, h.Score, x.want[i].Tokens, x.want[i].Score)
					}
				}
			}
			scores, err := c.Score(t.Context(), p, want.Choices)
			if err != nil {
				t.Fatal(err)
			}
			for i, s := range scores {
				if math.Abs(s.LogProb-want.Sum[i]) > 1e-4*tolerance() || math.Abs(s.Mean()-want.Mean[i]) > 1e-4*tolerance() {
					t.Errorf("%s: choice %d has %g, %g a token, want %g, %g", name, i, s.LogProb, s.Mean(), want.Sum[i], want.Mean[i])
				}
			}
		}
	}
}
