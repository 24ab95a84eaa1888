//go:build js || webgpu

package model

import (
	"context"
	"os"

	"flamingo/gpu"
	"flamingo/gpu/webgpu"
)

func init() {
	if os.Getenv("FLAMINGO_DEVICE") == "webgpu" {
		openDevice = func(ctx context.Context) (gpu.Device, error) { return webgpu.Open(ctx, webgpu.Options{}) }
	}
}
