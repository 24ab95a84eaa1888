// Package convert makes models that the runtime serves out of checkpoints: it folds what training
// needs and inference does not, quantises, and writes the result with its manifest. It runs
// natively only.
package convert

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"flamingo/gpu"
	"flamingo/model"
	"flamingo/tensor"
	"flamingo/tokenizer"
)

// ErrCheckpoint marks what is wrong with a checkpoint.
var ErrCheckpoint = errors.New("checkpoint")

// A TensorReport is one tensor after conversion.
type TensorReport struct {
	Name  string
	Shape tensor.Shape
	DType tensor.DType
	Bytes int
	Error float64 // root mean square error over root mean square value
}

// A source supplies the runtime's tensors, folded, by their runtime names.
type source interface {
	// floats returns the values of the entry, row-major.
	floats(e model.Entry) ([]float32, error)
}

// A Checkpoint is an open model in a form that training or a release left it in.
type Checkpoint struct {
	Config    model.Config
	Tokenizer []byte // tokenizer.json, or nil

	source
	close func() error
}

// Close closes the checkpoint's files.
func (c *Checkpoint) Close() error { return c.close() }

// OpenNative opens a directory that the project's own trainer has written: config.json,
// model.safetensors and tokenizer.json.
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
	words, err := os.ReadFile(filepath.Join(dir, "tokenizer.json"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("convert: %w", err)
	}
	weights, file, err := openSafetensors(filepath.Join(dir, "model.safetensors"))
	if err != nil {
		return nil, err
	}
	return &Checkpoint{config, words, newNative(weights, config), file.Close}, nil
}

// Upload converts the checkpoint in memory, straight onto a device, which the model then owns.
func (c *Checkpoint) Upload(dev gpu.Device, d tensor.DType) (*model.Flamingo, error) {
	var words *tokenizer.Tokenizer
	if c.Tokenizer != nil {
		var err error
		if words, err = tokenizer.Parse(c.Tokenizer); err != nil {
			return nil, fmt.Errorf("convert: tokenizer.json: %w", err)
		}
	}
	tensors, err := upload(dev, c.source, model.Spec(c.Config), d)
	if err != nil {
		return nil, err
	}
	return model.New(dev, c.Config, tensors, words)
}

// upload packs tensors onto a device.
func upload(dev gpu.Device, src source, entries []model.Entry, d tensor.DType) (map[string]gpu.Tensor, error) {
	tensors := map[string]gpu.Tensor{}
	for _, e := range entries {
		t, _, err := pack(src, e, Storage(e, d))
		if err != nil {
			return nil, err
		}
		if tensors[e.Name], err = gpu.Upload(dev, e.Name, t); err != nil {
			return nil, err
		}
	}
	return tensors, nil
}

// Storage is the format of a tensor when the large matrices are stored as d. Convolutions whose
// rows are no whole blocks, and small matrices, gain nothing from blocks.
func Storage(e model.Entry, d tensor.DType) tensor.DType {
	if e.Kind == model.Vector {
		return tensor.F32
	}
	if !d.Quantised() {
		return d
	}
	if e.Shape.Dim(-1)%tensor.BlockLen != 0 || e.Shape.Len() < 4096 {
		return tensor.F16
	}
	if d == tensor.Q4 && e.Name == "lm.embed.weight" {
		return tensor.Q8 // it is the output head too, and every logit passes through it
	}
	return d
}

// pack reads, checks and stores one tensor.
func pack(src source, e model.Entry, d tensor.DType) (tensor.Tensor, TensorReport, error) {
	v, err := src.floats(e)
	if err != nil {
		return tensor.Tensor{}, TensorReport{}, err
	}
	for i, x := range v {
		if f := float64(x); math.IsNaN(f) || math.IsInf(f, 0) {
			return tensor.Tensor{}, TensorReport{}, fmt.Errorf("%w: %s: value %d is %g, want finite weights", ErrCheckpoint, e.Name, i, x)
		}
	}
	t, err := tensor.Pack(d, v, e.Shape...)
	if err != nil {
		return tensor.Tensor{}, TensorReport{}, fmt.Errorf("%w: %s: %w", ErrCheckpoint, e.Name, err)
	}
	noise, power := 0.0, 0.0
	for i, x := range t.F32() {
		if math.IsInf(float64(x), 0) {
			return tensor.Tensor{}, TensorReport{}, fmt.Errorf("%w: %s: value %d is %g, too large for %v; convert with --dtype f32", ErrCheckpoint, e.Name, i, v[i], d)
		}
		noise += float64(x-v[i]) * float64(x-v[i])
		power += float64(v[i]) * float64(v[i])
	}
	r := TensorReport{Name: e.Name, Shape: e.Shape, DType: d, Bytes: len(t.Data)}
	if power > 0 {
		r.Error = math.Sqrt(noise / power)
	}
	return t, r, nil
}
