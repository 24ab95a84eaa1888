package model

import (
	"flamingo/gpu"
	"flamingo/tokenizer"
)

// Flamingo is a loaded model. It holds no prompt: that is a Session.
type Flamingo struct {
	Config    Config
	Tokenizer *tokenizer.Tokenizer // nil for a model that takes only token ids

	dev     gpu.Device
	tensors map[string]gpu.Tensor
	parts
	encoder *encoder
	unnamed int // media without a key so far
}

// parts are the layers, in the order in which they are used.
type parts struct {
	vision    visionTower
	resampler Resampler
	lm        LM
	xattn     map[int]GatedXAttn // by the LM block they precede
}

func newParts(w Weights, c Config) parts {
	m := parts{xattn: map[int]GatedXAttn{}}
	m.vision = newVision(w.In("vision"), c.Vision)
	m.resampler = newResampler(w.In("resampler"), c.Resampler)
	m.lm = newLM(w.In("lm"), c.LM, func(i int) {
		if c.XAttn.Before(i) {
			m.xattn[i] = newGatedXAttn(w.In("xattn.%d", i), c.XAttn, c.LM.Dim, c.Resampler.Dim)
		}
	})
	return m
}

// New makes a model of tensors that are on the device already. It owns them from then on.
func New(dev gpu.Device, c Config, tensors map[string]gpu.Tensor, tok *tokenizer.Tokenizer) (*Flamingo, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	w := newWeights(tensors)
	m := &Flamingo{Config: c, Tokenizer: tok, dev: dev, tensors: tensors, parts: newParts(w, c)}
	if err := w.done(); err != nil {
		return nil, err
	}
	return m, nil
}

// Device is where the model runs.
func (m *Flamingo) Device() gpu.Device { return m.dev }

// Parameters counts the weights.
func (c Config) Parameters() int {
	n := 0
	for _, e := range Spec(c) {
		n += e.Shape.Len()
	}
	return n
}

// Close frees the weights and everything compiled. Sessions must be closed before.
func (m *Flamingo) Close() {
	m.encoder.close()
	for _, t := range m.tensors {
		t.Free(m.dev)
	}
	m.tensors = nil
}
