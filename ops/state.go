package ops

import "flamingo/gpu"

// The state of a running prompt is one small i32 tensor on the device, so that a recorded step can
// be replayed unchanged. These are its elements.
const (
	StatePos    = iota // tokens in the KV cache
	StateStep          // tokens generated
	StateImages        // images whose keys and values are cached
	StateFrames        // frames encoded of the image at hand
	StateLen
)

var advance = gpu.Op{
	Name: "advance",
	Out:  []string{"state"},
	CPU:  advanceCPU,
}

type advanceParams struct {
	Slot uint32
	By   int32
}

// Advance adds by to element slot of state.
func Advance(p *gpu.Pass, state gpu.Tensor, slot, by int) {
	p.Want(&advance, 0, state, StateLen)
	if slot < 0 || slot >= StateLen {
		p.Fail(&advance, "slot %d, want 0 to %d", slot, StateLen-1)
	}
	p.Run(&advance, gpu.Call{Params: advanceParams{uint32(slot), int32(by)}}, state)
}

func advanceCPU(r *gpu.Run) {
	p := r.Params.(advanceParams)
	r.I32(0)[p.Slot] += p.By
}

// spread covers n threads with workgroups of size wg over two axes, since one axis may not hold
// them all. A kernel gets its number as (wg.y·groups.x + wg.x)·WG + lane, and checks it against n.
func spread(n, wg int) [3]int {
	const most = 32768
	groups := (n + wg - 1) / wg
	x := min(max(groups, 1), most)
	return [3]int{x, (groups + x - 1) / x}
}
