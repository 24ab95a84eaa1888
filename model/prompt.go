package model

import (
	"context"
	"encoding/json"
	"fmt"
	"math"

	"flamingo/tensor"
)

// Prompt is the token ids of one of the model's own templates, such as "caption", behind BOS where
// the model has one.
func (m *Flamingo) Prompt(task string) ([]int32, error) {
	template, ok := m.Config.Prompts[task]
	if !ok {
		return nil, fmt.Errorf("%w: the model has no prompt template for %q", ErrOption, task)
	}
	return m.template(template)
}

// PromptText is Prompt for a caption that begins with the caller's words. Special tokens that are
// spelled in text are text.
func (m *Flamingo) PromptText(task, text string) ([]int32, error) {
	ids, err := m.Prompt(task)
	if err != nil || text == "" {
		return ids, err
	}
	return append(ids, m.Tokenizer.Encode(text)...), nil
}

func (m *Flamingo) template(text string) ([]int32, error) {
	if m.Tokenizer == nil {
		return nil, fmt.Errorf("%w: this model has no tokenizer; give the prompt as token ids, such as [%d]", ErrOption, m.Config.Tokens.Image)
	}
	var ids []int32
	if bos := m.Config.Tokens.BOS; bos >= 0 {
		ids = append(ids, bos)
	}
	return append(ids, m.Tokenizer.EncodeTemplate(text)...), nil
}

// promptOf is the whole prompt of a caption.
func (m *Flamingo) promptOf(o CaptionOptions) ([]int32, error) {
	switch image := m.Config.Tokens.Image; {
	case o.IDs != nil && o.Prompt != "":
		return nil, fmt.Errorf("%w: the prompt is given in words and as token ids; give one of them", ErrOption)
	case o.IDs != nil:
		_, images, err := m.refer(o.IDs)
		if err == nil && images != 1 {
			err = fmt.Errorf("%w: the prompt has the <image> token %d times, want once; its id is %d, and it marks the picture's place", ErrOption, images, image)
		}
		return o.IDs, err
	case m.Tokenizer == nil && o.Prompt == "":
		return []int32{image}, nil
	}
	return m.PromptText("caption", o.Prompt)
}

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
	t := SelfTest{Prompt: []int32{m.Config.Tokens.Image}}
	if m.Tokenizer != nil {
		var err error
		if t.Prompt, err = m.Prompt("caption"); err != nil {
			return t, err
		}
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

func (m *Flamingo) testCardLogits(ctx context.Context, prompt []int32) ([]float32, error) {
	images := 0
	for _, id := range prompt {
		if id == m.Config.Tokens.Image {
			images++
		}
	}
	s, err := m.NewSession(ctx, len(prompt)+1, images)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	for range images {
		if err := s.AddImage(ctx, TestCard()); err != nil {
			return nil, err
		}
	}
	logits, err := s.Logits(ctx, prompt)
	if err != nil {
		return nil, err
	}
	return logits.F32(), nil
}
