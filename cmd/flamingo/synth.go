package main

import (
	"context"
	"fmt"
	"os"

	"flamingo/convert"
	"flamingo/model"
)

type synthCommand struct {
	Config string `arg:"" help:"config.json of the model."`
	Seed   uint64 `default:"1" help:"Seed of the random weights."`
	conversion
}

func (c *synthCommand) Run(ctx context.Context, p *program) error {
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
