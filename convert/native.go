package convert

import (
	"fmt"
	"os"
	"strings"

	"flamingo/loader"
	"flamingo/model"
	"flamingo/tensor"
)

// native reads the trainer's checkpoint. Its names are the runtime's but for the vision encoder,
// which has timm's and is not folded yet.
type native struct {
	weights
	vision nfnetRules
}

func newNative(w weights, c model.Config) *native {
	return &native{w, foldNFNet(w, "vision.", "vision.", c.Vision, TimmFlavour)}
}

func (n *native) floats(e model.Entry) ([]float32, error) {
	if strings.HasPrefix(e.Name, "vision.") {
		return n.vision.floats(e)
	}
	return n.read(e.Name, e.Shape)
}

// weights are an open safetensors file with its path, for messages.
type weights struct {
	path string
	file *loader.Safetensors
}

// openSafetensors opens a file, which the caller closes.
func openSafetensors(path string) (weights, *os.File, error) {
	file, err := os.Open(path)
	if err != nil {
		return weights{}, nil, fmt.Errorf("convert: %w", err)
	}
	info, err := file.Stat()
	if err == nil {
		var w *loader.Safetensors
		if w, err = loader.OpenSafetensors(file, info.Size()); err == nil {
			return weights{path, w}, file, nil
		}
	}
	file.Close()
	return weights{}, nil, fmt.Errorf("convert: %s: %w", path, err)
}

// read returns a tensor of the given shape.
func (c weights) read(name string, shape tensor.Shape) ([]float32, error) {
	e, ok := c.file.Find(name)
	if !ok {
		return nil, fmt.Errorf("%w: %s: %s is missing, want %v", ErrCheckpoint, c.path, name, shape)
	}
	if !e.Shape.Equal(shape) {
		return nil, fmt.Errorf("%w: %s: %s is %v, want %v", ErrCheckpoint, c.path, name, e.Shape, shape)
	}
	v, err := c.file.ReadFloats(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %s: %w", ErrCheckpoint, c.path, name, err)
	}
	return v, nil
}

// scalar returns the value of a tensor of one element, whether it has no axis or one.
func (c weights) scalar(name string) (float32, error) {
	shape := tensor.Shape{}
	if e, ok := c.file.Find(name); ok && e.Shape.Equal(tensor.Shape{1}) {
		shape = e.Shape
	}
	v, err := c.read(name, shape)
	if err != nil {
		return 0, err
	}
	return v[0], nil
}
