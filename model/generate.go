package model

import (
	"context"
	"fmt"
	"iter"
	"time"

	"flamingo/gpu"
	"flamingo/tensor"
	"flamingo/tokenizer"
)

// A Token is one generated token. Text is what it adds to the text so far; bytes of an unfinished
// character are held back until it is whole.
type Token struct {
	ID   int32
	Text string
}

// Generate runs the prompt and yields tokens until the model ends its chunk, the limit is reached
// or ctx ends. Afterwards Stopped tells the first from the second.
func (s *Session) Generate(ctx context.Context, prompt []int32, o Options) iter.Seq2[Token, error] {
	return func(yield func(Token, error) bool) {
		if err := s.generate(ctx, prompt, o, func(t Token) bool { return yield(t, nil) }); err != nil {
			yield(Token{}, err)
		}
	}
}

func (s *Session) generate(ctx context.Context, prompt []int32, o Options, yield func(Token) bool) error {
	if err := o.check(); err != nil {
		return err
	}
	if o.MaxTokens == 0 {
		o.MaxTokens = defaultMaxTokens
	}
	s.stopped = false
	room := s.capacity - s.pos
	if len(prompt) < 1 || len(prompt) >= room {
		return fmt.Errorf("%w: the prompt has %d tokens, want 1 to %d", ErrOption, len(prompt), room-1)
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	f, err := s.feed(ctx, prompt)
	if err != nil {
		return err
	}
	steps := s.greedy
	if o.Temperature > 0 {
		steps = s.sampled
	}
	var text *tokenizer.Decoder
	if s.m.Tokenizer != nil {
		text = s.m.Tokenizer.NewDecoder()
	}
	left := min(o.MaxTokens, room-len(prompt))
	return steps(ctx, f, o, left, func(id int32) (bool, error) {
		if id < 0 {
			return false, fmt.Errorf("model: the logits are not finite: the weights or the device are faulty")
		}
		if id == s.m.Config.Tokens.EndOfChunk || id == s.m.Config.Tokens.EOS {
			s.stopped = true
			return false, nil
		}
		t := Token{ID: id}
		if text != nil {
			t.Text = text.Next(id)
		}
		return yield(t), nil
	})
}

// greedy decodes with the argmax on the device. While one batch of steps is being read the next is
// already under way; what a stop token makes superfluous is dropped.
func (s *Session) greedy(ctx context.Context, _ *forward, _ Options, left int, emit func(int32) (bool, error)) error {
	type batch struct {
		fetch       gpu.Fetch
		first, size int
	}
	submitted := 1
	fetch := func(n int) (batch, error) {
		f, err := s.ring.Fetch(s.m.dev)
		return batch{f, s.step - n, n}, err
	}
	current, err := fetch(1)
	if err != nil {
		return err
	}
	size := 1
	var next batch
	// What is under way is waited out, so that nothing dangles when the caller stops early.
	defer func() {
		if next.fetch != nil {
			next.fetch.Wait(context.WithoutCancel(ctx), make([]byte, 4*ringLen))
		}
	}()
	for {
		next = batch{}
		if n := min(size, left-submitted); n > 0 {
			if err := s.decode.plan.Submit(n); err != nil {
				return err
			}
			s.pos, s.step, submitted = s.pos+n, s.step+n, submitted+n
			if next, err = fetch(n); err != nil {
				return err
			}
		}
		began := time.Now()
		ring := tensor.New(tensor.I32, ringLen)
		if err := current.fetch.Wait(context.WithoutCancel(ctx), ring.Data); err != nil {
			return err
		}
		ids := ring.I32()
		for i := range current.size {
			if more, err := emit(ids[(current.first+i)%ringLen]); err != nil || !more {
				return err
			}
		}
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if next.fetch == nil {
			return nil
		}
		size = batchSize(time.Since(began), current.size)
		current = next
	}
}

// batchSize is how many steps to submit at once so that text still appears at least sixty times a
// second.
func batchSize(took time.Duration, steps int) int {
	return min(max(int(16*time.Millisecond*time.Duration(steps)/max(took, time.Millisecond)), 1), 8)
}

// sampled reads the logits of each step and draws from them.
func (s *Session) sampled(ctx context.Context, f *forward, o Options, left int, emit func(int32) (bool, error)) error {
	draw, ban := newSampler(o), s.m.banned()
	for {
		logits, err := f.logits.Read(ctx, s.m.dev)
		if err != nil {
			return err
		}
		id, err := draw.draw(logits.F32(), ban)
		if err != nil {
			return err
		}
		if more, err := emit(id); err != nil || !more {
			return err
		}
		if left--; left == 0 {
			return nil
		}
		if err := writeInts(s.m.dev, s.token, []int32{id}); err != nil {
			return err
		}
		if err := s.decode.plan.Submit(1); err != nil {
			return err
		}
		s.pos, s.step = s.pos+1, s.step+1
		f = s.decode
	}
}
