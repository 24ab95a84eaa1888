package model

import "context"

// TestCardLogits are the logits [V] behind the model's caption prompt, or behind <image> alone for a
// model without a tokenizer, of the test card.
func (m *Flamingo) TestCardLogits(ctx context.Context) ([]float32, error) {
	prompt := []int32{m.Config.Tokens.Image}
	if m.Tokenizer != nil {
		var err error
		if prompt, err = m.Prompt("caption"); err != nil {
			return nil, err
		}
	}
	return m.testCardLogits(ctx, prompt)
}
