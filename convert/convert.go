// Package convert makes models that the runtime serves out of checkpoints: it folds what training
// needs and inference does not, quantises, and writes the result with its manifest. It runs
// natively only.
package convert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"flamingo/gpu"
	"flamingo/loader"
	"flamingo/model"
	"flamingo/tensor"
	"flamingo/tokenizer"
)

// ErrCheckpoint marks what is wrong with a checkpoint.
var ErrCheckpoint = errors.New("checkpoint")

// Options are the choices of a conversion.
type Options struct {
	Out      string // directory to write; it must not hold a model, unless Replace
	Replace  bool
	Name     string
	DType    tensor.DType // of the large matrices
	Licences []loader.Licence
}

// A Report says what became of each tensor.
type Report struct {
	Manifest *loader.Manifest
	Tensors  []TensorReport
}

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

// Native converts a directory that the project's own trainer has written: config.json,
// model.safetensors and tokenizer.json.
func Native(dir string, o Options) (*Report, error) {
	data, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil {
		return nil, fmt.Errorf("convert: %w", err)
	}
	config, err := model.ParseConfig(data)
	if err != nil {
		return nil, fmt.Errorf("convert: %s: %w", filepath.Join(dir, "config.json"), err)
	}
	path := filepath.Join(dir, "model.safetensors")
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("convert: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("convert: %w", err)
	}
	weights, err := loader.OpenSafetensors(file, info.Size())
	if err != nil {
		return nil, fmt.Errorf("convert: %s: %w", path, err)
	}
	words, err := os.ReadFile(filepath.Join(dir, "tokenizer.json"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("convert: %w", err)
	}
	return write(context.Background(), config, newNative(path, weights, config), words, o)
}

// selfTestParameters is the largest model for which a conversion also runs the model.
const selfTestParameters = 50_000_000

func write(ctx context.Context, config model.Config, src source, words []byte, o Options) (*Report, error) {
	report := &Report{}
	var list []loader.Weight
	for _, e := range model.Spec(config) {
		d := policy(e, o.DType)
		list = append(list, loader.Weight{Name: e.Name, DType: d, Shape: e.Shape, Data: func() ([]byte, error) {
			t, r, err := pack(src, e, d)
			if err != nil {
				return nil, err
			}
			report.Tensors = append(report.Tensors, r)
			return t.Data, nil
		}})
	}
	var tok *tokenizer.Tokenizer
	if words != nil {
		var err error
		if tok, err = tokenizer.Parse(words); err != nil {
			return nil, fmt.Errorf("convert: tokenizer.json: %w", err)
		}
	}
	var selftest json.RawMessage
	if config.Parameters() <= selfTestParameters {
		test, err := selfTest(ctx, config, src, tok, o.DType)
		if err != nil {
			return nil, err
		}
		if selftest, err = json.Marshal(test); err != nil {
			return nil, err
		}
	}
	encoded, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	report.Manifest, err = loader.Write(loader.WriteOptions{
		Dir: o.Out, Replace: o.Replace, Name: o.Name, Config: encoded, Tokenizer: words, Licences: o.Licences, Selftest: selftest,
	}, list)
	return report, err
}

// policy is the storage of a tensor when the large matrices are stored as d. Convolutions whose
// rows are no whole blocks, and small matrices, gain nothing from blocks.
func policy(e model.Entry, d tensor.DType) tensor.DType {
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

// selfTest runs the converted model on the CPU.
func selfTest(ctx context.Context, config model.Config, src source, tok *tokenizer.Tokenizer, d tensor.DType) (model.SelfTest, error) {
	dev := gpu.NewCPU()
	defer dev.Close()
	tensors := map[string]gpu.Tensor{}
	for _, e := range model.Spec(config) {
		t, _, err := pack(src, e, policy(e, d))
		if err != nil {
			return model.SelfTest{}, err
		}
		if tensors[e.Name], err = gpu.Upload(dev, e.Name, t); err != nil {
			return model.SelfTest{}, err
		}
	}
	m, err := model.New(dev, config, tensors, tok)
	if err != nil {
		return model.SelfTest{}, err
	}
	return m.NewSelfTest(ctx)
}
