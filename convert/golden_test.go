package convert

import (
	"context"
	"fmt"
	"os"
	"testing"

	"flamingo/gpu"
	"flamingo/loader"
	"flamingo/model"
	"flamingo/tensor"
)

// openDevice opens the device under test. Builds that have WebGPU replace it when
// FLAMINGO_DEVICE=webgpu.
var openDevice = func(context.Context) (gpu.Device, error) { return gpu.NewCPU(), nil }

var device gpu.Device

func TestMain(m *testing.M) {
	var err error
	if device, err = openDevice(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("device:", device.Info().Description)
	code := m.Run()
	device.Close()
	os.Exit(code)
}

// golden reads a file of expected values.
type golden struct {
	t    *testing.T
	file *loader.Safetensors
}

func openGolden(t *testing.T, path string) golden {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	s, err := loader.OpenSafetensors(file, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	return golden{t, s}
}

func (g golden) floats(name string) tensor.Tensor {
	g.t.Helper()
	e, ok := g.file.Find(name)
	if !ok {
		g.t.Fatalf("golden has no %s", name)
	}
	v, err := g.file.ReadFloats(name)
	if err != nil {
		g.t.Fatal(err)
	}
	return tensor.FromF32(v, e.Shape...)
}

func (g golden) ints(name string) []int32 {
	g.t.Helper()
	data, err := g.file.Read(name)
	if err != nil {
		g.t.Fatal(err)
	}
	return tensor.Tensor{DType: tensor.I32, Data: data}.I32()
}

// near wants got within rel of the largest wanted value.
func near(t *testing.T, what string, got, want tensor.Tensor, rel float64) {
	t.Helper()
	d := tensor.Compare(got.F32(), want.F32())
	t.Logf("%s: %v", what, d)
	if !(d.MaxRel <= rel) {
		t.Errorf("%s: got %v of shape %v, want %v within %g", what, d, got.Shape, want.Shape, rel)
	}
}

// TestNFNetGolden compares an encoder with what the upstream implementation computes, odd sizes
// included.
func TestNFNetGolden(t *testing.T) {
	text, err := os.ReadFile("../testdata/nfnet-nano/config.json")
	if err != nil {
		t.Fatal(err)
	}
	c, err := ParseNFNet(text, true)
	if err != nil {
		t.Fatal(err)
	}
	file, err := OpenNFNet("../testdata/nfnet-nano/model.safetensors", c, TimmFlavour)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	tower, err := file.Upload(device, tensor.F32)
	if err != nil {
		t.Fatal(err)
	}
	g := openGolden(t, "../testdata/nfnet-nano/expected.safetensors")
	for _, name := range []string{"0", "1"} {
		got, err := tower.Features(context.Background(), g.floats(name+".image"))
		if err != nil {
			t.Fatal(err)
		}
		near(t, name+".features", got, g.floats(name+".features"), 1e-4)
	}
}

var nano = "../testdata/nano"

func openNano(t *testing.T, d tensor.DType) *model.Flamingo {
	t.Helper()
	c, err := OpenNative(nano)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	m, err := c.Upload(device, d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// TestNanoGolden compares every stage of the whole model with PyTorch's.
func TestNanoGolden(t *testing.T) {
	ctx := context.Background()
	m := openNano(t, tensor.F32)
	g := openGolden(t, nano+"/golden.safetensors")
	for _, name := range []string{"0", "1"} {
		ids := g.ints(name + ".ids")
		s, err := m.NewSession(ctx, model.Room{Tokens: len(ids) + 1, Images: 1})
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Logits(ctx, model.Prompt{IDs: ids, Media: []model.Media{model.Preprocessed(g.floats(name + ".image"))}})
		if err != nil {
			t.Fatal(err)
		}
		near(t, name+".features", read(t, m.Features()), g.floats(name+".features"), 1e-4)
		near(t, name+".visual_tokens", read(t, m.VisualTokens()), g.floats(name+".visual_tokens"), 1e-4)
		want := g.floats(name + ".logits")
		v := want.Shape.Dim(-1)
		near(t, name+".logits", got, tensor.FromF32(want.F32()[(len(ids)-1)*v:], 1, v), 1e-4)
		s.Close()
	}
}
