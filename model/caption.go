package model

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"flamingo/gpu"
)

// CaptionOptions are the choices of one caption or answer.
type CaptionOptions struct {
	Options
	Task     string // "caption", the default, "ask" or "classify": which of the model's templates
	Shots    []Shot // examples
	Question string // for "ask"
	Prompt   string // words that the text begins with; they are not repeated in it
	// IDs, when not nil, are the whole prompt in place of words. The <image> token, whose id is
	// Config.Tokens.Image, stands in it once. Without words and IDs a model that has no tokenizer
	// is prompted by that token alone.
	IDs []int32
}

// PromptOf is the whole prompt about media.
func (m *Flamingo) PromptOf(x Media, o CaptionOptions) (Prompt, error) {
	spoken := o.Prompt != "" || o.Question != "" || len(o.Shots) > 0
	switch image := m.Config.Tokens.Image; {
	case o.IDs != nil && spoken:
		return Prompt{}, fmt.Errorf("%w: the prompt is given in words and as token ids; give one of them", ErrOption)
	case o.IDs != nil:
		images, err := m.images(o.IDs)
		if err != nil {
			return Prompt{}, err
		}
		if images != 1 {
			return Prompt{}, fmt.Errorf("%w: the prompt has the <image> token %d times, want once; its id is %d, and it marks the picture's place", ErrOption, images, image)
		}
		return Prompt{o.IDs, []Media{x}}, nil
	case m.Tokenizer == nil && !spoken:
		return Prompt{[]int32{image}, []Media{x}}, nil
	}
	return m.Expand(cmp.Or(o.Task, "caption"), o.Shots, Shot{Media: x, Question: o.Question}, o.Prompt)
}

// A Caption is what a model says about a picture.
type Caption struct {
	Text     string    // "" from a model without a tokenizer
	IDs      []int32   // the tokens of the text
	LogProbs []float64 // of each of them, with Options.LogProbs
	Finish   Finish
	Stats    Stats
}

// Finish is why a generation ended.
type Finish string

const (
	FinishStop   Finish = "stop"   // the model ended its chunk
	FinishLength Finish = "length" // the limit was reached
)

// Stats are the times of one caption. Each ends when its result was there, so the queue's share is
// in it.
type Stats struct {
	Vision  time.Duration // picture → visual tokens → media keys and values
	Prefill time.Duration // prompt → first token
	Decode  time.Duration // the other tokens
	Tokens  int
}

// A Captioner answers prompts one after another. It keeps a session, so that from the second on
// nothing is recorded or allocated, and what prompts have in common is not computed again.
type Captioner struct {
	m       *Flamingo
	session *Session
}

// NewCaptioner returns a captioner; the session is made by its first prompt.
func (m *Flamingo) NewCaptioner() *Captioner { return &Captioner{m: m} }

// Close frees the session.
func (c *Captioner) Close() {
	if c.session != nil {
		c.session.Close()
		c.session = nil
	}
}

// Caption describes a picture or video, or answers a question about it. piece, when not nil, is
// called with each token as it is there; the texts it gets add up to the caption's.
func (c *Captioner) Caption(ctx context.Context, x Media, o CaptionOptions, piece func(Token)) (Caption, error) {
	p, err := c.m.PromptOf(x, o)
	if err != nil {
		return Caption{}, err
	}
	return c.Continue(ctx, p, o.Options, piece)
}

// Continue writes what follows a prompt.
func (c *Captioner) Continue(ctx context.Context, p Prompt, o Options, piece func(Token)) (Caption, error) {
	o.MaxTokens = cmp.Or(o.MaxTokens, defaultMaxTokens)
	if err := o.check(c.m.Config.LM.Vocab); err != nil {
		return Caption{}, err
	}
	s, err := c.reserve(ctx, p, o.MaxTokens, 0)
	if err != nil {
		return Caption{}, err
	}
	out := Caption{Finish: FinishLength}
	began := time.Now()
	p = s.named(p)
	if err := s.look(ctx, p); err != nil {
		return out, err
	}
	out.Stats.Vision, began = time.Since(began), time.Now()
	var text strings.Builder
	for t, err := range s.Generate(ctx, p, o) {
		if err != nil {
			return out, err
		}
		if out.Stats.Tokens++; out.Stats.Tokens == 1 {
			out.Stats.Prefill, began = time.Since(began), time.Now()
		}
		if text.Len() == 0 {
			t.Text = strings.TrimLeft(t.Text, " \n")
		}
		text.WriteString(t.Text)
		if out.IDs = append(out.IDs, t.ID); o.LogProbs {
			out.LogProbs = append(out.LogProbs, t.LogProb)
		}
		if piece != nil {
			piece(t)
		}
	}
	if out.Stats.Tokens == 0 {
		out.Stats.Prefill = time.Since(began)
	} else {
		out.Stats.Decode = time.Since(began)
	}
	if s.Stopped() {
		out.Finish = FinishStop
	}
	out.Text = text.String()
	return out, ctx.Err()
}

// look encodes the media of a prompt that are new and waits for them.
func (s *Session) look(ctx context.Context, p Prompt) error {
	if err := s.m.checkPrompt(p); err != nil {
		return err
	}
	if _, err := s.see(ctx, p); err != nil {
		return err
	}
	return s.Wait(ctx)
}

// named gives media without a key one that no others have, so that they are encoded only once.
func (s *Session) named(p Prompt) Prompt {
	p.Media = slices.Clone(p.Media)
	for i := range p.Media {
		if x := &p.Media[i]; x.Key == "" {
			s.m.unnamed++
			x.Key = fmt.Sprintf("#%d", s.m.unnamed)
		}
	}
	return p
}

// Beam searches for the likeliest texts behind a prompt, best first.
func (c *Captioner) Beam(ctx context.Context, p Prompt, o BeamOptions) ([]Hypothesis, error) {
	if err := o.complete(c.m.Config.LM.Vocab); err != nil {
		return nil, err
	}
	s, err := c.reserve(ctx, p, o.MaxTokens, o.Beams*o.MaxTokens)
	if err != nil {
		return nil, err
	}
	return s.Beam(ctx, p, o)
}

// Score computes how likely each of some texts, as token ids, is behind a prompt.
func (c *Captioner) Score(ctx context.Context, p Prompt, candidates [][]int32) ([]Score, error) {
	longest := 1
	for _, x := range candidates {
		longest = max(longest, len(x))
	}
	s, err := c.reserve(ctx, p, longest, max(longest, scoredAtOnce))
	if err != nil {
		return nil, err
	}
	return s.Score(ctx, p, candidates)
}

// defaultMaxTokens bounds a text when the caller does not.
const defaultMaxTokens = 64

// reserve returns a session with room for a prompt and its continuation. A larger one than is there
// takes over what that remembers, or where there is no room for both begins anew.
func (c *Captioner) reserve(ctx context.Context, p Prompt, tokens, branch int) (*Session, error) {
	most := c.m.Config.LM.MaxPositions
	if len(p.IDs)+1 > most {
		return nil, fmt.Errorf("%w: the prompt has %d tokens, the model takes %d in all", ErrOption, len(p.IDs), most)
	}
	up := func(n, step int) int { return (n + step - 1) / step * step }
	need := Room{Tokens: min(up(len(p.IDs)+tokens, 64), most), Images: len(p.Media), Branch: up(branch, 64)}
	if c.session != nil {
		has := c.session.Room()
		if has.Tokens >= need.Tokens && has.Images >= need.Images && has.Branch >= need.Branch {
			return c.session, nil
		}
		need = Room{max(need.Tokens, has.Tokens), max(need.Images, has.Images), max(need.Branch, has.Branch)}
	}
	if need.Images > 1 {
		need.Images = up(need.Images, 4)
	}
	s, err := c.m.NewSession(ctx, need)
	if old := c.session; old != nil {
		if err == nil {
			if err = s.inherit(ctx, old); err != nil {
				s.Close()
				s = nil
			}
		}
		c.Close()
		if errors.Is(err, gpu.ErrOutOfMemory) || errors.Is(err, gpu.ErrLimits) {
			s, err = c.m.NewSession(ctx, need)
		}
	}
	c.session = s
	return s, err
}
