//go:build webgpu && cgo

package main

import (
	"context"
	"errors"
	"fmt"

	"flamingo/gpu"
	"flamingo/gpu/webgpu"
)

// What --device takes.
const (
	devices       = "auto,cpu,webgpu"
	defaultDevice = "auto"
)

// openDevice opens what is asked for; auto is WebGPU, or the CPU with a word about why.
func (p *program) openDevice(ctx context.Context, kind string) (gpu.Device, error) {
	if kind == "cpu" {
		return gpu.NewCPU(), nil
	}
	dev, err := webgpu.Open(ctx, webgpu.Options{})
	if err != nil && kind == "auto" && (errors.Is(err, gpu.ErrNoWebGPU) || errors.Is(err, gpu.ErrNoAdapter) || errors.Is(err, gpu.ErrLimits)) {
		fmt.Fprintf(p.err, "flamingo: note: running on the CPU: %v\n", err)
		return gpu.NewCPU(), nil
	}
	return dev, err
}
