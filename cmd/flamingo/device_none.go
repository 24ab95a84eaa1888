//go:build !webgpu || !cgo

package main

import (
	"context"
	"fmt"

	"flamingo/gpu"
)

// What --device takes.
const (
	devices       = "cpu,webgpu"
	defaultDevice = "cpu"
)

// openDevice opens the CPU: what else there is needs cgo and a large library, which not everyone
// wants to build.
func (p *program) openDevice(_ context.Context, kind string) (gpu.Device, error) {
	if kind == "cpu" {
		return gpu.NewCPU(), nil
	}
	return nil, fmt.Errorf("--device %s: %w: this program was built without it: rebuild with -tags webgpu (needs cgo)", kind, gpu.ErrNoWebGPU)
}
