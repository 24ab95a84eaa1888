package model

import (
	"context"
	"fmt"
	"iter"
	"math"
	"strings"
	"time"

	"flamingo/gpu"
	"flamingo/tensor"
	"flamingo/tokenizer"
)

// A Token is one generated token. Text is what it adds to the text so far; bytes of an unfinished
// character, and what may yet become a stop text, are held back until they are decided.
type Token struct {
	ID      int32
	Text    string
	LogProb float64 // of the token among all, in nats; only with Options.LogProbs
}

// Generate runs the prompt and yields tokens until the model ends its chunk, a stop text appears, the
// limit is reached or ctx ends. Afterwards Stopped tells the first two from the others.
func (s *Session) Generate(ctx context.Context, p Prompt, o Options) iter.Seq2[Token, error] {
	return func(yield func(Token, error) bool) {
		if err := s.generate(ctx, p, o, func(t Token) bool { return yield(t, nil) }); err != nil {
			yield(Token{}, err)
		}
	}
}

func (s *Session) generate(ctx context.Context, p Prompt, o Options, yield func(Token) bool) error {
	if err := o.check(s.m.Config.LM.Vocab); err != nil {
		return err
	}
	if o.MaxTokens == 0 {
		o.MaxTokens = defaultMaxTokens
	}
	s.stopped = false
	if room := s.room.Tokens; len(p.IDs) < 1 || len(p.IDs) >= room {
		return fmt.Errorf("%w: the prompt has %d tokens, want 1 to %d", ErrOption, len(p.IDs), room-1)
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if err := s.forbid(o.Banned, false); err != nil {
		return err
	}
	f, err := s.attend(ctx, p)
	if err != nil {
		return err
	}
	steps := s.greedy
	if o.onHost() {
		steps = s.sampled
	}
	w := s.m.newWriter(o.Stop, yield)
	left := min(o.MaxTokens, s.room.Tokens-len(s.history))
	if err := steps(ctx, f, o, left, w.take); err != nil {
		return err
	}
	s.stopped = w.stopped
	w.flush()
	return nil
}

// A writer turns token ids into text, and knows when to stop.
type writer struct {
	m       *Flamingo
	stops   []string
	yield   func(Token) bool
	text    *tokenizer.Decoder // nil without a tokenizer
	held    []Token            // their text may be the beginning of a stop text
	stopped bool               // by a stop token or a stop text
}

func (m *Flamingo) newWriter(stops []string, yield func(Token) bool) *writer {
	w := &writer{m: m, stops: stops, yield: yield}
	if m.Tokenizer != nil {
		w.text = m.Tokenizer.NewDecoder()
	}
	return w
}

// take gets the next token and reports whether there shall be more.
func (w *writer) take(id int32, logProb float64) (more bool, err error) {
	if id < 0 {
		return false, fmt.Errorf("model: the logits are not finite: the weights or the device are faulty")
	}
	if w.m.ends(id) {
		w.stopped = true
		return false, nil
	}
	t := Token{ID: id, LogProb: logProb}
	if w.text != nil {
		t.Text = w.text.Next(id)
	}
	if len(w.stops) == 0 {
		return w.yield(t), nil
	}
	w.held = append(w.held, t)
	all := ""
	for _, h := range w.held {
		all += h.Text
	}
	if at := stopIn(all, w.stops); at >= 0 {
		w.stopped = true
		w.cut(at)
		return false, nil
	}
	return w.release(len(all) - pending(all, w.stops)), nil
}

// release yields held tokens whose text ends within the first n bytes.
func (w *writer) release(n int) bool {
	for len(w.held) > 0 && len(w.held[0].Text) <= n {
		t := w.held[0]
		n -= len(t.Text)
		if w.held = w.held[1:]; !w.yield(t) {
			return false
		}
	}
	return true
}

// cut yields what stands before a stop text, and drops the rest.
func (w *writer) cut(n int) {
	for _, t := range w.held {
		if n <= 0 {
			break
		}
		t.Text = t.Text[:min(n, len(t.Text))]
		n -= len(t.Text)
		if !w.yield(t) {
			break
		}
	}
	w.held = nil
}

// flush yields what was held back for a stop text that did not come.
func (w *writer) flush() {
	for _, t := range w.held {
		if !w.yield(t) {
			break
		}
	}
	w.held = nil
}

// stopIn is where the first of some texts begins, or -1.
func stopIn(text string, stops []string) int {
	first := -1
	for _, s := range stops {
		if at := strings.Index(text, s); at >= 0 && (first < 0 || at < first) {
			first = at
		}
	}
	return first
}

// pending is the length of the longest end of text that may be the beginning of one of some texts.
func pending(text string, stops []string) int {
	longest := 0
	for _, s := range stops {
		for n := min(len(s)-1, len(text)); n > longest; n-- {
			if strings.HasSuffix(text, s[:n]) {
				longest = n
			}
		}
	}
	return longest
}

// greedy decodes with the argmax on the device. While one batch of steps is being read the next is
// already under way; what a stop token makes superfluous is dropped.
func (s *Session) greedy(ctx context.Context, _ *forward, _ Options, left int, take func(int32, float64) (bool, error)) error {
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
	last := int32(-1)
	for {
		next = batch{}
		if n := min(size, left-submitted); n > 0 {
			if err := s.decode.plan.Submit(n); err != nil {
				return err
			}
			s.step, submitted = s.step+n, submitted+n
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
			id := ids[(current.first+i)%ringLen]
			s.remember(&last, id)
			if more, err := take(id, 0); err != nil || !more {
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

// remember takes down that last, the token before id, is in the cache, since id was computed from it.
func (s *Session) remember(last *int32, id int32) {
	if *last >= 0 {
		s.history = append(s.history, place{*last, s.history[len(s.history)-1].phi})
	}
	*last = id
}

// batchSize is how many steps to submit at once so that text still appears at least sixty times a
// second.
func batchSize(took time.Duration, steps int) int {
	return min(max(int(16*time.Millisecond*time.Duration(steps)/max(took, time.Millisecond)), 1), 8)
}

// sampled reads the logits of each step and chooses on the host.
func (s *Session) sampled(ctx context.Context, f *forward, o Options, left int, take func(int32, float64) (bool, error)) error {
	draw := newSampler(o)
	for _, h := range s.history {
		draw.saw(h.id)
	}
	last := int32(-1)
	for n := 0; ; n++ {
		logits, err := f.logits.Read(ctx, s.m.dev)
		if err != nil {
			return err
		}
		id, logProb, err := draw.draw(logits.F32(), s.m.biasAt(o, n))
		if err != nil {
			return err
		}
		s.remember(&last, id)
		if more, err := take(id, logProb); err != nil || !more {
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
		s.step++
		draw.saw(id)
		f = s.decode
	}
}

// logSumExp is log Σ exp, of f32 values, in f64.
func logSumExp(v []float32) float64 {
	top, sum := math.Inf(-1), 0.0
	for _, x := range v {
		top = max(top, float64(x))
	}
	for _, x := range v {
		sum += math.Exp(float64(x) - top)
	}
	return top + math.Log(sum)
}
