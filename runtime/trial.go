package runtime

import (
	"context"

	"flamingo/gpu"
	"flamingo/loader"
	"flamingo/tensor"
)

// A trial is a gpu.Device that only weighs: its buffers have sizes and no bytes, and nothing runs.
// With it the model's own code tells, before anything is downloaded, what it is made of.
type trial struct {
	info  gpu.Info // of the device that is tried
	arena gpu.Arena
}

type weight int

func (w weight) Size() int { return int(w) }

func (t *trial) Info() gpu.Info    { return t.info }
func (t *trial) Stats() gpu.Stats  { return gpu.Stats{} }
func (t *trial) Arena() *gpu.Arena { return &t.arena }
func (t *trial) Close()            {}

func (t *trial) Alloc(size int, _ string) (gpu.Buffer, error) { return weight(size), nil }
func (t *trial) Free(gpu.Buffer)                              {}
func (t *trial) Write(gpu.Buffer, int, tensor.Bytes) error    { return nil }

func (t *trial) Fetch(gpu.Buffer, int, int) (gpu.Fetch, error)                { return nothing{}, nil }
func (t *trial) Compile(context.Context, []gpu.Dispatch) (gpu.Program, error) { return nothing{}, nil }

// weights are the tensors that a manifest declares.
func (t *trial) weights(m *loader.Manifest) (map[string]gpu.Tensor, error) {
	tensors := map[string]gpu.Tensor{}
	for _, e := range m.Tensors {
		var err error
		if tensors[e.Name], err = gpu.Alloc(t, e.Name, e.DType, e.Shape...); err != nil {
			return nil, err
		}
	}
	return tensors, nil
}

// nothing is a program that does not run and a copy of no bytes.
type nothing struct{}

func (nothing) Submit(int) error                   { return nil }
func (nothing) Release()                           {}
func (nothing) Wait(context.Context, []byte) error { return nil }
