//go:build !js

package convert

import (
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flamingo/checkpoint"
	"flamingo/loader"
	"flamingo/model"
	"flamingo/tensor"
)

// contents are the tensors of a file of weights, as f32.
type contents map[string]tensor.Tensor

func readContents(t *testing.T, file tensors) contents {
	t.Helper()
	list := contents{}
	for _, e := range file.Entries() {
		if strings.HasPrefix(e.DType, "I") || e.DType == "BOOL" {
			continue // buffers
		}
		e, _ = file.Find(e.Name)
		x, err := file.Floats(e.Name, 0, e.Shape.Len())
		if err != nil {
			t.Fatal(err)
		}
		list[e.Name] = tensor.FromF32(x, e.Shape...)
	}
	return list
}

func openContents(t *testing.T, path string) contents {
	t.Helper()
	file, err := checkpoint.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	return readContents(t, file)
}

// torch writes them as torch.save does.
func (c contents) torch(t *testing.T, path string) {
	t.Helper()
	var list []checkpoint.Weight
	for _, name := range slices.Sorted(maps.Keys(c)) {
		x := c[name].F32()
		list = append(list, checkpoint.Weight{Name: name, DType: "F32", Shape: c[name].Shape, Data: func(from, to int) ([]float32, error) { return x[from:to], nil }})
	}
	if err := checkpoint.WriteTorch(path, list); err != nil {
		t.Fatal(err)
	}
}

func (c contents) safetensors(t *testing.T, path string) {
	t.Helper()
	if err := loader.SaveSafetensors(path, c); err != nil {
		t.Fatal(err)
	}
}

// timmContents are the fixture's weights under timm's names.
func timmContents(t *testing.T) contents {
	t.Helper()
	file, err := checkpoint.Open(haikuFile)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	return readContents(t, openHaiku(file, haikuConfig(t, true).Depths))
}

// TestNFNetFlavours opens the same weights under timm's names: with DeepMind's standardisation they
// are DeepMind's encoder, with timm's they are another.
func TestNFNetFlavours(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model.safetensors")
	timmContents(t).safetensors(t, path)
	c := haikuConfig(t, true)
	want := openGolden(t, filepath.Join(nfnetHaiku, "expected.safetensors")).floats("1.features")
	absolute(t, "timm's names, DeepMind's flavour", nfnetFeatures(t, openTower(t, path, c, DeepMindFlavour), "1"), want, 1e-4)

	other := tensor.Compare(nfnetFeatures(t, openTower(t, path, c, TimmFlavour), "1").F32(), want.F32())
	t.Logf("timm's flavour: %v", other)
	if !(other.MaxAbs > 0.01 && other.MaxAbs < 0.5) {
		t.Errorf("the flavours differ by %g, want 0.01 to 0.5", other.MaxAbs)
	}
}

// TestNFNetRefused opens files that are not the encoder that was asked for.
func TestNFNetRefused(t *testing.T) {
	sound := haikuConfig(t, true)
	for _, row := range []struct {
		name    string
		flavour Flavour
		file    func(c contents)         // changes timm's names; nil for DeepMind's file
		config  func(*model.NFNetConfig) // nil for the fixture's
		want    []string
	}{
		{
			"timm's own nfnet_f*", TimmFlavour,
			func(c contents) {
				maps.DeleteFunc(c, func(name string, _ tensor.Tensor) bool { return strings.HasSuffix(name, "skipinit_gain") })
			},
			nil, []string{"no block has a skipinit_gain", "nfnet_f*", "want a dm_nfnet_f*"},
		},
		{
			"the same with DeepMind's flavour", DeepMindFlavour,
			func(c contents) {
				maps.DeleteFunc(c, func(name string, _ tensor.Tensor) bool { return strings.HasSuffix(name, "skipinit_gain") })
			},
			nil, []string{"no block has a skipinit_gain"},
		},
		{
			"one gain is missing", TimmFlavour, func(c contents) { delete(c, "stages.1.0.skipinit_gain") },
			nil, []string{"stages.1.0.skipinit_gain is missing, want ["},
		},
		{"DeepMind's file as timm's", TimmFlavour, nil, nil, []string{"the names are DeepMind's", "--flavour deepmind"}},
		{
			"another model", DeepMindFlavour,
			func(c contents) {
				clear(c)
				c["visual.proj"] = tensor.New(tensor.F32, 1)
			},
			nil, []string{"got no NFNet, want stem.conv1.weight", "the file holds visual.proj"},
		},
		{
			"a deeper variant", DeepMindFlavour, nil, func(c *model.NFNetConfig) { c.Depths[3] = 2 },
			[]string{"stages.3.1.conv1.weight is missing, want [48,96,1,1]"},
		},
		{
			"a shallower one", DeepMindFlavour, nil, func(c *model.NFNetConfig) { c.Depths[3]--; c.Depths[2]-- },
			[]string{"vision.depths[3] is 0"},
		},
		{
			"a block less", DeepMindFlavour, nil, func(c *model.NFNetConfig) { c.Depths[2]-- },
			[]string{"NFNet/~/nf_block_6/~/conv0/gain is not part of this model"},
		},
		{
			"another width", DeepMindFlavour, nil, func(c *model.NFNetConfig) { c.Widths[0] = 64 },
			[]string{"stages.0.0.conv2.weight is [16,16,3,3], want [32,16,3,3]"},
		},
		{
			"F0", DeepMindFlavour, nil, func(c *model.NFNetConfig) { *c = model.NFNetConfig{Variant: "F0"} },
			[]string{"stem.conv1.weight is [2,3,3,3], want [16,3,3,3]", "and ", " more"},
		},
		{
			"final_conv is missing", TimmFlavour, func(c contents) { delete(c, "final_conv.weight") },
			nil, []string{"final_conv.weight is missing, want [128,96,1,1]"},
		},
		{
			"final_conv that the configuration does not know", DeepMindFlavour, nil, func(c *model.NFNetConfig) { c.Features = 0 },
			[]string{"final_conv.weight is not part of this model"},
		},
		{
			"an extra tensor", TimmFlavour, func(c contents) { c["stages.0.0.attn.weight"] = tensor.New(tensor.F32, 3) },
			nil, []string{"stages.0.0.attn.weight is not part of this model"},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			c, path := sound, haikuFile
			if row.config != nil {
				row.config(&c)
			}
			if row.file != nil {
				list := timmContents(t)
				row.file(list)
				path = filepath.Join(t.TempDir(), "model.safetensors")
				list.safetensors(t, path)
			}
			tower, err := OpenNFNet(path, c, row.flavour)
			if err == nil {
				tower.Close()
				t.Fatal("the file was opened")
			}
			for _, want := range append(row.want, filepath.Base(path)) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q in it", err, want)
				}
			}
			if !errors.Is(err, ErrCheckpoint) && !errors.Is(err, model.ErrConfig) {
				t.Errorf("got %v, want an ErrCheckpoint or an ErrConfig", err)
			}
		})
	}
}
