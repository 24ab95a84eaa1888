package runtime

import (
	"context"
	"errors"

	"flamingo/gpu"
	"flamingo/loader"
	"flamingo/model"
)

// codes are the stable names of errors, the more particular ones first.
var codes = []struct {
	err  error
	code string
}{
	{context.Canceled, "aborted"},
	{gpu.ErrNoWebGPU, "webgpu-unavailable"},
	{gpu.ErrNoAdapter, "no-adapter"},
	{gpu.ErrLimits, "limits-too-small"},
	{gpu.ErrDeviceLost, "device-lost"},
	{gpu.ErrOutOfMemory, "out-of-memory"},
	{loader.ErrOffline, "offline"},
	{loader.ErrIntegrity, "integrity"},
	{loader.ErrQuota, "quota-exceeded"},
	{loader.ErrCORS, "cors"},
	{loader.ErrNetwork, "network"},
	{loader.ErrManifest, "invalid-model"},
	{model.ErrConfig, "unsupported-model"},
	{model.ErrWeights, "invalid-model"},
	{model.ErrOption, "invalid-option"},
}

// Code is the stable name by which a program tells an error from others; "internal" is one that
// nobody foresaw.
func Code(err error) string {
	for _, c := range codes {
		if errors.Is(err, c.err) {
			return c.code
		}
	}
	return "internal"
}
