package convert

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"flamingo/gpu"
	"flamingo/loader"
	"flamingo/model"
)

// TestFullTower runs a converted vision encoder at full size on the device under test, and compares
// its features with those that `flamingo features` computed on the CPU: FLAMINGO_TOWER names the
// encoder's directory, which holds case.safetensors with 0.image, and features.safetensors with the
// features. `make full-nfnet` makes both.
func TestFullTower(t *testing.T) {
	dir := os.Getenv("FLAMINGO_TOWER")
	if dir == "" {
		t.Skip("set FLAMINGO_TOWER to run this test, or use make full-nfnet")
	}
	data, err := os.ReadFile(filepath.Join(dir, loader.ManifestName))
	if err != nil {
		t.Fatal(err)
	}
	m, err := loader.ParseManifest(data)
	if err != nil {
		t.Fatal(err)
	}
	var c model.TowerConfig
	if err := json.Unmarshal(m.Config, &c); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	tensors := map[string]gpu.Tensor{}
	for i, f := range m.Files {
		file, err := os.Open(filepath.Join(dir, f.Path))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		for _, e := range m.Tensors {
			if e.File != i {
				continue
			}
			v, err := (storedTensor{e, file}).value()
			if err != nil {
				t.Fatal(err)
			}
			if tensors[e.Name], err = gpu.Upload(device, e.Name, v); err != nil {
				t.Fatal(err)
			}
		}
	}
	tower, err := model.NewTower(device, c.Vision, tensors)
	if err != nil {
		t.Fatal(err)
	}
	defer tower.Close()
	t.Logf("%d parameters are on the device after %v", m.Parameters(), time.Since(began))
	began = time.Now()
	got, err := tower.Features(t.Context(), openGolden(t, filepath.Join(dir, "case.safetensors")).floats("0.image"))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("features after %v", time.Since(began))
	near(t, "features", got, openGolden(t, filepath.Join(dir, "features.safetensors")).floats("features"), 1e-3)
}
