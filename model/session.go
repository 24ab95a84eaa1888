package model

import (
	"context"
	"fmt"

	"flamingo/gpu"
	"flamingo/ops"
	"flamingo/tensor"
)

// ringLen is how many generated tokens the device keeps before they are read.
const ringLen = 64

// A Session is the state of one prompt: the language model's KV cache and the cross-attention keys
// and values of its pictures. Its passes are recorded once; a step of decoding is one submit.
type Session struct {
	m        *Flamingo
	capacity int // tokens
	images   int // pictures

	pos, seen, step int // tokens in the cache, pictures, tokens generated: state as the host knows it
	stopped         bool

	state gpu.Tensor         // the same on the device, i32 [StateLen]
	cache []blockCache       // per LM block
	media map[int]gpu.Tensor // per cross-attention block: [images·R, 2·inner]
	token gpu.Tensor         // i32 [1], the last token
	phi   gpu.Tensor         // i32 [1], the picture that it sees
	ring  gpu.Tensor         // i32 [ringLen], generated tokens
	ban   gpu.Tensor         // f32 [V], added to the logits

	owned   []gpu.Tensor
	attach  *gpu.Plan // visual tokens → media
	decode  *forward
	prefill map[int]*forward // by number of tokens
}

// A forward is a recorded pass of the language model over a fixed number of tokens.
type forward struct {
	plan   *gpu.Plan
	ids    gpu.Tensor // i32 [T]
	phi    gpu.Tensor // i32 [T]
	logits gpu.Tensor // [1, V], of the last token
}

// NewSession makes room for a prompt and its continuation, of at most tokens in all, and for
// images pictures.
func (m *Flamingo) NewSession(ctx context.Context, tokens, images int) (s *Session, err error) {
	c := m.Config
	if tokens < 1 || tokens > c.LM.MaxPositions {
		return nil, fmt.Errorf("%w: a session of %d tokens, the model takes 1 to %d", ErrOption, tokens, c.LM.MaxPositions)
	}
	s = &Session{m: m, capacity: tokens, images: images, media: map[int]gpu.Tensor{}, prefill: map[int]*forward{}}
	defer func() {
		if err != nil {
			s.Close()
			s = nil
		}
	}()
	alloc := func(label string, d tensor.DType, shape ...int) (t gpu.Tensor) {
		if err == nil {
			if t, err = gpu.Alloc(m.dev, label, d, shape...); err == nil {
				s.owned = append(s.owned, t)
			}
		}
		return t
	}
	s.state = alloc("state", tensor.I32, ops.StateLen)
	s.token = alloc("token", tensor.I32, 1)
	s.phi = alloc("phi", tensor.I32, 1)
	s.ring = alloc("ring", tensor.I32, ringLen)
	s.ban = alloc("ban", tensor.F32, c.LM.Vocab)
	for _, b := range m.lm.Blocks {
		var kept blockCache
		kept.kv = alloc("KV cache", tensor.F32, s.capacity, c.LM.KVWidth())
		if b.kind.positions == relative {
			kept.distances = alloc("keys of distances", tensor.F32, s.capacity, c.LM.Dim)
		}
		s.cache = append(s.cache, kept)
	}
	for i := range m.xattn {
		s.media[i] = alloc("media keys and values", tensor.F32, max(images, 1)*c.Resampler.Latents, 2*c.XAttn.Heads*c.XAttn.HeadDim)
	}
	if err != nil {
		return s, err
	}
	if err = s.ban.Write(m.dev, 0, tensor.GoBytes(tensor.FromF32(m.banned(), c.LM.Vocab).Data)); err != nil {
		return s, err
	}
	if err = s.measure(ctx); err != nil {
		return s, err
	}
	if s.decode, err = s.record(ctx, 1, s.token, s.phi); err != nil {
		return s, err
	}
	if images > 0 {
		if err = m.warm(ctx); err != nil {
			return s, err
		}
		s.attach, err = s.recordAttach(ctx)
	}
	return s, err
}

// measure computes the keys of distances, which are the same for every prompt.
func (s *Session) measure(ctx context.Context) error {
	if !s.cache[0].distances.Valid() {
		return nil
	}
	codes, err := gpu.Upload(s.m.dev, "distances", sinusoids(s.capacity, s.m.Config.LM.Dim))
	if err != nil {
		return err
	}
	defer codes.Free(s.m.dev)
	p := gpu.NewPass(s.m.dev)
	for i, b := range s.m.lm.Blocks {
		ops.Append(p, b.Relative.Forward(p, codes, ops.Epilogue{}), s.cache[i].distances, s.state, ops.AppendOptions{})
	}
	plan, err := p.Compile(ctx)
	if err != nil {
		return err
	}
	defer plan.Release()
	return plan.Submit(1)
}

// banned is added to the logits: tokens that a model must never write. An <image> would refer to a
// picture that is not there.
func (m *Flamingo) banned() []float32 {
	ban := make([]float32, m.Config.LM.Vocab)
	for _, id := range []int32{m.Config.Tokens.Image, m.Config.Tokens.Pad, m.Config.Tokens.BOS} {
		if id >= 0 && id != m.Config.Tokens.EOS && id != m.Config.Tokens.EndOfChunk {
			ban[id] = -1e30
		}
	}
	return ban
}

// hidden runs the tokens ids [n] through all blocks and gives [n, D].
func (s *Session) hidden(p *gpu.Pass, ids, phi gpu.Tensor) gpu.Tensor {
	m := s.m
	h := m.lm.Embed(p, ids, s.state)
	for i, block := range m.lm.Blocks {
		if x, ok := m.xattn[i]; ok {
			leave := p.In("xattn.%d", i)
			h = x.Forward(p, h, s.media[i], phi, m.Config.Resampler.Latents)
			leave()
		}
		leave := p.In("blocks.%d", i)
		h = block.Forward(p, h, s.cache[i], s.state)
		leave()
	}
	return h
}

// record is one pass over the tokens ids [n]: embed, blocks, logits of the last, argmax.
func (s *Session) record(ctx context.Context, n int, ids, phi gpu.Tensor) (*forward, error) {
	m, p := s.m, gpu.NewPass(s.m.dev)
	defer p.In("lm")()
	h := s.hidden(p, ids, phi)
	if n > 1 {
		h = ops.Rows(p, h, n-1, 1)
	}
	logits := m.lm.Logits(p, h)
	p.Keep(logits)
	ops.Argmax(p, logits, s.ban, s.token, s.ring, s.state)
	ops.Advance(p, s.state, ops.StatePos, n)
	ops.Advance(p, s.state, ops.StateStep, 1)
	plan, err := p.Compile(ctx)
	if err != nil {
		return nil, err
	}
	return &forward{plan, ids, phi, plan.Tensor(logits)}, nil
}

// recordAttach is the pass that turns visual tokens into each block's keys and values.
func (s *Session) recordAttach(ctx context.Context) (*gpu.Plan, error) {
	m, p := s.m, gpu.NewPass(s.m.dev)
	defer p.In("media")()
	for i := range m.lm.Blocks {
		if x, ok := m.xattn[i]; ok {
			ops.Append(p, x.Media(p, m.encoder.tokens), s.media[i], s.state,
				ops.AppendOptions{Slot: ops.StateImages, Stride: m.Config.Resampler.Latents})
		}
	}
	ops.Advance(p, s.state, ops.StateImages, 1)
	return p.Compile(ctx)
}

// Reset forgets the prompt and the pictures.
func (s *Session) Reset() error {
	s.pos, s.seen, s.step, s.stopped = 0, 0, 0, false
	return writeInts(s.m.dev, s.state, make([]int32, ops.StateLen))
}

// AddImage encodes a picture for the next <image> of the prompt.
func (s *Session) AddImage(ctx context.Context, img Image) error {
	return s.add(func() error { _, err := s.m.Encode(ctx, img); return err })
}

// AddPixels is AddImage for a preprocessed picture, f32 [3, Size, Size].
func (s *Session) AddPixels(ctx context.Context, planes tensor.Tensor) error {
	return s.add(func() error { _, err := s.m.EncodePixels(ctx, planes); return err })
}

func (s *Session) add(encode func() error) error {
	if s.seen >= s.images {
		return fmt.Errorf("%w: the session has room for %d images", ErrOption, s.images)
	}
	if err := encode(); err != nil {
		return err
	}
	s.seen++
	return s.attach.Submit(1)
}

// Capacity is the number of tokens there is room for.
func (s *Session) Capacity() int { return s.capacity }

// Stopped reports whether the last generation ended by a stop token.
func (s *Session) Stopped() bool { return s.stopped }

// Wait blocks until everything submitted so far is done.
func (s *Session) Wait(ctx context.Context) error {
	_, err := s.state.Read(ctx, s.m.dev)
	return err
}

func (f *forward) close(d gpu.Device) {
	f.plan.Release()
	f.ids.Free(d)
	f.phi.Free(d)
}

// Close frees what the session holds on the device.
func (s *Session) Close() {
	for _, f := range s.prefill {
		f.close(s.m.dev)
	}
	if s.decode != nil {
		s.decode.plan.Release()
	}
	s.attach.Release()
	for _, t := range s.owned {
		t.Free(s.m.dev)
	}
	s.owned, s.prefill = nil, nil
}
