// Package convert makes models that the runtime serves out of checkpoints: it folds what training
// needs and inference does not, quantises, and writes the result with its manifest. Checkpoints are
// read piece by piece, so that memory stays near the largest tensor. It is used natively only.
package convert

import (
	"errors"
	"fmt"
	"io"

	"flamingo/gpu"
	"flamingo/loader"
	"flamingo/model"
	"flamingo/tensor"
	"flamingo/tokenizer"
)

// ErrCheckpoint marks what is wrong with a checkpoint.
var ErrCheckpoint = errors.New("checkpoint")

// A Checkpoint is an open model in a form that training or a release left it in.
type Checkpoint struct {
	Config    model.Config
	Tokenizer []byte // tokenizer.json, or nil
	Licences  []loader.Licence

	rules rules
	files []io.Closer
}

// Close closes the checkpoint's files.
func (c *Checkpoint) Close() error { return closeAll(c.files) }

func closeAll(files []io.Closer) error {
	var errs []error
	for _, f := range files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// Upload converts the checkpoint in memory, straight onto a device, which the model then owns.
func (c *Checkpoint) Upload(dev gpu.Device, d tensor.DType) (*model.Flamingo, error) {
	words, err := c.words()
	if err != nil {
		return nil, err
	}
	tensors, err := upload(dev, c.rules, model.Spec(c.Config), d)
	if err != nil {
		return nil, err
	}
	return model.New(dev, c.Config, tensors, words)
}

func (c *Checkpoint) words() (*tokenizer.Tokenizer, error) {
	if c.Tokenizer == nil {
		return nil, nil
	}
	words, err := tokenizer.Parse(c.Tokenizer)
	if err != nil {
		return nil, fmt.Errorf("convert: tokenizer.json: %w", err)
	}
	return words, nil
}

// upload packs tensors onto a device.
func upload(dev gpu.Device, from rules, entries []model.Entry, d tensor.DType) (tensors map[string]gpu.Tensor, err error) {
	tensors = map[string]gpu.Tensor{}
	defer func() {
		if err != nil {
			for _, t := range tensors {
				t.Free(dev)
			}
		}
	}()
	for _, e := range entries {
		t, _, err := pack(from, e, Storage(e, d))
		if err != nil {
			return tensors, err
		}
		if tensors[e.Name], err = gpu.Upload(dev, e.Name, t); err != nil {
			return tensors, err
		}
	}
	return tensors, nil
}

// A Tower is an open checkpoint of a vision encoder alone.
type Tower struct {
	Config   model.TowerConfig
	Licences []loader.Licence

	rules rules
	files []io.Closer
}

// Close closes the checkpoint's files.
func (t *Tower) Close() error { return closeAll(t.files) }

// Upload converts the encoder in memory, straight onto a device.
func (t *Tower) Upload(dev gpu.Device, d tensor.DType) (*model.Tower, error) {
	tensors, err := upload(dev, t.rules, model.VisionSpec(t.Config.Vision), d)
	if err != nil {
		return nil, err
	}
	return model.NewTower(dev, t.Config.Vision, tensors)
}
