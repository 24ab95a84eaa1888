package model

import (
	"context"
	"fmt"
	"slices"

	"flamingo/gpu"
	"flamingo/ops"
	"flamingo/tensor"
)

// ringLen is how many generated tokens the device keeps before they are read.
const ringLen = 64

// Room is what a session has room for.
type Room struct {
	Tokens int // of a prompt and its continuation
	Images int // pictures and videos that are kept
	Branch int // tokens beside those: of all beams, or of candidates scored at once
}

// A Session is the state of one conversation: the language model's KV cache and the cross-attention
// keys and values of its pictures. A prompt that begins like the one before costs only what is new.
// Passes are recorded once; a step of decoding is one submit.
type Session struct {
	m    *Flamingo
	room Room

	history []place  // what the rows 0, 1, … of the cache hold
	slots   []string // key of the media in each slot, "" for none
	clock   []int    // when each slot was last wanted
	now     int
	step    int // tokens generated: where the ring stands
	stopped bool

	state gpu.Tensor         // position, step, slot, as the device counts them: i32 [StateLen]
	cache []blockCache       // per LM block
	media map[int]gpu.Tensor // per cross-attention block: [Images·R, 2·inner]
	token gpu.Tensor         // i32 [1], the last token
	phi   gpu.Tensor         // i32 [1], the slot, from 1, that it sees
	ring  gpu.Tensor         // i32 [ringLen], generated tokens
	ban   gpu.Tensor         // f32 [V], added to the logits

	banned  []int32 // what ban forbids besides the usual
	owned   []gpu.Tensor
	attach  *gpu.Plan // visual tokens → media
	decode  *forward
	prefill map[int]*forward // by number of tokens
	lanes   map[laneSize]*lanes
}

// A place is a token in the cache, and the slot of the media that it sees, from 1; 0 is none.
type place struct{ id, phi int32 }

// A forward is a recorded pass of the language model over a fixed number of tokens.
type forward struct {
	plan   *gpu.Plan
	ids    gpu.Tensor // i32 [T]
	phi    gpu.Tensor // i32 [T]
	logits gpu.Tensor // [1, V], of the last token
}

// NewSession makes room for prompts and their continuations.
func (m *Flamingo) NewSession(ctx context.Context, room Room) (s *Session, err error) {
	c := m.Config
	if room.Tokens < 1 || room.Tokens > c.LM.MaxPositions {
		return nil, fmt.Errorf("%w: a session of %d tokens, the model takes 1 to %d", ErrOption, room.Tokens, c.LM.MaxPositions)
	}
	s = &Session{
		m: m, room: room, media: map[int]gpu.Tensor{}, prefill: map[int]*forward{}, lanes: map[laneSize]*lanes{},
		slots: make([]string, room.Images), clock: make([]int, room.Images),
	}
	defer func() {
		if err != nil {
			s.Close()
			s = nil
		}
	}()
	if err = s.alloc(); err != nil {
		return s, err
	}
	if err = s.forbid(nil, true); err != nil {
		return s, err
	}
	if err = s.measure(ctx); err != nil {
		return s, err
	}
	if s.decode, err = s.record(ctx, 1, s.token, s.phi); err != nil {
		return s, err
	}
	if room.Images > 0 {
		if err = m.warm(ctx); err != nil {
			return s, err
		}
		s.attach, err = s.recordAttach(ctx)
	}
	return s, err
}

func (s *Session) alloc() (err error) {
	c, rows := s.m.Config, s.room.Tokens+s.room.Branch
	alloc := func(label string, d tensor.DType, shape ...int) (t gpu.Tensor) {
		if err == nil {
			if t, err = gpu.Alloc(s.m.dev, label, d, shape...); err == nil {
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
	for _, b := range s.m.lm.Blocks {
		var kept blockCache
		kept.kv = alloc("KV cache", tensor.F32, rows, c.LM.KVWidth())
		if b.kind.positions == relative {
			kept.distances = alloc("keys of distances", tensor.F32, s.room.Tokens, c.LM.Dim)
		}
		s.cache = append(s.cache, kept)
	}
	for i := range s.m.lm.Blocks {
		if _, ok := s.m.xattn[i]; ok {
			s.media[i] = alloc("media keys and values", tensor.F32, max(s.room.Images, 1)*c.Resampler.Latents, 2*c.XAttn.Heads*c.XAttn.HeadDim)
		}
	}
	return err
}

// measure computes the keys of distances, which are the same for every prompt.
func (s *Session) measure(ctx context.Context) error {
	if !s.cache[0].distances.Valid() {
		return nil
	}
	codes, err := gpu.Upload(s.m.dev, "distances", sinusoids(s.room.Tokens, s.m.Config.LM.Dim))
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

// forbid makes tokens that must not be written impossible: the usual ones, and some more.
func (s *Session) forbid(more []int32, always bool) error {
	if !always && slices.Equal(more, s.banned) {
		return nil
	}
	s.banned = slices.Clone(more)
	return s.ban.Write(s.m.dev, 0, tensor.GoBytes(tensor.FromF32(s.m.bias(more), s.m.Config.LM.Vocab).Data))
}

// never is the logit of a token that must not be written.
const never = -1e30

// bias is added to the logits. An <image> would refer to a picture that is not there.
func (m *Flamingo) bias(more []int32) []float32 {
	bias := make([]float32, m.Config.LM.Vocab)
	for _, id := range []int32{m.Config.Tokens.Image, m.Config.Tokens.Pad, m.Config.Tokens.BOS} {
		if id >= 0 && !m.ends(id) {
			bias[id] = never
		}
	}
	for _, id := range more {
		bias[id] = never
	}
	return bias
}

// biasAt is added to the logits of the token behind n others of a text.
func (m *Flamingo) biasAt(o Options, n int) []float32 {
	bias := m.bias(o.Banned)
	if n < o.MinTokens {
		for id := range bias {
			if m.ends(int32(id)) {
				bias[id] = never
			}
		}
	}
	return bias
}

// ends reports whether a token ends a text.
func (m *Flamingo) ends(id int32) bool {
	return id >= 0 && (id == m.Config.Tokens.EndOfChunk || id == m.Config.Tokens.EOS)
}

// hidden runs the tokens ids [n] through all blocks and gives [n, D].
func (s *Session) hidden(p *gpu.Pass, ids, phi gpu.Tensor, at schedule) gpu.Tensor {
	m := s.m
	h := m.lm.Embed(p, ids, at)
	for i, block := range m.lm.Blocks {
		if x, ok := m.xattn[i]; ok {
			leave := p.In("xattn.%d", i)
			h = x.Forward(p, h, s.media[i], phi, m.Config.Resampler.Latents)
			leave()
		}
		leave := p.In("blocks.%d", i)
		h = block.Forward(p, h, s.cache[i], at)
		leave()
	}
	return h
}

// record is one pass over the tokens ids [n]: embed, blocks, logits of the last, argmax.
func (s *Session) record(ctx context.Context, n int, ids, phi gpu.Tensor) (*forward, error) {
	m, p := s.m, gpu.NewPass(s.m.dev)
	defer p.In("lm")()
	h := s.hidden(p, ids, phi, schedule{state: s.state})
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
	return p.Compile(ctx)
}

// inherit makes a new session remember what another one does, which has no more room.
func (s *Session) inherit(ctx context.Context, old *Session) error {
	p := gpu.NewPass(s.m.dev)
	for i, kept := range old.cache {
		ops.Append(p, kept.kv, s.cache[i].kv, s.state, ops.AppendOptions{})
	}
	for i, t := range old.media {
		ops.Append(p, t, s.media[i], s.state, ops.AppendOptions{})
	}
	plan, err := p.Compile(ctx)
	if err != nil {
		return err
	}
	defer plan.Release()
	if err := plan.Submit(1); err != nil {
		return err
	}
	s.history, s.now = old.history, old.now
	copy(s.slots, old.slots)
	copy(s.clock, old.clock)
	return nil
}

// Reset forgets the prompt. Pictures stay known by their keys.
func (s *Session) Reset() { s.history, s.stopped = nil, false }

// Room is what the session was made for.
func (s *Session) Room() Room { return s.room }

// Len is the number of tokens that the session remembers.
func (s *Session) Len() int { return len(s.history) }

// Stopped reports whether the last generation ended by a stop token or a stop text.
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
	for _, l := range s.lanes {
		l.close(s.m.dev)
	}
	if s.decode != nil {
		s.decode.plan.Release()
	}
	s.attach.Release()
	for _, t := range s.owned {
		t.Free(s.m.dev)
	}
	s.owned, s.prefill, s.lanes = nil, nil, nil
}
