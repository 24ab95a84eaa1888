package gpu

import (
	"context"
	"slices"
)

// A Plan is a compiled pass: pipelines, bind groups and memory are settled, and submitting it
// costs one crossing into the driver.
type Plan struct {
	dev     Device
	program Program
	kept    map[int]Buffer // of temporaries that outlive the pass, by number
}

// Compile turns the recording into a Plan. Temporaries that are not alive together share buffers.
func (p *Pass) Compile(ctx context.Context) (*Plan, error) {
	if p.err != nil {
		return nil, p.err
	}
	plan := &Plan{dev: p.dev, kept: map[int]Buffer{}}
	buffers, err := p.place(plan)
	if err != nil {
		plan.Release()
		return nil, err
	}
	var steps []Dispatch
	for _, s := range p.steps {
		d := Dispatch{Op: s.op, Call: s.call, Path: s.path}
		for _, a := range s.args {
			b := a.buffer
			if b == nil {
				b = buffers[a.temp-1]
			}
			d.Args = append(d.Args, Binding{b, a.Shape, a.DType})
		}
		steps = append(steps, d)
	}
	if plan.program, err = p.dev.Compile(ctx, steps); err != nil {
		plan.Release()
		return nil, err
	}
	return plan, nil
}

// Tensor is the memory of a temporary that the pass was told to Keep.
func (p *Plan) Tensor(t Tensor) Tensor {
	if b, ok := p.kept[t.temp]; ok {
		t.buffer, t.temp = b, 0
	}
	return t
}

// Submit queues the plan, times over, and returns without waiting.
func (p *Plan) Submit(times int) error { return p.program.Submit(times) }

// Release frees what the plan alone holds, kept tensors included. The buffers of its temporaries
// stay in the arena.
func (p *Plan) Release() {
	if p == nil {
		return
	}
	if p.program != nil {
		p.program.Release()
		p.program = nil
	}
	for t, b := range p.kept {
		p.dev.Free(b)
		delete(p.kept, t)
	}
}

// place gives every temporary a buffer: from its first use to its last the buffer is its own.
func (p *Pass) place(plan *Plan) ([]Buffer, error) {
	first, last := make([]int, len(p.temps)), make([]int, len(p.temps))
	for i, s := range p.steps {
		for _, a := range s.args {
			if a.temp == 0 {
				continue
			}
			t := a.temp - 1
			if first[t] == 0 {
				first[t] = i + 1
			}
			last[t] = i + 1
		}
	}
	pool := p.dev.Arena().open(p.dev)
	buffers := make([]Buffer, len(p.temps))
	for i, s := range p.steps {
		for _, a := range s.args {
			if t := a.temp - 1; t >= 0 && first[t] == i+1 && buffers[t] == nil {
				var err error
				if p.kept[a.temp] {
					if buffers[t], err = p.dev.Alloc(p.temps[t], "kept"); err == nil {
						plan.kept[a.temp] = buffers[t]
					}
				} else {
					buffers[t], err = pool.take(p.temps[t])
				}
				if err != nil {
					return nil, err
				}
			}
		}
		for _, a := range s.args {
			if t := a.temp - 1; t >= 0 && last[t] == i+1 && !p.kept[a.temp] {
				pool.give(buffers[t])
				last[t] = 0
			}
		}
	}
	return buffers, nil
}

// An Arena owns the buffers of temporaries. Programs run one after another on one queue, so every
// plan may use the same ones.
type Arena struct{ buffers []Buffer }

// Bytes is the memory of all temporaries.
func (a *Arena) Bytes() int {
	n := 0
	for _, b := range a.buffers {
		n += b.Size()
	}
	return n
}

// An arenaUse is one plan's view of the arena: the buffers not alive at the moment, by size.
type arenaUse struct {
	dev   Device
	arena *Arena
	free  []Buffer
}

func (a *Arena) open(d Device) *arenaUse {
	u := &arenaUse{dev: d, arena: a}
	for _, b := range a.buffers {
		u.give(b)
	}
	return u
}

func (u *arenaUse) take(size int) (Buffer, error) {
	size = (max(size, 4) + 255) &^ 255
	i, _ := slices.BinarySearchFunc(u.free, size, func(b Buffer, n int) int { return b.Size() - n })
	// A far larger buffer is left for the large temporary that may follow.
	if i < len(u.free) && u.free[i].Size() <= 4*size+4096 {
		b := u.free[i]
		u.free = slices.Delete(u.free, i, i+1)
		return b, nil
	}
	b, err := u.dev.Alloc(size, "temporary")
	if err == nil {
		u.arena.buffers = append(u.arena.buffers, b)
	}
	return b, err
}

func (u *arenaUse) give(b Buffer) {
	i, _ := slices.BinarySearchFunc(u.free, b.Size(), func(b Buffer, n int) int { return b.Size() - n })
	u.free = slices.Insert(u.free, i, b)
}
