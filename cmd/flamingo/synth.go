package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"flamingo/convert"
	"flamingo/loader"
	"flamingo/model"
	"flamingo/tensor"
)

type synthCommand struct {
	Config string `arg:"" optional:"" help:"config.json of the model."`
	Like   string `placeholder:"NAME" help:"Instead, write the files of a release such as OpenFlamingo-3B-vitl-mpt1b, or of an NFNet such as NFNet-F6, at full size as they are published, to be converted."`
	Seed   uint64 `default:"1" help:"Seed of the random weights."`
	conversion
}

func (c *synthCommand) Run(ctx context.Context, p *program) error {
	switch {
	case c.Like != "" && c.Config != "":
		return fmt.Errorf("%w: give a configuration or --like, not both", model.ErrOption)
	case c.Like != "":
		return c.release(p)
	case c.Config == "":
		return fmt.Errorf("%w: give a configuration or --like", model.ErrOption)
	}
	data, err := os.ReadFile(c.Config)
	if err != nil {
		return err
	}
	config, err := model.ParseConfig(data)
	if err != nil {
		return fmt.Errorf("%s: %w", c.Config, err)
	}
	return c.write(ctx, p, convert.Synth(config, c.Seed))
}

func (c *synthCommand) release(p *program) error {
	if _, err := os.Stat(c.Out); err == nil {
		return fmt.Errorf("%w: %s exists already; choose another directory", model.ErrOption, c.Out)
	}
	if variant, ok := strings.CutPrefix(c.Like, "NFNet-"); ok {
		config, err := convert.ParseNFNet([]byte(variant), true)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(c.Out, 0o755); err != nil {
			return err
		}
		file := filepath.Join(c.Out, "model.pt")
		if err := convert.SynthNFNet(config, c.Seed, file); err != nil {
			return err
		}
		picture := map[string]tensor.Tensor{"0.image": convert.SynthPicture(convert.NFNetSize, c.Seed)}
		if err := loader.SaveSafetensors(filepath.Join(c.Out, "case.safetensors"), picture); err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.out, "flamingo convert nfnet --weights %s --config %s -o DIR\n", file, variant)
		return err
	}
	r, err := convert.FindRelease(c.Like)
	if err != nil {
		return err
	}
	f, err := convert.SynthRelease(r, c.Seed, c.Out)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.out, "flamingo convert openflamingo --checkpoint %s --lm %s --vision %s --release %s -o DIR\n", f.Checkpoint, f.LM, f.Vision, f.Layout)
	return err
}
