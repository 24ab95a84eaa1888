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

// MaxBatch is how many prompts run at once at most.
const MaxBatch = 64

// Batch writes what follows each of some prompts, all in one pass a token: what the prompts begin with
// in common, pictures included, is computed once and shared, and the weights are read once for all.
// Each text is the one that Continue writes. Where the device has no room for all of them at once they
// run in smaller groups. done, when not nil, is called with each text as it is complete; times are those
// of the text's group.
func (c *Captioner) Batch(ctx context.Context, prompts []Prompt, o Options, done func(i int, out Caption)) error {
	o.MaxTokens = cmp.Or(o.MaxTokens, defaultMaxTokens)
	if err := o.check(c.m.Config.LM.Vocab); err != nil {
		return err
	}
	if len(prompts) > MaxBatch {
		return fmt.Errorf("%w: a batch of %d prompts, want at most %d", ErrOption, len(prompts), MaxBatch)
	}
	for i, p := range prompts {
		if err := c.m.checkPrompt(p); err != nil {
			return fmt.Errorf("prompt %d of the batch: %w", i+1, err)
		}
		if len(p.IDs) == 0 {
			return fmt.Errorf("%w: prompt %d of the batch has no tokens", ErrOption, i+1)
		}
	}
	for from, size := 0, len(prompts); from < len(prompts); {
		group := prompts[from:min(from+size, len(prompts))]
		written, err := c.batch(ctx, group, o, func(i int, out Caption) {
			if done != nil {
				done(from+i, out)
			}
		})
		if small := errors.Is(err, gpu.ErrOutOfMemory) || errors.Is(err, gpu.ErrLimits); small && size > 1 && !written {
			c.Close()
			size = (size + 1) / 2
			continue
		}
		if err != nil {
			return err
		}
		from += len(group)
	}
	return nil
}

// batch runs prompts at once. written tells that some text was complete.
func (c *Captioner) batch(ctx context.Context, prompts []Prompt, o Options, done func(int, Caption)) (written bool, err error) {
	shared, all := c.m.commonStart(prompts), Prompt{}
	longest := 0
	for i, p := range prompts {
		if longest = max(longest, len(p.IDs)); len(p.IDs)+1 > c.m.Config.LM.MaxPositions {
			return false, fmt.Errorf("%w: prompt %d of the batch has %d tokens, the model takes %d in all", ErrOption, i+1, len(p.IDs), c.m.Config.LM.MaxPositions)
		}
		all.Media = append(all.Media, p.Media...)
	}
	s, err := c.reserve(ctx, Prompt{IDs: make([]int32, longest), Media: all.Media}, o.MaxTokens, len(prompts)*(longest-shared+o.MaxTokens))
	if err != nil {
		return false, err
	}
	began := time.Now()
	slots, err := s.show(ctx, s.named(all).Media)
	if err != nil {
		return false, err
	}
	if err := s.Wait(ctx); err != nil {
		return false, err
	}
	b := batch{Session: s, o: o, done: func(i int, out Caption) {
		written = true
		done(i, out)
	}}
	b.stats.Vision, b.began = time.Since(began), time.Now()
	if err := s.forbid(o.Banned, false); err != nil {
		return false, err
	}
	row := int32(s.room.Tokens)
	for i, p := range prompts {
		list := s.places(p.IDs, slots[:len(p.Media)])
		slots = slots[len(p.Media):]
		if i == 0 {
			if rest := list[s.keep(list[:shared]):shared]; len(rest) > 0 {
				if _, err := s.feed(ctx, rest); err != nil {
					return false, err
				}
			}
		}
		b.add(i, p.IDs, list[shared:], row)
		row += int32(longest - shared + o.MaxTokens)
	}
	if err := b.prefill(ctx); err != nil {
		return written, err
	}
	for len(b.lines) > 0 {
		if err := b.step(ctx); err != nil {
			return written, err
		}
	}
	return written, nil
}

// commonStart is how many tokens all prompts begin with in common, pictures included. Each keeps one
// token of its own.
func (m *Flamingo) commonStart(prompts []Prompt) int {
	var first []string
	common := len(prompts[0].IDs) - 1
	for i, p := range prompts {
		keys, next := make([]string, 0, len(p.IDs)), 0
		for _, id := range p.IDs {
			key := fmt.Sprint(id)
			if id == m.Config.Tokens.Image {
				if key = p.Media[next].Key; key == "" {
					key = fmt.Sprintf("picture %d of prompt %d", next, i)
				}
				next++
			}
			keys = append(keys, key)
		}
		if i == 0 {
			first = keys
			continue
		}
		n := 0
		for n < min(common, len(keys)-1) && keys[n] == first[n] {
			n++
		}
		common = n
	}
	return common
}

// A batch is some prompts whose answers are under way.
type batch struct {
	*Session
	o       Options
	lines   []*line
	written int // tokens of every line
	done    func(int, Caption)
	began   time.Time
	stats   Stats
}

// A line is one of a batch's answers.
type line struct {
	at     int // of the prompt
	tokens []place
	rows   []int32 // of those tokens that are in the cache
	first  int32   // its rows of the cache begin here
	left   int
	text   strings.Builder
	out    Caption
	writer *writer
	draw   *sampler
}

// add begins an answer to prompt i, whose tokens are ids, those behind the shared ones own.
func (b *batch) add(i int, ids []int32, own []place, row int32) {
	x := &line{at: i, tokens: slices.Clone(own), first: row, left: min(b.o.MaxTokens, b.room.Tokens-len(ids)), draw: newSampler(b.o)}
	for _, id := range ids {
		x.draw.saw(id)
	}
	x.writer = b.m.newWriter(b.o.Stop, func(t Token) bool {
		if x.text.Len() == 0 {
			t.Text = strings.TrimLeft(t.Text, " \n")
		}
		x.text.WriteString(t.Text)
		x.out.IDs = append(x.out.IDs, t.ID)
		if b.o.LogProbs {
			x.out.LogProbs = append(x.out.LogProbs, t.LogProb)
		}
		return true
	})
	b.lines = append(b.lines, x)
}

// run puts the next token of a line, which is in tokens, into the cache.
func (x *line) run() lane {
	t := x.tokens[len(x.rows)]
	x.rows = append(x.rows, x.first+int32(len(x.rows)))
	return lane{id: t.id, phi: t.phi, rows: x.rows[:len(x.rows):len(x.rows)]}
}

// stride is the longest continuation of all lines.
func (b *batch) stride() int {
	n := 0
	for _, x := range b.lines {
		n = max(n, len(x.rows)+1, len(x.tokens))
	}
	return n
}

// prefill runs what is each prompt's own, but for its last token.
func (b *batch) prefill(ctx context.Context) error {
	var list []lane
	flush := func() error {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		l, err := b.lanesOf(ctx, laneSize{tokens: laneCount(len(list)), stride: b.stride(), want: wantCache})
		if err != nil {
			return err
		}
		err = l.submit(b.Session, list)
		list = nil
		return err
	}
	for _, x := range b.lines {
		for len(x.rows) < len(x.tokens)-1 {
			if list = append(list, x.run()); len(list) == longest {
				if err := flush(); err != nil {
					return err
				}
			}
		}
	}
	if len(list) == 0 {
		return nil
	}
	return flush()
}

// laneCount is the number of lanes of the pass that runs n: few sizes are recorded.
func laneCount(n int) int {
	size := 1
	for size < n {
		size *= 2
	}
	return size
}

// step writes a token of every line, and lets go of those that end with it.
func (b *batch) step(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	size := laneSize{tokens: laneCount(len(b.lines)), stride: b.stride(), want: wantTop, top: 1}
	if b.o.onHost() {
		size.want, size.top = wantLogits, 0
	}
	l, err := b.lanesOf(ctx, size)
	if err != nil {
		return err
	}
	list := make([]lane, len(b.lines))
	for i, x := range b.lines {
		list[i] = x.run()
	}
	if err := l.submit(b.Session, list); err != nil {
		return err
	}
	chosen, err := b.choose(ctx, l)
	if err != nil {
		return err
	}
	if b.stats.Prefill == 0 {
		b.stats.Prefill, b.began = time.Since(b.began), time.Now()
	}
	b.written++
	b.lines = slices.DeleteFunc(b.lines, func(x *line) bool {
		t := chosen[0]
		chosen = chosen[1:]
		more, wrong := x.writer.take(t.ID, t.LogProb)
		if err = cmp.Or(err, wrong); err != nil {
			return false
		}
		x.left--
		if more && x.left > 0 {
			x.tokens = append(x.tokens, place{t.ID, x.tokens[len(x.tokens)-1].phi})
			x.draw.saw(t.ID)
			return false
		}
		b.finish(x)
		return true
	})
	return err
}

// choose gives each line its next token.
func (b *batch) choose(ctx context.Context, l *lanes) ([]Token, error) {
	list := make([]Token, len(b.lines))
	if l.want == wantTop {
		ids, err := l.topIDs.Read(ctx, b.m.dev)
		if err != nil {
			return nil, err
		}
		sums, err := l.sums.Read(ctx, b.m.dev)
		if err != nil {
			return nil, err
		}
		for i := range list {
			list[i].ID = ids.I32()[i]
		}
		return list, finite(sums.F32()[:len(list)])
	}
	logits, err := l.logits.Read(ctx, b.m.dev)
	if err != nil {
		return nil, err
	}
	vocab := b.m.Config.LM.Vocab
	bias := b.m.biasAt(b.o, b.written)
	for i, x := range b.lines {
		if list[i].ID, list[i].LogProb, err = x.draw.draw(logits.F32()[i*vocab:][:vocab], bias); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// finish tells of a complete text.
func (b *batch) finish(x *line) {
	x.writer.flush()
	x.out.Text, x.out.Finish, x.out.Stats = x.text.String(), FinishLength, b.stats
	if x.writer.stopped {
		x.out.Finish = FinishStop
	}
	x.out.Stats.Decode, x.out.Stats.Tokens = time.Since(b.began), len(x.out.IDs)
	b.done(x.at, x.out)
}
