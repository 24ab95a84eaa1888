package model

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"flamingo/gpu"
	"flamingo/loader"
	"flamingo/tensor"
)

// openDevice opens the device under test. Builds that have WebGPU replace it when
// FLAMINGO_DEVICE=webgpu.
var openDevice = func(context.Context) (gpu.Device, error) { return gpu.NewCPU(), nil }

func testDevice(t *testing.T) gpu.Device {
	t.Helper()
	dev, err := openDevice(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(dev.Close)
	return dev
}

// A fixture is a part of a model with what a float64 reference computes from it, see
// testdata/reference.
type fixture struct {
	t             *testing.T
	dir           string
	weights, want *loader.Safetensors
}

func openFixture(t *testing.T, name string, config any) fixture {
	t.Helper()
	f := fixture{t: t, dir: filepath.Join("../testdata/families", name)}
	data, err := os.ReadFile(filepath.Join(f.dir, "config.json"))
	if err == nil {
		err = json.Unmarshal(data, config)
	}
	if err != nil {
		t.Fatal(err)
	}
	f.weights, f.want = f.open("model.safetensors"), f.open("expected.safetensors")
	return f
}

func (f fixture) open(name string) *loader.Safetensors {
	file, err := os.Open(filepath.Join(f.dir, name))
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { file.Close() })
	info, err := file.Stat()
	if err != nil {
		f.t.Fatal(err)
	}
	s, err := loader.OpenSafetensors(file, info.Size())
	if err != nil {
		f.t.Fatal(err)
	}
	return s
}

// read gives a tensor of a file: fractions as f32, numbers as i32.
func (f fixture) read(from *loader.Safetensors, name string) tensor.Tensor {
	f.t.Helper()
	e, ok := from.Find(name)
	if !ok {
		f.t.Fatalf("%s: no %s", f.dir, name)
	}
	if e.DType == "I32" {
		data, err := from.Read(name)
		if err != nil {
			f.t.Fatal(err)
		}
		return tensor.Tensor{Shape: e.Shape, DType: tensor.I32, Data: data}
	}
	v, err := from.ReadFloats(name)
	if err != nil {
		f.t.Fatal(err)
	}
	return tensor.FromF32(v, e.Shape...)
}

// upload brings all weights to a device.
func (f fixture) upload(dev gpu.Device) Weights {
	tensors := map[string]gpu.Tensor{}
	for _, e := range f.weights.Entries {
		tensors[e.Name] = f.put(dev, f.read(f.weights, e.Name))
	}
	return newWeights(tensors)
}

func (f fixture) put(dev gpu.Device, v tensor.Tensor) gpu.Tensor {
	x, err := gpu.Upload(dev, "fixture", v)
	if err != nil {
		f.t.Fatal(err)
	}
	return x
}

// compute runs a pass and compares its result with an expected tensor.
func (f fixture) compute(dev gpu.Device, want string, record func(p *gpu.Pass) gpu.Tensor) {
	f.t.Helper()
	p := gpu.NewPass(dev)
	y := record(p)
	p.Keep(y)
	plan, err := p.Compile(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	defer plan.Release()
	if err := plan.Submit(1); err != nil {
		f.t.Fatal(err)
	}
	got, err := plan.Tensor(y).Read(f.t.Context(), dev)
	if err != nil {
		f.t.Fatal(err)
	}
	expected := f.read(f.want, want)
	d := tensor.Compare(got.F32(), expected.F32())
	f.t.Logf("%s: %v", want, d)
	if !got.Shape.Equal(expected.Shape) || !(d.MaxRel <= 2e-5) {
		f.t.Errorf("%s: %s: got %v of shape %v, want %v within 2e-5", f.dir, want, d, got.Shape, expected.Shape)
	}
}

// TestResamplerVariants compares every published resampler with a reference, for as many frames as
// there are embeddings and for others.
func TestResamplerVariants(t *testing.T) {
	for variant, counts := range map[string][]int{"paper": {1, 7, 8, 9, 30}, "openflamingo": {1, 2, 3}, "mini": {1, 2, 3, 4}} {
		t.Run(variant, func(t *testing.T) {
			dev := testDevice(t)
			var c ResamplerConfig
			f := openFixture(t, "resampler-"+variant, &c)
			w := f.upload(dev)
			r := newResampler(w, c)
			if err := w.done(); err != nil {
				t.Fatal(err)
			}
			for _, frames := range counts {
				x := f.put(dev, f.read(f.want, fmt.Sprintf("frames.%d.x", frames)))
				f.compute(dev, fmt.Sprintf("frames.%d.y", frames), func(p *gpu.Pass) gpu.Tensor { return r.Forward(p, x, frames) })
			}
		})
	}
}

func TestXAttnVariants(t *testing.T) {
	for _, variant := range []string{"paper", "openflamingo", "mini"} {
		t.Run(variant, func(t *testing.T) {
			dev := testDevice(t)
			var c XAttnConfig
			f := openFixture(t, "xattn-"+variant, &c)
			w := f.upload(dev)
			y, media, phi := f.read(f.want, "y"), f.read(f.want, "media"), f.read(f.want, "phi")
			x := newGatedXAttn(w, c, y.Shape.Dim(-1), media.Shape.Dim(-1))
			if err := w.done(); err != nil {
				t.Fatal(err)
			}
			text, tokens, sees := f.put(dev, y), f.put(dev, media), f.put(dev, phi)
			f.compute(dev, "out", func(p *gpu.Pass) gpu.Tensor {
				return x.Forward(p, text, x.Media(p, tokens), sees, media.Shape[0]/3)
			})
		})
	}
}
