package model

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// CaptionOptions are the choices of one caption.
type CaptionOptions struct {
	Options
	Prompt string // words that the caption begins with; they are not repeated in its text
	// IDs, when not nil, are the whole prompt in place of words. The <image> token, whose id is
	// Config.Tokens.Image, stands in it once. Without words and IDs a model that has no tokenizer
	// is prompted by that token alone.
	IDs []int32
}

// A Caption is what a model says about a picture.
type Caption struct {
	Text   string  // "" from a model without a tokenizer
	IDs    []int32 // the tokens of the text
	Finish Finish
	Stats  Stats
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

// A Captioner describes pictures one after another. It keeps a session, so that from the second
// picture on nothing is recorded or allocated.
type Captioner struct {
	m       *Flamingo
	session *Session
}

// NewCaptioner returns a captioner; the session is made by its first picture.
func (m *Flamingo) NewCaptioner() *Captioner { return &Captioner{m: m} }

// Close frees the session.
func (c *Captioner) Close() {
	if c.session != nil {
		c.session.Close()
		c.session = nil
	}
}

// Caption describes a picture. piece, when not nil, is called with each token as it is there; the
// texts it gets add up to the caption's.
func (c *Captioner) Caption(ctx context.Context, img Image, o CaptionOptions, piece func(Token)) (Caption, error) {
	if err := o.check(); err != nil {
		return Caption{}, err
	}
	if err := img.check(); err != nil {
		return Caption{}, err
	}
	prompt, err := c.m.promptOf(o)
	if err != nil {
		return Caption{}, err
	}
	if o.MaxTokens == 0 {
		o.MaxTokens = defaultMaxTokens
	}
	s, err := c.reserve(ctx, len(prompt), o.MaxTokens)
	if err != nil {
		return Caption{}, err
	}
	began := time.Now()
	if err := s.AddImage(ctx, img); err != nil {
		return Caption{}, err
	}
	if err := s.Wait(ctx); err != nil {
		return Caption{}, err
	}
	out := Caption{Finish: FinishLength, Stats: Stats{Vision: time.Since(began)}}
	began = time.Now()
	var text strings.Builder
	for t, err := range s.Generate(ctx, prompt, o.Options) {
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
		out.IDs = append(out.IDs, t.ID)
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

// defaultMaxTokens bounds a caption when the caller does not.
const defaultMaxTokens = 64

// reserve returns an empty session with room for a prompt and its continuation.
func (c *Captioner) reserve(ctx context.Context, prompt, tokens int) (*Session, error) {
	most := c.m.Config.LM.MaxPositions
	if prompt+1 > most {
		return nil, fmt.Errorf("%w: the prompt has %d tokens, the model takes %d in all", ErrOption, prompt, most)
	}
	need := min((prompt+tokens+64)&^63, most)
	if c.session != nil && c.session.Capacity() >= need {
		return c.session, c.session.Reset()
	}
	c.Close()
	s, err := c.m.NewSession(ctx, need, 1)
	c.session = s
	return s, err
}
