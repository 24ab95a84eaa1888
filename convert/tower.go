package convert

import (
	"fmt"

	"flamingo/gpu"
	"flamingo/model"
	"flamingo/tensor"
)

// A Tower is an open checkpoint of a vision encoder alone.
type Tower struct {
	Config model.VisionConfig
	rules  nfnetRules
	close  func() error
}

// OpenNFNet opens a safetensors file with timm's dm_nfnet names.
func OpenNFNet(path string, c model.VisionConfig, flavour Flavour) (*Tower, error) {
	w, file, err := openSafetensors(path)
	if err != nil {
		return nil, err
	}
	return &Tower{c, foldNFNet(w, "", "vision.", c, flavour), file.Close}, nil
}

// Close closes the checkpoint's file.
func (t *Tower) Close() error { return t.close() }

// Upload converts the encoder in memory, straight onto a device.
func (t *Tower) Upload(dev gpu.Device, d tensor.DType) (*model.Tower, error) {
	tensors, err := upload(dev, t.rules, model.VisionSpec(t.Config), d)
	if err != nil {
		return nil, err
	}
	return model.NewTower(dev, t.Config, tensors)
}

// nfnetRules make each tensor of an encoder, by its runtime name.
type nfnetRules map[string]func() ([]float32, error)

func (r nfnetRules) floats(e model.Entry) ([]float32, error) {
	rule, ok := r[e.Name]
	if !ok {
		return nil, fmt.Errorf("%w: no rule gives %s", ErrCheckpoint, e.Name)
	}
	return rule()
}
