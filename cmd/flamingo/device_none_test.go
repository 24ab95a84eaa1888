//go:build !webgpu || !cgo

package main

import (
	"strings"
	"testing"
)

func TestWithoutWebGPU(t *testing.T) {
	status, _, errs := flamingo(t, nil, "caption", "--model", tinyModel(t), "--device", "webgpu", "a.png")
	if status != statusFailed || !strings.Contains(errs, "webgpu-unavailable") || !strings.Contains(errs, "rebuild with -tags webgpu (needs cgo)") {
		t.Errorf("status %d, %s", status, errs)
	}
}
