package convert

import (
	"fmt"
	"io"
	"slices"
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

// NFNetSize is the side of the pictures that the paper's Flamingo sees, in pixels.
const NFNetSize = 320

// OpenNFNet opens the weights of an NFNet: with timm's dm_nfnet names, or DeepMind's file, for which
// flavour is DeepMindFlavour. A classifier's last layer is left out, and the final convolution where
// the configuration says so.
func OpenNFNet(path string, c model.NFNetConfig, flavour Flavour) (*Tower, error) {
	file, err := checkpoint.Open(path)
	if err != nil {
		return nil, fmt.Errorf("convert: %w", err)
	}
	t := &Tower{rules: rules{}, files: []io.Closer{file}}
	t.Config.Vision = model.VisionConfig{Family: "nfnet", Activation: ops.GELU, NFNetConfig: c}
	t.Config.Preprocess = model.Preprocess{Size: NFNetSize, Fit: model.FitPad, Mean: imageNetMean, Std: imageNetStd}
	if err := t.Config.Validate(); err != nil {
		file.Close()
		return nil, fmt.Errorf("convert: %s: %w", path, err)
	}
	if flavour == DeepMindFlavour {
		t.Config.Vision.Activation = ops.GELUTanh // jax.nn.gelu's default
	}
	from, err := nfnetTensors(file, c.Resolve().Depths, flavour)
	if err != nil {
		file.Close()
		return nil, err
	}
	p := newPart(from)
	foldNFNet(p, c, flavour, t.rules)
	unused := []string{"head.fc."}
	if c.NoFinal {
		unused = append(unused, "final_conv.") // it is in the file all the same
	}
	if err := p.done(among(unused...)); err != nil {
		file.Close()
		return nil, err
	}
	return t, nil
}

// nfnetTensors finds out whose names a file has and presents it under timm's.
func nfnetTensors(file tensors, depths [4]int, flavour Flavour) (tensors, error) {
	_, timm := file.Find("stem.conv1.weight")
	_, deepMind := file.Find(haikuRoot + "stem_conv0/w")
	switch {
	case timm && !slices.ContainsFunc(file.Entries(), func(e checkpoint.Entry) bool { return strings.HasSuffix(e.Name, ".skipinit_gain") }):
		return nil, fmt.Errorf("%w: %s: no block has a skipinit_gain: this is one of timm's own nfnet_f*, which pad and scale differently; want a dm_nfnet_f*",
			ErrCheckpoint, file.Path())
	case timm:
		return file, nil
	case deepMind && flavour != DeepMindFlavour:
		return nil, fmt.Errorf("%w: %s: the names are DeepMind's, whose weights are standardised differently; convert with --flavour deepmind", ErrCheckpoint, file.Path())
	case deepMind:
		return openHaiku(file, depths), nil
	}
	return nil, fmt.Errorf("%w: %s: got no NFNet, want stem.conv1.weight (timm) or %sstem_conv0/w (DeepMind)%s",
		ErrCheckpoint, file.Path(), haikuRoot, newPart(file).sample())
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
