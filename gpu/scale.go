package gpu

import (
	"context"
	"maps"

	"flamingo/tensor"
)

// A Scale is a Device that only weighs: its buffers have sizes and no bytes, and what is submitted to
// it does not run. A model's own code, recorded on it, tells what it needs of a device.
type Scale struct {
	info      Info
	arena     Arena
	now, most map[string]int // bytes alive by label, and the most they were
}

type weight struct {
	size  int
	label string
}

func (w weight) Size() int { return w.size }

// NewScale returns a Scale that says this of itself. It keeps to no limit.
func NewScale(info Info) *Scale {
	return &Scale{info: info, now: map[string]int{}, most: map[string]int{}}
}

func (s *Scale) Info() Info    { return s.info }
func (s *Scale) Stats() Stats  { return Stats{} }
func (s *Scale) Arena() *Arena { return &s.arena }
func (s *Scale) Close()        {}

// Alloc counts a buffer, in whole words as devices do.
func (s *Scale) Alloc(size int, label string) (Buffer, error) {
	size = (max(size, 4) + 3) &^ 3
	s.now[label] += size
	s.most[label] = max(s.most[label], s.now[label])
	return weight{size, label}, nil
}

func (s *Scale) Free(b Buffer) {
	w := b.(weight)
	s.now[w.label] -= w.size
}

func (s *Scale) Write(Buffer, int, tensor.Bytes) error { return nil }

func (s *Scale) Fetch(Buffer, int, int) (Fetch, error) { return nothing{}, nil }

func (s *Scale) Compile(context.Context, []Dispatch) (Program, error) { return nothing{}, nil }

// Held is how many bytes are alive, by label.
func (s *Scale) Held() map[string]int { return maps.Clone(s.now) }

// Most is how many bytes of a label were alive at once.
func (s *Scale) Most(label string) int { return s.most[label] }

// nothing is a program that does not run and a copy of no bytes.
type nothing struct{}

func (nothing) Submit(int) error                   { return nil }
func (nothing) Release()                           {}
func (nothing) Wait(context.Context, []byte) error { return nil }
