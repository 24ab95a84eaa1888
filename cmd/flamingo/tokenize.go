package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"flamingo/model"
	"flamingo/tokenizer"
)

type tokenizeCommand struct {
	Tokenizer string           `required:"" placeholder:"FILE" help:"tokenizer.json."`
	Added     map[string]int32 `placeholder:"NAME=ID" help:"Special tokens to add, such as <image>=50278."`
	CleanUp   bool             `negatable:"" default:"true" help:"Decode as transformers does by default: without the space before punctuation."`
}

// A line of input, and one of output.
type (
	untokenized struct {
		Text *string `json:"text"`
	}
	tokenized struct {
		IDs     []int32 `json:"ids"`
		Decoded string  `json:"decoded"`
	}
)

func (c *tokenizeCommand) Run(ctx context.Context, p *program) error {
	data, err := os.ReadFile(c.Tokenizer)
	if err != nil {
		return err
	}
	words, err := tokenizer.Parse(data)
	if err != nil {
		return fmt.Errorf("%s: %w: %w", c.Tokenizer, model.ErrConfig, err)
	}
	if len(c.Added) > 0 {
		if words, err = words.WithAdded(c.Added); err != nil {
			return fmt.Errorf("%w: --added: %w", model.ErrOption, err)
		}
	}
	in := bufio.NewReader(p.in)
	for n := 1; ; n++ {
		line, err := in.ReadBytes('\n')
		if text := bytes.TrimSpace(line); len(text) > 0 {
			var u untokenized
			d := json.NewDecoder(bytes.NewReader(text))
			d.DisallowUnknownFields()
			if err := d.Decode(&u); err != nil || u.Text == nil {
				return fmt.Errorf("%w: line %d: want an object with \"text\": %v", model.ErrOption, n, err)
			}
			ids := words.EncodeTemplate(*u.Text)
			decoded := words.Decode(ids, false)
			if c.CleanUp {
				decoded = tokenizer.CleanUp(decoded)
			}
			if err := p.print(tokenized{append([]int32{}, ids...), decoded}); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
	}
}
