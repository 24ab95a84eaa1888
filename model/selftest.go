package model

import (
	"context"
	"encoding/json"
	"fmt"
	"math"

	"flamingo/tensor"
)

// A SelfTest is a prompt about the test card and the largest logits after it. It finds drivers
// that compute wrong numbers without saying so.
type SelfTest struct {
	Prompt []int32   `json:"prompt"`
	IDs    []int32   `json:"ids"`
	Logits []float32 `json:"logits"`
}

// TestCard is a small picture of known content.
func TestCard() Image {
	const w, h = 64, 48
	pixels := make([]byte, 0, 4*w*h)
	for y := range h {
		for x := range w {
			pixels = append(pixels, byte(255*x/(w-1)), byte(255*y/(h-1)), byte(8*(x^y)), 255)
		}
	}
	return Image{w, h, tensor.GoBytes(pixels)}
}

// selfTestLogits is how many of the largest logits a self-test keeps.
const selfTestLogits = 8

// NewSelfTest runs the test card on this device, which should be the CPU.
func (m *Flamingo) NewSelfTest(ctx context.Context) (SelfTest, error) {
	var t SelfTest
	var err error
	if t.Prompt, err = m.testPrompt(); err != nil {
		return t, err
	}
	logits, err := m.testCardLogits(ctx, t.Prompt)
	if err != nil {
		return t, err
	}
	taken := map[int]bool{}
	for range min(selfTestLogits, len(logits)) {
		best := -1
		for i, l := range logits {
			if !taken[i] && (best < 0 || l > logits[best]) {
				best = i
			}
		}
		taken[best] = true
		t.IDs, t.Logits = append(t.IDs, int32(best)), append(t.Logits, logits[best])
	}
	return t, nil
}

// CheckSelfTest runs a manifest's self-test on this device.
func (m *Flamingo) CheckSelfTest(ctx context.Context, data []byte) error {
	var t SelfTest
	if err := json.Unmarshal(data, &t); err != nil || len(t.IDs) != len(t.Logits) {
		return fmt.Errorf("%w: selftest: want as many ids as logits: %v", ErrConfig, err)
	}
	got, err := m.testCardLogits(ctx, t.Prompt)
	if err != nil {
		return err
	}
	for i, id := range t.IDs {
		if id < 0 || int(id) >= len(got) {
			return fmt.Errorf("%w: selftest: id %d, the vocabulary has %d", ErrConfig, id, len(got))
		}
		bound := 0.02 + 0.02*math.Abs(float64(t.Logits[i]))
		if d := math.Abs(float64(got[id] - t.Logits[i])); !(d <= bound) {
			return fmt.Errorf("model: %s computes wrong numbers: logit %d of the self-test is %g, want %g; update the graphics driver or choose the CPU",
				m.dev.Info().Description, id, got[id], t.Logits[i])
		}
	}
	return nil
}

func (m *Flamingo) testCardLogits(ctx context.Context, ids []int32) ([]float32, error) {
	p := Prompt{IDs: ids}
	for _, id := range ids {
		if id == m.Config.Tokens.Image {
			p.Media = append(p.Media, Picture(TestCard()))
		}
	}
	s, err := m.NewSession(ctx, Room{Tokens: len(ids) + 1, Images: len(p.Media)})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	logits, err := s.Logits(ctx, p)
	if err != nil {
		return nil, err
	}
	return logits.F32(), nil
}

// testPrompt is the model's caption prompt, or <image> alone for a model without a tokenizer.
func (m *Flamingo) testPrompt() ([]int32, error) {
	if m.Tokenizer == nil {
		return []int32{m.Config.Tokens.Image}, nil
	}
	p, err := m.Expand("caption", nil, Shot{}, "")
	return p.IDs, err
}

// TestCardLogits are the logits [V] behind testPrompt, of the test card.
func (m *Flamingo) TestCardLogits(ctx context.Context) ([]float32, error) {
	ids, err := m.testPrompt()
	if err != nil {
		return nil, err
	}
	return m.testCardLogits(ctx, ids)
}
