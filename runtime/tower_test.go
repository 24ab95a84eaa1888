//go:build !js

package runtime

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flamingo/gpu"
	"flamingo/loader"
	"flamingo/model"
	"flamingo/ops"
	"flamingo/tensor"
)

// towerConfig is a CLIP of a few thousand weights.
var towerConfig = model.TowerConfig{
	Vision: model.VisionConfig{Family: "clip", Activation: ops.GELU, CLIPConfig: model.CLIPConfig{
		Patch: 8, Width: 32, Depth: 1, Heads: 2, Hidden: 64, Positions: 17, Embed: 16,
	}},
	Preprocess: model.Preprocess{Size: 32, Fit: model.FitCrop, Std: [3]float32{1, 1, 1}},
}

// lone writes a vision encoder of random weights, and gives them.
func lone(t *testing.T) (dir string, weights map[string]tensor.Tensor) {
	t.Helper()
	rng, weights := rand.New(rand.NewPCG(1, 2)), map[string]tensor.Tensor{}
	var list []loader.Weight
	for _, e := range model.VisionSpec(towerConfig.Vision) {
		v := make([]float32, e.Shape.Len())
		for i := range v {
			v[i] = float32(rng.NormFloat64())
		}
		x := tensor.FromF32(v, e.Shape...)
		weights[e.Name] = x
		list = append(list, loader.Weight{Name: e.Name, DType: tensor.F32, Shape: e.Shape, Data: func() ([]byte, error) { return x.Data, nil }})
	}
	config, err := json.Marshal(towerConfig)
	if err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(t.TempDir(), "lone")
	if _, err := loader.Write(loader.WriteOptions{Dir: dir, Name: "lone", Config: config}, list); err != nil {
		t.Fatal(err)
	}
	return dir, weights
}

func TestLoadTower(t *testing.T) {
	dir, weights := lone(t)
	dev := gpu.NewCPU()
	var phases []string
	l, err := LoadTower(t.Context(), dev, Options{Location: dir, Progress: func(phase string, _, _, _ int64) { phases = append(phases, phase) }})
	if err != nil {
		t.Fatal(err)
	}
	if phases = slices.Compact(phases); !slices.Equal(phases, []string{PhaseManifest, PhaseFetch, PhaseReady}) {
		t.Errorf("phases %v", phases)
	}
	if l.Config != towerConfig || l.Manifest.Name != "lone" || l.Result.FromNetwork != l.Manifest.Bytes() {
		t.Errorf("got %+v", l)
	}
	tensors := map[string]gpu.Tensor{}
	for name, x := range weights {
		if tensors[name], err = gpu.Upload(dev, name, x); err != nil {
			t.Fatal(err)
		}
	}
	same, err := model.NewTower(dev, towerConfig.Vision, tensors)
	if err != nil {
		t.Fatal(err)
	}
	planes := make([]float32, 3*32*32)
	for i := range planes {
		planes[i] = float32(i%7) - 3
	}
	picture := tensor.FromF32(planes, 3, 32, 32)
	got, err := l.Tower.Features(t.Context(), picture)
	if err != nil {
		t.Fatal(err)
	}
	want, err := same.Features(t.Context(), picture)
	if err != nil || !slices.Equal(got.Data, want.Data) || !slices.Equal(got.Shape, tensor.Shape{32, 4, 4}) {
		t.Errorf("features %v differ from those of the weights that were written: %v", got.Shape, err)
	}
	if _, err := l.Tower.Embedding(t.Context(), picture); err != nil {
		t.Error(err)
	}
}

func TestTowersAndModelsAreToldApart(t *testing.T) {
	dir, _ := lone(t)
	if _, err := Load(t.Context(), gpu.NewCPU(), Options{Location: dir}); !errors.Is(err, ErrTower) || Code(err) != "unsupported-model" ||
		!strings.HasSuffix(err.Error(), "use `flamingo features`") {
		t.Errorf("a tower as a model: %v", err)
	}
	_, err := LoadTower(t.Context(), gpu.NewCPU(), Options{Location: tiny(t)})
	if Code(err) != "unsupported-model" || !strings.Contains(err.Error(), "this is a whole model") {
		t.Errorf("a model as a tower: %v", err)
	}
}

func TestLoadTowerFailsCleanly(t *testing.T) {
	for _, c := range []struct {
		name     string
		from, to string // in the manifest
		info     limits
		fail     string
		code     string
		part     string
		reads    int // at most
	}{
		{name: "another shape", from: `"name":"vision.norm.weight","dtype":"f32","shape":[32]`, to: `"name":"vision.norm.weight","dtype":"f32","shape":[4,8]`,
			code: "invalid-model", part: "vision.norm.weight is [4,8], want [32]", reads: 1},
		{name: "another name", from: `"vision.norm.weight"`, to: `"vision.norm.heavy"`,
			code: "invalid-model", part: "vision.norm.heavy is not part of this model", reads: 1},
		{name: "an unknown field", from: `"width":32`, to: `"breadth":32`, code: "unsupported-model", part: "breadth", reads: 1},
		{name: "buffers too small", info: limits{buffer: 1000}, code: "limits-too-small", part: "at most 1000 in one buffer", reads: 1},
		{name: "too few workgroups", info: limits{groups: 1}, code: "limits-too-small", part: "at most 1 along an axis", reads: 1},
		{name: "a device that is full", info: limits{allocations: 5}, code: "out-of-memory", part: "no room", reads: 2},
		{name: "weights that do not come", fail: "model-", code: "network", part: "the disk is gone", reads: 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, _ := lone(t)
			if c.from != "" {
				edit(t, filepath.Join(dir, loader.ManifestName), c.from, c.to)
			}
			source := &counted{DirSource: loader.DirSource(dir), fail: c.fail}
			dev := &limited{gpu.NewCPU(), c.info}
			_, err := LoadTower(t.Context(), dev, Options{Location: dir, Source: source})
			if err == nil || Code(err) != c.code || !strings.Contains(err.Error(), c.part) {
				t.Fatalf("got %v; want %s that says %q", err, c.code, c.part)
			}
			if n := left(dev); n != 0 {
				t.Errorf("%d bytes are left on the device", n)
			}
			slices.Sort(source.reads)
			if files := slices.Compact(source.reads); len(files) > c.reads {
				t.Errorf("read %v, want at most %d of them", files, c.reads)
			}
		})
	}
}
