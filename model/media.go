package model

import (
	"context"
	"fmt"
	"hash/maphash"
	"iter"
	"strings"

	"flamingo/gpu"
	"flamingo/ops"
	"flamingo/tensor"
)

// Media is what stands at an <image> of a prompt: a picture, or the frames of a video.
type Media struct {
	// Frames yields the frames one by one, so that they can be decoded while earlier ones are being
	// encoded. There are at most Count.
	Frames iter.Seq2[Image, error]
	Count  int
	// Pixels are frames that are preprocessed already, f32 [3, Size, Size], in place of Frames.
	Pixels []tensor.Tensor
	// Key names the content: media with the same key are encoded once by a model, so it must be one
	// that no other content has. Media without one are encoded each time.
	Key string
}

// Picture is a picture as media. Its key is its content's, where that is in Go's memory.
func Picture(img Image) Media { return Video(img) }

// Video is a video whose frames are all there.
func Video(frames ...Image) Media {
	return Media{Count: len(frames), Key: contentKey(frames), Frames: func(yield func(Image, error) bool) {
		for _, f := range frames {
			if !yield(f, nil) {
				return
			}
		}
	}}
}

// Preprocessed is media of frames that are preprocessed already.
func Preprocessed(frames ...tensor.Tensor) Media {
	var key strings.Builder
	for _, f := range frames {
		fmt.Fprint(&key, f.Shape)
		sign(&key, f.Data)
	}
	return Media{Pixels: frames, Key: key.String()}
}

// contentSeeds are of this process: keys are not kept longer.
var contentSeeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}

func contentKey(frames []Image) string {
	var key strings.Builder
	for _, f := range frames {
		pixels, ok := f.Pixels.(tensor.GoBytes)
		if !ok {
			return ""
		}
		fmt.Fprintf(&key, "%d×%d", f.Width, f.Height)
		sign(&key, pixels)
	}
	return key.String()
}

// sign adds to a key what tells data from others.
func sign(key *strings.Builder, data []byte) {
	for _, seed := range contentSeeds {
		fmt.Fprintf(key, " %016x", maphash.Bytes(seed, data))
	}
}

// none tells that no media are meant.
func (x Media) none() bool { return x.Frames == nil && x.Pixels == nil && x.Count == 0 }

// checkMedia refuses media that the model cannot take, before anything runs.
func (m *Flamingo) checkMedia(i int, x Media) error {
	frames, r := x.Count, m.Config.Resampler
	most := r.MaxFrames()
	if x.Pixels != nil {
		frames = len(x.Pixels)
		size := m.Config.Preprocess.Size
		for _, p := range x.Pixels {
			if p.DType != tensor.F32 || !p.Shape.Equal(tensor.Shape{3, size, size}) {
				return fmt.Errorf("%w: preprocessed image is %v %v, want f32 [3,%d,%d]", ErrOption, p.DType, p.Shape, size, size)
			}
		}
	}
	switch {
	case frames < 1:
		return fmt.Errorf("%w: media %d has no frames, want a picture or a video of at least one", ErrOption, i+1)
	case frames > 1 && r.Frames == 0:
		return fmt.Errorf("%w: media %d is a video of %d frames, and this model has no temporal embeddings; give its frames as separate pictures", ErrOption, i+1, frames)
	case frames > most:
		return fmt.Errorf("%w: media %d is a video of %d frames, want at most %d; take fewer frames a second", ErrOption, i+1, frames, most)
	}
	return nil
}

// MaxFrames is the longest video, in frames, that any model takes.
const MaxFrames = 256

// MaxFrames is the longest video, in frames, that the model takes: 1 is a picture.
func (c ResamplerConfig) MaxFrames() int {
	switch {
	case c.Frames == 0:
		return 1
	case c.Temporal == TemporalFirst:
		return min(c.Frames, MaxFrames)
	}
	return MaxFrames
}

// An encoder is the recorded way from pixels to visual tokens. It is recorded once and replayed for
// every picture and frame of every session.
type encoder struct {
	m        *Flamingo
	room     int        // frames
	pixels   gpu.Tensor // [Size, Size, 4], the frame at hand
	features gpu.Tensor // [room·V, C], of all frames
	embed    gpu.Tensor // [1, Embed], of the last frame, where the vision encoder has one
	tokens   gpu.Tensor // [R, Dim], what the resampler makes of them
	state    gpu.Tensor // StateFrames: the row block of features that the next frame fills
	vision   *gpu.Plan
	resample map[int]*gpu.Plan // by number of frames
	frames   int               // of the last media
	key      string            // of the last media, "" while they are on their way and where they have none
	runs     int
}

func (m *Flamingo) newEncoder(ctx context.Context) (e *encoder, err error) {
	e = &encoder{m: m, resample: map[int]*gpu.Plan{}}
	defer func() {
		if err != nil {
			e.close()
			e = nil
		}
	}()
	c := m.Config
	alloc := func(t *gpu.Tensor, label string, d tensor.DType, shape ...int) {
		if err == nil {
			*t, err = gpu.Alloc(m.dev, label, d, shape...)
		}
	}
	alloc(&e.pixels, "pixels", tensor.F32, c.Preprocess.Size, c.Preprocess.Size, 4)
	if c.Vision.Embed > 0 {
		alloc(&e.embed, "embedding", tensor.F32, 1, c.Vision.Embed)
	}
	alloc(&e.tokens, "visual tokens", tensor.F32, c.Resampler.Latents, c.Resampler.Dim)
	alloc(&e.state, "encoder state", tensor.I32, ops.StateLen)
	if err != nil {
		return e, err
	}
	if err = e.reserve(ctx, 1); err != nil {
		return e, err
	}
	_, err = e.resampler(ctx, 1)
	return e, err
}

// reserve makes room for a video. What was encoded before is lost when there was less.
func (e *encoder) reserve(ctx context.Context, frames int) error {
	if frames <= e.room {
		return nil
	}
	m, c := e.m, e.m.Config
	grid := c.Vision.Grid(c.Preprocess.Size)
	features, err := gpu.Alloc(m.dev, "features", tensor.F32, frames*grid, c.Vision.Dim())
	if err != nil {
		return err
	}
	p := gpu.NewPass(m.dev)
	leave := p.In("vision")
	x, embedding := m.vision.Forward(p, e.pixels)
	leave()
	ops.Append(p, x, features, e.state, ops.AppendOptions{Slot: ops.StateFrames, Stride: grid})
	if embedding.Valid() {
		ops.Append(p, embedding, e.embed, e.state, ops.AppendOptions{})
	}
	ops.Advance(p, e.state, ops.StateFrames, 1)
	vision, err := p.Compile(ctx)
	if err != nil {
		features.Free(m.dev)
		return err
	}
	e.drop()
	e.features, e.vision, e.room = features, vision, frames
	return nil
}

// maxResamplers bounds the recorded numbers of frames.
const maxResamplers = 8

// resampler is the recorded pass over the first frames.
func (e *encoder) resampler(ctx context.Context, frames int) (*gpu.Plan, error) {
	if plan := e.resample[frames]; plan != nil {
		return plan, nil
	}
	if len(e.resample) >= maxResamplers {
		for n, plan := range e.resample {
			plan.Release()
			delete(e.resample, n)
			break
		}
	}
	p, x := gpu.NewPass(e.m.dev), e.features
	if rows := x.Rows() / e.room * frames; rows < x.Rows() {
		x = ops.Rows(p, x, 0, rows)
	}
	ops.Append(p, e.m.resampler.Forward(p, x, frames), e.tokens, e.state, ops.AppendOptions{})
	plan, err := p.Compile(ctx)
	if err == nil {
		e.resample[frames] = plan
	}
	return plan, err
}

// holds reports whether x is what was encoded last.
func (e *encoder) holds(x Media) bool { return x.Key != "" && x.Key == e.key }

// encode turns media into visual tokens, which stay until the next call with others.
func (e *encoder) encode(ctx context.Context, x Media) error {
	if e.holds(x) {
		return nil
	}
	e.key = ""
	e.runs++
	count := max(x.Count, len(x.Pixels))
	if err := e.reserve(ctx, count); err != nil {
		return err
	}
	if err := writeInts(e.m.dev, e.state, make([]int32, ops.StateLen)); err != nil {
		return err
	}
	e.frames = 0
	run := func() error {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		e.frames++
		return e.vision.Submit(1)
	}
	for _, planes := range x.Pixels {
		if err := e.pixels.Write(e.m.dev, 0, tensor.GoBytes(interleave(planes).Data)); err != nil {
			return err
		}
		if err := run(); err != nil {
			return err
		}
	}
	if x.Pixels == nil {
		for img, err := range x.Frames {
			if err == nil && e.frames == count {
				err = fmt.Errorf("%w: the video has more than the %d frames that were announced", ErrOption, count)
			}
			if err == nil {
				err = e.m.place(ctx, img, e.pixels, e.state)
			}
			if err == nil {
				err = run()
			}
			if err != nil {
				return err
			}
		}
	}
	if e.frames == 0 {
		return fmt.Errorf("%w: the video has no frames", ErrOption)
	}
	plan, err := e.resampler(ctx, e.frames)
	if err != nil {
		return err
	}
	if err := plan.Submit(1); err != nil {
		return err
	}
	e.key = x.Key
	return nil
}

// drop frees what depends on the room.
func (e *encoder) drop() {
	e.vision.Release()
	for n, plan := range e.resample {
		plan.Release()
		delete(e.resample, n)
	}
	e.features.Free(e.m.dev)
}

func (e *encoder) close() {
	if e == nil {
		return
	}
	e.drop()
	for _, t := range []gpu.Tensor{e.pixels, e.embed, e.tokens, e.state} {
		t.Free(e.m.dev)
	}
}

// Encode computes the visual tokens [R, Dim] of a picture or video. They stay on the device until
// others are encoded; a prompt that comes before that does not encode the same media again.
func (m *Flamingo) Encode(ctx context.Context, x Media) (gpu.Tensor, error) {
	if err := m.checkMedia(0, x); err != nil {
		return gpu.Tensor{}, err
	}
	if err := m.warm(ctx); err != nil {
		return gpu.Tensor{}, err
	}
	return m.encoder.tokens, m.encoder.encode(ctx, x)
}

// Features are the vision encoder's output [frames·V, C] for the last media. There must have been
// some; rows behind the last frame's are of no meaning.
func (m *Flamingo) Features() gpu.Tensor { return m.encoder.features }

// VisualTokens are the resampler's output [R, Dim] for the last media.
func (m *Flamingo) VisualTokens() gpu.Tensor { return m.encoder.tokens }

// Embedding is the vector, of length 1, by which the last media's last frame is compared with
// others: the contrastive one where the model has it, and else the mean of its features.
func (m *Flamingo) Embedding(ctx context.Context) (tensor.Tensor, error) {
	if m.Config.Vision.Embed > 0 {
		e, err := m.encoder.embed.Read(ctx, m.dev)
		if err != nil {
			return tensor.Tensor{}, err
		}
		return normalised(e), nil
	}
	f, err := m.encoder.features.Read(ctx, m.dev)
	if err != nil {
		return tensor.Tensor{}, err
	}
	grid, width := f.Shape[0]/m.encoder.room, f.Shape[1]
	mean, all := make([]float32, width), f.F32()
	for i, x := range all[(m.encoder.frames-1)*grid*width : m.encoder.frames*grid*width] {
		mean[i%width] += x
	}
	return normalised(tensor.FromF32(mean, width)), nil
}

// Encoded is how many pictures and videos were encoded so far.
func (m *Flamingo) Encoded() int {
	if m.encoder == nil {
		return 0
	}
	return m.encoder.runs
}

// warm records the encoder if that has not happened yet.
func (m *Flamingo) warm(ctx context.Context) (err error) {
	if m.encoder == nil {
		m.encoder, err = m.newEncoder(ctx)
	}
	return err
}

func writeInts(d gpu.Device, t gpu.Tensor, v []int32) error {
	return t.Write(d, 0, tensor.GoBytes(tensor.FromI32(v, len(v)).Data))
}
