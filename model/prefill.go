package model

import (
	"context"
	"fmt"
	"slices"

	"flamingo/gpu"
	"flamingo/ops"
	"flamingo/tensor"
)

// A Prompt is token ids, and what stands at their <image> tokens, in order.
type Prompt struct {
	IDs   []int32
	Media []Media
}

// images counts the <image> tokens among ids, all of which must be of the vocabulary.
func (m *Flamingo) images(ids []int32) (n int, err error) {
	for i, id := range ids {
		if id < 0 || int(id) >= m.Config.LM.Vocab {
			return 0, fmt.Errorf("%w: prompt token %d is %d, the vocabulary has %d", ErrOption, i, id, m.Config.LM.Vocab)
		}
		if id == m.Config.Tokens.Image {
			n++
		}
	}
	return n, nil
}

// checkPrompt wants as many <image> tokens as media, all of which the model takes.
func (m *Flamingo) checkPrompt(p Prompt) error {
	images, err := m.images(p.IDs)
	if err != nil {
		return err
	}
	if images != len(p.Media) {
		return fmt.Errorf("%w: the prompt has %d <image> tokens for %d images", ErrOption, images, len(p.Media))
	}
	for i, x := range p.Media {
		if err := m.checkMedia(i, x); err != nil {
			return err
		}
	}
	return nil
}

// attend makes the session's next prompt p: it encodes the media that are new, keeps of the cache
// what the prompt begins with, and runs the rest.
func (s *Session) attend(ctx context.Context, p Prompt) (*forward, error) {
	if err := s.m.checkPrompt(p); err != nil {
		return nil, err
	}
	if len(p.IDs) < 1 || len(p.IDs) > s.room.Tokens {
		return nil, fmt.Errorf("%w: the prompt has %d tokens, want 1 to %d", ErrOption, len(p.IDs), s.room.Tokens)
	}
	want, err := s.see(ctx, p)
	if err != nil {
		return nil, err
	}
	return s.feed(ctx, want[s.keep(want[:len(want)-1]):])
}

// keep forgets all but what the history has in common with some tokens, and tells how many that are.
func (s *Session) keep(want []place) int {
	kept := 0
	for kept < min(len(want), len(s.history)) && s.history[kept] == want[kept] {
		kept++
	}
	if kept < worthKeeping {
		kept = 0
	}
	s.history = s.history[:kept]
	return kept
}

// worthKeeping is how many tokens in common are worth a pass of another length than the whole prompt's.
const worthKeeping = 16

// see gives every media a slot, encoding those that are in none, and says what each token sees.
func (s *Session) see(ctx context.Context, p Prompt) ([]place, error) {
	slots, err := s.show(ctx, p.Media)
	if err != nil {
		return nil, err
	}
	return s.places(p.IDs, slots), nil
}

// show gives media their slots, encoding those that are in none.
func (s *Session) show(ctx context.Context, media []Media) ([]int32, error) {
	if len(media) > s.room.Images {
		return nil, fmt.Errorf("%w: the prompt has %d images, the session has room for %d", ErrOption, len(media), s.room.Images)
	}
	s.now++
	slots := make([]int32, len(media))
	for i, x := range media {
		if at := slices.Index(s.slots, x.Key); x.Key != "" && at >= 0 {
			slots[i], s.clock[at] = int32(at), s.now
		} else {
			slots[i] = -1
		}
	}
	place := func(i int) error {
		x := media[i]
		if at := slices.Index(s.slots, x.Key); slots[i] < 0 && x.Key != "" && at >= 0 {
			slots[i] = int32(at) // the same picture twice in one prompt
		}
		if slots[i] >= 0 {
			return nil
		}
		at := s.evict()
		slots[i] = int32(at)
		return s.fill(ctx, at, x)
	}
	// What the encoder still has is taken before others replace it.
	if held := slices.IndexFunc(media, s.m.encoder.holds); held >= 0 {
		if err := place(held); err != nil {
			return nil, err
		}
	}
	for i := range media {
		if err := place(i); err != nil {
			return nil, err
		}
	}
	return slots, nil
}

// places says what each token of a prompt sees, whose media are in slots.
func (s *Session) places(ids, slots []int32) (list []place) {
	seen, next := int32(0), 0
	for _, id := range ids {
		if id == s.m.Config.Tokens.Image {
			seen = slots[next] + 1
			next++
		}
		list = append(list, place{id, seen})
	}
	return list
}

// evict frees the slot that was wanted longest ago, and forgets the tokens that saw it.
func (s *Session) evict() int {
	at := 0
	for i, t := range s.clock {
		if t < s.clock[at] {
			at = i
		}
	}
	s.slots[at], s.clock[at] = "", s.now
	for i, h := range s.history {
		if h.phi == int32(at)+1 {
			s.history = s.history[:i]
			break
		}
	}
	return at
}

// fill encodes media into a slot.
func (s *Session) fill(ctx context.Context, at int, x Media) error {
	if err := s.m.encoder.encode(ctx, x); err != nil {
		return err
	}
	if err := s.set(ops.StateImages, at); err != nil {
		return err
	}
	if err := s.attach.Submit(1); err != nil {
		return err
	}
	s.slots[at] = x.Key
	return nil
}

// set writes one of the device's counters.
func (s *Session) set(slot, value int) error {
	return s.state.Write(s.m.dev, 4*slot, tensor.GoBytes(tensor.FromI32([]int32{int32(value)}, 1).Data))
}

// longest is how many tokens run as one pass: more would take much memory and be no faster.
const longest = 128

// feed runs tokens behind the history, and gives the pass of the last.
func (s *Session) feed(ctx context.Context, list []place) (f *forward, err error) {
	if len(s.history)+len(list) > s.room.Tokens {
		return nil, fmt.Errorf("%w: the prompt has %d tokens, the session has room for %d", ErrOption, len(s.history)+len(list), s.room.Tokens)
	}
	if err := s.set(ops.StatePos, len(s.history)); err != nil {
		return nil, err
	}
	for len(list) > 0 {
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		n := min(len(list), longest)
		if f, err = s.forwardOf(ctx, n); err != nil {
			return nil, err
		}
		ids, phi := make([]int32, n), make([]int32, n)
		for i, p := range list[:n] {
			ids[i], phi[i] = p.id, p.phi
		}
		for _, w := range []struct {
			t gpu.Tensor
			v []int32
		}{{f.ids, ids}, {f.phi, phi}, {s.phi, phi[n-1:]}} {
			if err := writeInts(s.m.dev, w.t, w.v); err != nil {
				return nil, err
			}
		}
		if err := f.plan.Submit(1); err != nil {
			return nil, err
		}
		s.step++
		s.history = append(s.history, list[:n]...)
		list = list[n:]
	}
	return f, nil
}

// maxPrefills bounds the recorded prompt lengths of a session.
const maxPrefills = 8

func (s *Session) forwardOf(ctx context.Context, n int) (*forward, error) {
	if f := s.prefill[n]; f != nil {
		return f, nil
	}
	if len(s.prefill) >= maxPrefills {
		for length, f := range s.prefill {
			f.close(s.m.dev)
			delete(s.prefill, length)
			break
		}
	}
	ids, err := gpu.Alloc(s.m.dev, "prompt", tensor.I32, n)
	if err != nil {
		return nil, err
	}
	phi, err := gpu.Alloc(s.m.dev, "prompt phi", tensor.I32, n)
	if err != nil {
		ids.Free(s.m.dev)
		return nil, err
	}
	f, err := s.record(ctx, n, ids, phi)
	if err != nil {
		ids.Free(s.m.dev)
		phi.Free(s.m.dev)
		return nil, err
	}
	s.prefill[n] = f
	return f, nil
}

// Logits runs a prompt and returns the logits [1, V] of its last token.
func (s *Session) Logits(ctx context.Context, p Prompt) (tensor.Tensor, error) {
	f, err := s.attend(ctx, p)
	if err != nil {
		return tensor.Tensor{}, err
	}
	return f.logits.Read(ctx, s.m.dev)
}

// AllLogits computes the logits [T, V] of every token of a prompt, in one pass. The session
// remembers nothing of it but the pictures.
func (s *Session) AllLogits(ctx context.Context, prompt Prompt) (tensor.Tensor, error) {
	s.Reset()
	if err := s.m.checkPrompt(prompt); err != nil {
		return tensor.Tensor{}, err
	}
	if n := len(prompt.IDs); n < 1 || n > s.room.Tokens {
		return tensor.Tensor{}, fmt.Errorf("%w: the prompt has %d tokens, want 1 to %d", ErrOption, n, s.room.Tokens)
	}
	list, err := s.see(ctx, prompt)
	if err != nil {
		return tensor.Tensor{}, err
	}
	phi := make([]int32, len(list))
	for i, x := range list {
		phi[i] = x.phi
	}
	if err := s.set(ops.StatePos, 0); err != nil {
		return tensor.Tensor{}, err
	}
	var inputs [2]gpu.Tensor
	for i, v := range [][]int32{prompt.IDs, phi} {
		if inputs[i], err = gpu.Upload(s.m.dev, "prompt", tensor.FromI32(v, len(v))); err != nil {
			return tensor.Tensor{}, err
		}
		defer inputs[i].Free(s.m.dev)
	}
	p := gpu.NewPass(s.m.dev)
	logits := s.m.lm.Logits(p, s.hidden(p, inputs[0], inputs[1], schedule{state: s.state}))
	p.Keep(logits)
	plan, err := p.Compile(ctx)
	if err != nil {
		return tensor.Tensor{}, err
	}
	defer plan.Release()
	if err := plan.Submit(1); err != nil {
		return tensor.Tensor{}, err
	}
	return plan.Tensor(logits).Read(ctx, s.m.dev)
}
