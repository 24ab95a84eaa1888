package runtime

import (
	"context"
	"fmt"

	"flamingo/gpu"
	"flamingo/loader"
	"flamingo/model"
)

// ErrTower is what loading a vision encoder as a whole model ends with; LoadTower takes it.
var ErrTower = fmt.Errorf("%w: this is a vision encoder alone, it has no language model; use `flamingo features`", model.ErrConfig)

// LoadedTower is a vision encoder ready for use on its device.
type LoadedTower struct {
	Tower  *model.Tower
	Config model.TowerConfig
	Delivery
}

// LoadTower fetches a vision encoder that was converted without a language model. Its checks, its
// phases and its errors are Load's, but there is nothing to compile or to test beforehand.
func LoadTower(ctx context.Context, dev gpu.Device, o Options) (*LoadedTower, error) {
	d, err := o.begin(ctx)
	if err != nil {
		return nil, err
	}
	t := &LoadedTower{Delivery: d}
	if t.Config, err = TowerConfig(t.Manifest); err != nil {
		return nil, err
	}
	if err := t.fits(dev, func(w *trial) error { return w.features(ctx, t.Manifest, t.Config) }); err != nil {
		return nil, err
	}
	tensors, err := t.fill(ctx, dev, o)
	if err != nil {
		return nil, err
	}
	if t.Tower, err = model.NewTower(dev, t.Config.Vision, tensors); err != nil {
		free(dev, tensors)
		return nil, err
	}
	t.tell(o, PhaseReady)
	return t, nil
}

// TowerConfig is the configuration of a vision encoder in a manifest that holds nothing else, with
// every tensor that the manifest declares checked against it. Errors wrap model.ErrConfig or
// model.ErrWeights.
func TowerConfig(m *loader.Manifest) (model.TowerConfig, error) {
	c, err := model.ParseTowerConfig(m.Config)
	if err != nil {
		if _, whole := model.ParseConfig(m.Config); whole == nil {
			err = fmt.Errorf("%w: this is a whole model, not a vision encoder alone; use `flamingo caption`", model.ErrConfig)
		}
		return c, fmt.Errorf("%s: %w", m.Name, err)
	}
	dev := newTrial(gpu.Info{})
	tensors, err := dev.weights(m)
	if err == nil {
		_, err = model.NewTower(dev, c.Vision, tensors)
	}
	if err != nil {
		return c, fmt.Errorf("%s: %w", m.Name, err)
	}
	return c, nil
}
