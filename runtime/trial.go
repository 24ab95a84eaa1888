package runtime

import (
	"context"
	"fmt"
	goruntime "runtime"

	"flamingo/gpu"
	"flamingo/loader"
	"flamingo/model"
	"flamingo/tensor"
)

// A trial is a scale that knows the limits of a real device. The model's own code, recorded on it,
// tells what it will need of that device before anything is downloaded. It goes on where the real one
// would refuse, so that the sum is whole.
type trial struct {
	*gpu.Scale
	real    gpu.Info
	room    int64 // bytes that the real device holds in all; 0 is unknown
	refused error // the first thing that it would not take
}

func newTrial(real gpu.Info) *trial {
	scale := gpu.NewScale(gpu.Info{Kind: real.Kind, Description: real.Description, Features: real.Features})
	return &trial{Scale: scale, real: real, room: roomOf(real, goruntime.GOARCH)}
}

// roomOf is how many bytes a device holds in all. WebGPU does not say, and a machine that swaps has
// no clear end; the addresses of WebAssembly have.
func roomOf(i gpu.Info, arch string) int64 {
	if i.Kind == "cpu" && arch == "wasm" {
		return 1 << 32
	}
	return 0
}

func (t *trial) Alloc(size int, label string) (gpu.Buffer, error) {
	t.limit(label, size, "bytes", t.real.MaxBuffer, "in one buffer")
	return t.Scale.Alloc(size, label)
}

func (t *trial) Compile(ctx context.Context, steps []gpu.Dispatch) (gpu.Program, error) {
	for _, s := range steps {
		at := s.Path + ": " + s.Op.Name
		for _, a := range s.Args {
			n, err := a.DType.Bytes(a.Shape)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", at, err)
			}
			t.limit(fmt.Sprintf("%s: %v %v", at, a.DType, a.Shape), n, "bytes", t.real.MaxBinding, "in one binding")
		}
		for _, n := range s.Call.Size() {
			t.limit(at, n, "workgroups", t.real.MaxGroups, "along an axis")
		}
	}
	return t.Scale.Compile(ctx, steps)
}

// limit takes down what exceeds a limit of the real device; 0 is none.
func (t *trial) limit(what string, n int, unit string, most int, where string) {
	if t.refused == nil && most > 0 && n > most {
		t.refused = fmt.Errorf("%s has %d %s, %s takes at most %d %s", what, n, unit, t.real.Description, most, where)
	}
}

// weights are the tensors that a manifest declares.
func (t *trial) weights(m *loader.Manifest) (map[string]gpu.Tensor, error) {
	tensors := map[string]gpu.Tensor{}
	for _, e := range m.Tensors {
		t.limit(e.Name, int(e.Bytes), "bytes", t.real.MaxBinding, "in one binding")
		var err error
		if tensors[e.Name], err = gpu.Alloc(t, e.Name, e.DType, e.Shape...); err != nil {
			return nil, err
		}
	}
	return tensors, nil
}

// tokens is the length of prompt and caption together for which a device must have room.
const tokens = 128

// caption records what a caption takes.
func (t *trial) caption(ctx context.Context, m *loader.Manifest, c model.Config) error {
	weights, err := t.weights(m)
	if err != nil {
		return err
	}
	f, err := model.New(t, c, weights, nil)
	if err != nil {
		return err
	}
	s, err := f.NewSession(ctx, model.Room{Tokens: min(tokens, c.LM.MaxPositions), Images: 1})
	if err != nil {
		return err
	}
	prompt := make([]int32, max(1, s.Room().Tokens-1))
	for i := range prompt {
		prompt[i] = (c.Tokens.Image + 1) % int32(c.LM.Vocab) // a word: the trial has no picture to see
	}
	_, err = s.Logits(ctx, model.Prompt{IDs: prompt})
	return err
}

// features records what the features of a picture take.
func (t *trial) features(ctx context.Context, m *loader.Manifest, c model.TowerConfig) error {
	weights, err := t.weights(m)
	if err != nil {
		return err
	}
	tower, err := model.NewTower(t, c.Vision, weights)
	if err != nil {
		return err
	}
	_, err = tower.Features(ctx, tensor.New(tensor.F32, 3, c.Preprocess.Size, c.Preprocess.Size))
	return err
}

// verdict is an error when the real device cannot run what was recorded.
func (t *trial) verdict(m *loader.Manifest) error {
	all, weights, held := int64(0), int64(0), t.Held()
	for _, n := range held {
		all += int64(n)
	}
	for _, e := range m.Tensors {
		weights += e.Bytes
	}
	kv := int64(held["KV cache"])
	needs := fmt.Sprintf("the model needs %d bytes (%d of weights, %d of KV cache, %d of activations and the rest)", all, weights, kv, all-weights-kv)
	switch {
	case t.refused != nil:
		return fmt.Errorf("%s: %w: %w, and in all %s; use a smaller model, another GPU or the CPU", m.Name, gpu.ErrLimits, t.refused, needs)
	case t.room > 0 && all > t.room:
		return fmt.Errorf("%s: %w: %s, %s holds at most %d; use a smaller model, or WebGPU", m.Name, gpu.ErrLimits, needs, t.real.Description, t.room)
	}
	return nil
}
