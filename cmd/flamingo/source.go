package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"flamingo/loader"
	"flamingo/model"
	"flamingo/runtime"
)

// source is where a model comes from and where it computes.
type source struct {
	Model   string `required:"" placeholder:"DIR|URL" help:"Directory or address of a model, or of its flamingo.json."`
	Device  string `enum:"${devices}" default:"${device}" help:"Where to compute: ${enum}."`
	Offline bool   `help:"Do not use the network: the model must have been fetched before."`
	Cache   string `placeholder:"DIR" help:"Where models from the network are kept; by default a directory of the user's cache."`
}

// load brings the model to the device, with its progress on standard error when a person watches.
func (c *source) load(ctx context.Context, p *program) (*runtime.Loaded, error) {
	store, err := c.store()
	if err != nil {
		return nil, err
	}
	dev, err := p.openDevice(ctx, c.Device)
	if err != nil {
		return nil, err
	}
	o := runtime.Options{Location: c.Model, Store: store, Offline: c.Offline}
	if p.liveErr {
		shown := -1
		o.Progress = func(phase string, loaded, total, _ int64) {
			if percent := int(100 * loaded / max(total, 1)); phase == runtime.PhaseFetch && percent != shown {
				shown = percent
				fmt.Fprintf(p.err, "\rloading %d %%", percent)
			}
		}
	}
	m, err := runtime.Load(ctx, dev, o)
	p.unlive()
	if err != nil {
		dev.Close()
		return nil, err
	}
	for _, n := range m.Notices {
		fmt.Fprintf(p.err, "flamingo: note: %s\n", n)
	}
	return m, nil
}

// store is where a model from the network is kept; one on this machine is there already.
func (c *source) store() (loader.Store, error) {
	if !isURL(c.Model) {
		if c.Cache != "" || c.Offline {
			return nil, fmt.Errorf("%w: --cache and --offline are for models from the network, --model is %s", model.ErrOption, c.Model)
		}
		return nil, nil
	}
	dir := c.Cache
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("%w: %w; give --cache", model.ErrOption, err)
		}
		dir = filepath.Join(user, "flamingo")
	}
	return loader.OpenDir(dir)
}

func isURL(location string) bool {
	return strings.HasPrefix(location, "http://") || strings.HasPrefix(location, "https://")
}
