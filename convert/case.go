package convert

import (
	"context"
	"fmt"

	"flamingo/model"
	"flamingo/tensor"
)

// A Case is an input whose every stage is to be seen: pictures that are preprocessed already, and
// token ids.
type Case struct {
	Images tensor.Tensor // f32 [T, 3, H, W]
	IDs    []int32
}

// Stages are what a model computes of a case.
type Stages struct {
	VisionTokens tensor.Tensor // f32 [T, V, C]: the vision encoder's features
	VisualTokens tensor.Tensor // f32 [T, R, D]: the resampler's
	Logits       tensor.Tensor // f32 [L, V], of every position
	Greedy       []int32       // the likeliest continuation, the token that ends the chunk included
}

// greedyTokens is how long the continuation of a case is.
const greedyTokens = 12

// Run computes a case.
func (c Case) Run(ctx context.Context, m *model.Flamingo) (Stages, error) {
	var out Stages
	size := m.Config.Preprocess.Size
	if s := c.Images.Shape; len(s) != 4 || s[1] != 3 || s[2] != size || s[3] != size {
		return out, fmt.Errorf("%w: image is %v, want [T,3,%d,%d]", model.ErrOption, s, size, size)
	}
	count := c.Images.Shape[0]
	p := model.Prompt{IDs: c.IDs}
	var vision, visual []float32
	pixels := c.Images.F32()
	for i := range count {
		each := 3 * size * size
		x := model.Preprocessed(tensor.FromF32(pixels[i*each:(i+1)*each], 3, size, size))
		p.Media = append(p.Media, x)
		tokens, err := m.Encode(ctx, x)
		if err != nil {
			return out, err
		}
		v, err := tokens.Read(ctx, m.Device())
		if err != nil {
			return out, err
		}
		f, err := m.Features().Read(ctx, m.Device())
		if err != nil {
			return out, err
		}
		vision, visual = append(vision, f.F32()...), append(visual, v.F32()...)
		out.VisionTokens.Shape = append(tensor.Shape{count}, f.Shape...)
		out.VisualTokens.Shape = append(tensor.Shape{count}, v.Shape...)
	}
	s, err := m.NewSession(ctx, model.Room{Tokens: min(len(c.IDs)+greedyTokens, m.Config.LM.MaxPositions), Images: count})
	if err != nil {
		return out, err
	}
	defer s.Close()
	out.VisionTokens = tensor.FromF32(vision, out.VisionTokens.Shape...)
	out.VisualTokens = tensor.FromF32(visual, out.VisualTokens.Shape...)
	if out.Logits, err = s.AllLogits(ctx, p); err != nil {
		return out, err
	}
	for t, err := range s.Generate(ctx, p, model.Options{MaxTokens: greedyTokens}) {
		if err != nil {
			return out, err
		}
		out.Greedy = append(out.Greedy, t.ID)
	}
	if end := m.Config.Tokens.EndOfChunk; s.Stopped() && len(out.Greedy) < greedyTokens {
		out.Greedy = append(out.Greedy, end)
	}
	return out, nil
}
