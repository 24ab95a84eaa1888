package model

import (
	"context"
	"fmt"

	"flamingo/gpu"
	"flamingo/tensor"
)

// refer says which picture each token of a prompt sees, counting from the first of the session, and
// how many there are. Tokens before the first <image> see none.
func (m *Flamingo) refer(ids []int32) (phi []int32, images int32, err error) {
	phi = make([]int32, len(ids))
	for i, id := range ids {
		if id < 0 || int(id) >= m.Config.LM.Vocab {
			return nil, 0, fmt.Errorf("%w: prompt token %d is %d, the vocabulary has %d", ErrOption, i, id, m.Config.LM.Vocab)
		}
		if id == m.Config.Tokens.Image {
			images++
		}
		phi[i] = images
	}
	return phi, images, nil
}

// feed runs the prompt ids, whose <image> tokens refer to the pictures added, in order.
func (s *Session) feed(ctx context.Context, ids []int32) (*forward, error) {
	phi, err := s.check(ids)
	if err != nil {
		return nil, err
	}
	f := s.prefill[len(ids)]
	if f == nil {
		if f, err = s.newPrefill(ctx, len(ids)); err != nil {
			return nil, err
		}
	}
	for _, w := range []struct {
		t gpu.Tensor
		v []int32
	}{{f.ids, ids}, {f.phi, phi}, {s.phi, phi[len(phi)-1:]}} {
		if err := writeInts(s.m.dev, w.t, w.v); err != nil {
			return nil, err
		}
	}
	s.pos += len(ids)
	s.step++
	return f, f.plan.Submit(1)
}

// check wants a prompt that fits the session and its pictures, and gives each token's picture.
func (s *Session) check(ids []int32) ([]int32, error) {
	if room := s.capacity - s.pos; len(ids) < 1 || len(ids) > room {
		return nil, fmt.Errorf("%w: the prompt has %d tokens, want 1 to %d", ErrOption, len(ids), room)
	}
	phi, images, err := s.m.refer(ids)
	if err == nil && int(images) != s.seen {
		err = fmt.Errorf("%w: the prompt has %d <image> tokens for %d images", ErrOption, images, s.seen)
	}
	return phi, err
}

// maxPrefills bounds the recorded prompt lengths of a session.
const maxPrefills = 8

func (s *Session) newPrefill(ctx context.Context, n int) (*forward, error) {
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
func (s *Session) Logits(ctx context.Context, prompt []int32) (tensor.Tensor, error) {
	f, err := s.feed(ctx, prompt)
	if err != nil {
		return tensor.Tensor{}, err
	}
	return f.logits.Read(ctx, s.m.dev)
}

// AllLogits computes the logits [T, V] of every token of a prompt. The session is then as before:
// the prompt is not remembered.
func (s *Session) AllLogits(ctx context.Context, prompt []int32) (tensor.Tensor, error) {
	phi, err := s.check(prompt)
	if err != nil {
		return tensor.Tensor{}, err
	}
	var inputs [2]gpu.Tensor
	for i, v := range [][]int32{prompt, phi} {
		if inputs[i], err = gpu.Upload(s.m.dev, "prompt", tensor.FromI32(v, len(v))); err != nil {
			return tensor.Tensor{}, err
		}
		defer inputs[i].Free(s.m.dev)
	}
	p := gpu.NewPass(s.m.dev)
	logits := s.m.lm.Logits(p, s.hidden(p, inputs[0], inputs[1]))
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
