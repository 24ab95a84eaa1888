package convert

import (
	"fmt"
	"strings"

	"flamingo/loader"
	"flamingo/model"
	"flamingo/tensor"
)

// native reads the trainer's checkpoint. Its names are the runtime's but for the vision encoder,
// which has timm's and is not folded yet.
type native struct {
	checkpoint
	nfnet map[string]func() ([]float32, error) // by runtime name
}

func newNative(path string, w *loader.Safetensors, c model.Config) *native {
	n := &native{checkpoint: checkpoint{path, w}}
	n.nfnet = foldNFNet(n.checkpoint, "vision.", "vision.", c.Vision, TimmFlavour)
	return n
}

func (n *native) floats(e model.Entry) ([]float32, error) {
	if strings.HasPrefix(e.Name, "vision.") {
		make, ok := n.nfnet[e.Name]
		if !ok {
			return nil, fmt.Errorf("%w: no rule gives %s", ErrCheckpoint, e.Name)
		}
		return make()
	}
	return n.read(e.Name, e.Shape)
}

// A checkpoint is an open safetensors file with its path, for messages.
type checkpoint struct {
	path    string
	weights *loader.Safetensors
}

// read returns a tensor of the given shape.
func (c checkpoint) read(name string, shape tensor.Shape) ([]float32, error) {
	e, ok := c.weights.Find(name)
	if !ok {
		return nil, fmt.Errorf("%w: %s: %s is missing, want %v", ErrCheckpoint, c.path, name, shape)
	}
	if !e.Shape.Equal(shape) {
		return nil, fmt.Errorf("%w: %s: %s is %v, want %v", ErrCheckpoint, c.path, name, e.Shape, shape)
	}
	v, err := c.weights.ReadFloats(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %s: %w", ErrCheckpoint, c.path, name, err)
	}
	return v, nil
}
