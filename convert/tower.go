package convert

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"flamingo/checkpoint"
	"flamingo/model"
	"flamingo/ops"
)

// The mean and standard deviation of ImageNet's pictures, which NFNets were trained with.
var (
	imageNetMean = [3]float32{0.485, 0.456, 0.406}
	imageNetStd  = [3]float32{0.229, 0.224, 0.225}
)

// flamingoSize is the side of the pictures that the paper's Flamingo sees, in pixels.
const flamingoSize = 320

// OpenNFNet opens the weights of an NFNet: with timm's dm_nfnet names, or DeepMind's file, for which
// flavour is DeepMindFlavour. A classifier's last layer is left out.
func OpenNFNet(path string, c model.NFNetConfig, flavour Flavour) (*Tower, error) {
	file, err := checkpoint.Open(path)
	if err != nil {
		return nil, fmt.Errorf("convert: %w", err)
	}
	t := &Tower{rules: rules{}, files: []io.Closer{file}}
	t.Config.Vision = model.VisionConfig{Family: "nfnet", Activation: ops.GELU, NFNetConfig: c}
	t.Config.Preprocess = model.Preprocess{Size: flamingoSize, Fit: model.FitPad, Mean: imageNetMean, Std: imageNetStd}
	if err := t.Config.Validate(); err != nil {
		file.Close()
		return nil, fmt.Errorf("convert: %s: %w", path, err)
	}
	var from tensors = file
	if flavour == DeepMindFlavour {
		t.Config.Vision.Activation = ops.GELUTanh // jax.nn.gelu's default
		if _, timm := file.Find("stem.conv1.weight"); !timm {
			from = openHaiku(file, c.Resolve().Depths)
		}
	}
	p := newPart(from)
	foldNFNet(p, c, flavour, t.rules)
	if err := p.done(among("head.fc.")); err != nil {
		file.Close()
		return nil, err
	}
	return t, nil
}

// OpenCLIP opens CLIP's image tower, in OpenAI's spelling or Hugging Face's. heads is 0 for as many
// as published towers have; embedding keeps what pictures are compared by.
func OpenCLIP(path string, heads int, embedding bool) (*Tower, error) {
	file, err := checkpoint.Open(path)
	if err != nil {
		return nil, fmt.Errorf("convert: %w", err)
	}
	t := &Tower{rules: rules{}, files: []io.Closer{file}}
	if err := t.clip(file, heads, embedding); err != nil {
		file.Close()
		return nil, err
	}
	return t, nil
}

func (t *Tower) clip(file tensors, heads int, embedding bool) error {
	f, err := findCLIP(newPart(file))
	if err != nil {
		return err
	}
	c, err := f.config(heads, embedding)
	if err != nil {
		return err
	}
	t.Config.Vision = model.VisionConfig{Family: "clip", Activation: clipActivation(true), CLIPConfig: c}
	t.Config.Preprocess = model.Preprocess{Size: clipSize(c), Fit: model.FitCrop, Mean: clipMean, Std: clipStd}
	if err := t.Config.Validate(); err != nil {
		return fmt.Errorf("convert: %s: %w", file.Path(), err)
	}
	f.rules(c, t.rules)
	return f.done(f.rest)
}

// ParseNFNet reads what an NFNet looks like: a variant from F0 to F6, or JSON with channels, depths,
// group_size, stem_channels and num_features. final is whether the features are those of the final
// convolution or of the last stage.
func ParseNFNet(text []byte, final bool) (model.NFNetConfig, error) {
	c := model.NFNetConfig{NoFinal: !final}
	if name := strings.TrimSpace(string(text)); !strings.HasPrefix(name, "{") {
		c.Variant = strings.ToUpper(strings.TrimPrefix(strings.TrimPrefix(name, "dm_"), "nfnet_"))
		return c, nil
	}
	var j struct {
		Architecture string   `json:"architecture"`
		Channels     [4]int   `json:"channels"`
		Depths       [4]int   `json:"depths"`
		GroupSize    int      `json:"group_size"`
		Stem         int      `json:"stem_channels"` // of the last of its convolutions
		Features     int      `json:"num_features"`
		Bottleneck   *float64 `json:"bottle_ratio"`
		SE           *float64 `json:"se_ratio"`
		Alpha        *float64 `json:"alpha"`
		Parameters   int      `json:"parameters"`
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&j); err != nil {
		return c, fmt.Errorf("%w: the NFNet's configuration: %w", ErrCheckpoint, err)
	}
	var errs []error
	for _, fixed := range []struct {
		name string
		got  *float64
		want float64
	}{{"bottle_ratio", j.Bottleneck, 0.5}, {"se_ratio", j.SE, 0.5}, {"alpha", j.Alpha, model.Alpha}} {
		if fixed.got != nil && *fixed.got != fixed.want {
			errs = append(errs, fmt.Errorf("%w: the NFNet's %s is %g, which is not supported; want %g", ErrCheckpoint, fixed.name, *fixed.got, fixed.want))
		}
	}
	c.Widths, c.Depths, c.GroupWidth, c.Features = j.Channels, j.Depths, j.GroupSize, j.Features
	c.Stem = [4]int{j.Stem / 8, j.Stem / 4, j.Stem / 2, j.Stem}
	return c, errors.Join(errs...)
}
