package ops

import (
	"math/rand/v2"
	"testing"

	"flamingo/gpu"
	"flamingo/tensor"
)

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

func init() {
	addRows(row{
		op: &advance, name: "one slot twice",
		inputs: func(*random) []tensor.Tensor { return []tensor.Tensor{tensor.FromI32([]int32{5, 6, 7, 8}, StateLen)} },
		record: func(p *gpu.Pass, in []gpu.Tensor) []gpu.Tensor {
			Advance(p, in[0], StateStep, 3)
			Advance(p, in[0], StateStep, -11)
			Advance(p, in[0], StateImages, 1)
			return nil
		},
		changed: []int{0},
	})
}

// A recorded step is replayed unchanged: the positions move on by themselves.
func TestAdvanceReplayed(t *testing.T) {
	ctx := t.Context()
	state, err := gpu.Alloc(device, "state", tensor.I32, StateLen)
	if err != nil {
		t.Fatal(err)
	}
	defer state.Free(device)
	p := gpu.NewPass(device)
	Advance(p, state, StatePos, 2)
	plan, err := p.Compile(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer plan.Release()
	if err := plan.Submit(5); err != nil {
		t.Fatal(err)
	}
	v, err := state.Read(ctx, device)
	if err != nil || v.I32()[StatePos] != 10 || v.I32()[StateStep] != 0 {
		t.Errorf("state %v (%v), want [10 0 0 0]", v.I32(), err)
	}
}
