//go:build !js

package convert

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"

	"flamingo/gpu"
	"flamingo/loader"
	"flamingo/model"
	"flamingo/tensor"
)

// A Divergence is how far storage moves the logits after a fixed prompt about the test card.
type Divergence struct {
	MaxAbs  float64 // largest difference of a logit
	RMS     float64 // root mean square of the differences
	KL      float64 // nats from the f32 distribution to the stored one
	SameTop bool    // the likeliest token is the same
}

// Check reads a converted model again: every sum, every tensor against the checkpoint, and the
// logits against those of the checkpoint as f32. Both models run on the CPU, tensor by tensor, so
// that it needs little memory and, for a large model, minutes.
func (c *Checkpoint) Check(ctx context.Context, dir string, r *Report) (Divergence, error) {
	m, err := checkFiles(dir)
	if err != nil {
		return Divergence{}, err
	}
	stored, done, err := openStored(dir, m)
	if err != nil {
		return Divergence{}, err
	}
	defer done()
	for i, e := range model.Spec(c.Config) {
		if err := ctx.Err(); err != nil {
			return Divergence{}, context.Cause(ctx)
		}
		t, ok := stored[e.Name]
		if !ok {
			return Divergence{}, fmt.Errorf("%w: %s: %s is missing", ErrCheckpoint, dir, e.Name)
		}
		packed, err := t.value()
		if err != nil {
			return Divergence{}, err
		}
		v, err := c.rules.values(e)
		if err != nil {
			return Divergence{}, err
		}
		got, err := distance(packed, v)
		if err != nil {
			return Divergence{}, err
		}
		if want := r.Tensors[i].Error; math.Abs(got-want) > 1e-9+1e-6*want {
			return Divergence{}, fmt.Errorf("%w: %s: %s is not what was written: its rms error is %g, want %g", ErrCheckpoint, dir, e.Name, got, want)
		}
	}
	return c.diverge(ctx, stored)
}

// checkFiles compares every file with its sum.
func checkFiles(dir string) (*loader.Manifest, error) {
	data, err := os.ReadFile(filepath.Join(dir, loader.ManifestName))
	if err != nil {
		return nil, fmt.Errorf("convert: %w", err)
	}
	m, err := loader.ParseManifest(data)
	if err != nil {
		return nil, fmt.Errorf("convert: %s: %w", dir, err)
	}
	for _, f := range m.Files {
		path := filepath.Join(dir, f.Path)
		file, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("convert: %w", err)
		}
		sum := sha256.New()
		n, err := io.Copy(sum, file)
		file.Close()
		if err != nil {
			return nil, fmt.Errorf("convert: %s: %w", path, err)
		}
		if got := hex.EncodeToString(sum.Sum(nil)); n != f.Bytes || got != f.SHA256 {
			return nil, fmt.Errorf("%w: %s: SHA-256 is %s over %d bytes, want %s over %d", ErrCheckpoint, path, got, n, f.SHA256, f.Bytes)
		}
	}
	return m, nil
}

func openStored(dir string, m *loader.Manifest) (list map[string]storedTensor, done func(), err error) {
	var files []*os.File
	done = func() {
		for _, f := range files {
			f.Close()
		}
	}
	for _, f := range m.Files {
		file, err := os.Open(filepath.Join(dir, f.Path))
		if err != nil {
			done()
			return nil, nil, fmt.Errorf("convert: %w", err)
		}
		files = append(files, file)
	}
	list = map[string]storedTensor{}
	for _, t := range m.Tensors {
		list[t.Name] = storedTensor{t, files[t.File]}
	}
	return list, done, nil
}

// diverge runs the checkpoint as f32 and the stored model on the test card.
func (c *Checkpoint) diverge(ctx context.Context, stored map[string]storedTensor) (Divergence, error) {
	want, err := c.logits(ctx, func(dev gpu.Device, e model.Entry) (gpu.Tensor, error) {
		return gpu.AllocLazy(dev, e.Name, tensor.F32, e.Shape, func() ([]byte, error) {
			t, _, err := pack(c.rules, e, tensor.F32)
			return t.Data, err
		})
	})
	if err != nil {
		return Divergence{}, err
	}
	got, err := c.logits(ctx, func(dev gpu.Device, e model.Entry) (gpu.Tensor, error) {
		t := stored[e.Name]
		return gpu.AllocLazy(dev, e.Name, t.DType, t.Shape, t.bytes)
	})
	if err != nil {
		return Divergence{}, err
	}
	return compareLogits(got, want), nil
}

// logits runs the test card on the CPU with weights that are made as they are needed.
func (c *Checkpoint) logits(ctx context.Context, weight func(gpu.Device, model.Entry) (gpu.Tensor, error)) ([]float32, error) {
	dev := gpu.NewCPU()
	defer dev.Close()
	words, err := c.words()
	if err != nil {
		return nil, err
	}
	tensors := map[string]gpu.Tensor{}
	for _, e := range model.Spec(c.Config) {
		if tensors[e.Name], err = weight(dev, e); err != nil {
			return nil, err
		}
	}
	m, err := model.New(dev, c.Config, tensors, words)
	if err != nil {
		return nil, err
	}
	return m.TestCardLogits(ctx)
}

// compareLogits compares two vectors of logits.
func compareLogits(got, want []float32) Divergence {
	d := Divergence{SameTop: true}
	top := func(v []float32) (best int, sum float64) {
		for i, x := range v {
			if x > v[best] {
				best = i
			}
		}
		for _, x := range v {
			sum += math.Exp(float64(x - v[best]))
		}
		return best, float64(v[best]) + math.Log(sum)
	}
	gotTop, gotSum := top(got)
	wantTop, wantSum := top(want)
	for i, w := range want {
		off := float64(got[i]) - float64(w)
		d.MaxAbs = max(d.MaxAbs, math.Abs(off))
		d.RMS += off * off / float64(len(want))
		d.KL += math.Exp(float64(w)-wantSum) * ((float64(w) - wantSum) - (float64(got[i]) - gotSum))
	}
	d.RMS, d.SameTop = math.Sqrt(d.RMS), gotTop == wantTop
	return d
}
