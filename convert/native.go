package convert

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"flamingo/checkpoint"
	"flamingo/model"
)

// OpenNative opens a directory that the project's own trainer has written: config.json,
// model.safetensors and tokenizer.json. Its names are the runtime's but for the vision encoder,
// which has timm's and is not folded yet.
func OpenNative(dir string) (*Checkpoint, error) {
	path := filepath.Join(dir, "config.json")
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("convert: %w", err)
	}
	config, err := model.ParseConfig(data)
	if err != nil {
		return nil, fmt.Errorf("convert: %s: %w", path, err)
	}
	if config.Vision.Family != "nfnet" {
		return nil, fmt.Errorf("convert: %s: %w: vision.family is %q, the trainer's is \"nfnet\"", path, ErrCheckpoint, config.Vision.Family)
	}
	words, err := os.ReadFile(filepath.Join(dir, "tokenizer.json"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("convert: %w", err)
	}
	file, err := checkpoint.Open(filepath.Join(dir, "model.safetensors"))
	if err != nil {
		return nil, fmt.Errorf("convert: %w", err)
	}
	c := &Checkpoint{Config: config, Tokenizer: words, rules: rules{}, files: []io.Closer{file}}
	p := newPart(file)
	foldNFNet(p.in("vision."), config.Vision.NFNetConfig, TimmFlavour, c.rules)
	for _, e := range model.Spec(config) {
		if !strings.HasPrefix(e.Name, "vision.") {
			c.rules[e.Name] = p.tensor(e.Name, e.Shape...)
		}
	}
	if err := p.done(nothing); err != nil {
		file.Close()
		return nil, err
	}
	return c, nil
}
