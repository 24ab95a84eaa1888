// Package model is Flamingo (Alayrac et al. 2022): an NFNet vision encoder, a Perceiver Resampler
// and gated cross-attention inside a frozen language model. It records ops on a gpu.Device and
// knows neither files nor URLs nor how the device works.
package model

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Errors that callers tell apart.
var (
	ErrConfig  = errors.New("model configuration")
	ErrWeights = errors.New("model weights")
	ErrOption  = errors.New("option")
)

// A Config describes a model completely. Its JSON is the "config" of a manifest.
type Config struct {
	Vision     VisionConfig      `json:"vision"`
	Preprocess Preprocess        `json:"preprocess"`
	Resampler  ResamplerConfig   `json:"resampler"`
	XAttn      XAttnConfig       `json:"xattn"`
	LM         LMConfig          `json:"lm"`
	Tokens     Tokens            `json:"tokens"`
	Prompts    map[string]string `json:"prompts"` // templates by task; "caption" is always there
}

// Preprocess says how a picture becomes the encoder's input.
type Preprocess struct {
	Size int        `json:"size"` // pixels of the square canvas
	Fit  Fit        `json:"fit"`
	Mean [3]float32 `json:"mean"` // of RGB in 0…1
	Std  [3]float32 `json:"std"`
}

// Fit is how a picture that is not square meets the canvas.
type Fit string

const (
	// FitPad keeps all of it and pads with the mean (paper, section 4.1.4).
	FitPad Fit = "pad"
	// FitCrop keeps the middle (CLIP, OpenFlamingo).
	FitCrop Fit = "crop"
)

// Tokens are the ids with a meaning of their own; -1 where a model has none.
type Tokens struct {
	BOS        int32 `json:"bos"`
	EOS        int32 `json:"eos"`
	Pad        int32 `json:"pad"`
	EndOfChunk int32 `json:"endOfChunk"`
	Image      int32 `json:"image"`
}

// ParseConfig reads and checks a configuration. Fields it does not know are errors.
func ParseConfig(data []byte) (Config, error) {
	var c Config
	if err := decodeStrict(data, &c); err != nil {
		return c, err
	}
	return c, c.Validate()
}

func decodeStrict(data []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return nil
}

// checks collects what is wrong with a configuration.
type checks []error

// size wants 1 … most.
func (c *checks) size(name string, got, most int) {
	if got < 1 || got > most {
		*c = append(*c, fmt.Errorf("%s is %d, want 1 to %d", name, got, most))
	}
}

func (c *checks) that(ok bool, format string, args ...any) {
	if !ok {
		*c = append(*c, fmt.Errorf(format, args...))
	}
}

// Validate reports everything that is wrong with c, so that nothing is sized by absurd numbers.
func (c Config) Validate() error {
	var e checks
	c.Vision.check(&e)
	c.Preprocess.check(&e)
	c.Resampler.check(&e)
	c.XAttn.check(&e)
	c.LM.check(&e)
	c.Tokens.check(&e, c.LM.Vocab)
	if len(e) > 0 {
		return e.err() // what follows divides by some of the numbers
	}
	e.that(c.Resampler.InputDim == c.Vision.Dim(), "resampler.inputDim is %d, the vision encoder gives %d", c.Resampler.InputDim, c.Vision.Dim())
	c.Vision.takes(&e, c.Preprocess.Size)
	e.that(c.Prompts["caption"] != "", "prompts has no \"caption\"")
	for _, task := range slices.Sorted(maps.Keys(c.Prompts)) {
		e.that(len(c.Prompts[task]) < 4096, "prompts.%s has %d bytes, want under 4096", task, len(c.Prompts[task]))
	}
	return e.err()
}

func (c checks) err() error {
	if len(c) > 0 {
		return fmt.Errorf("%w: %w", ErrConfig, errors.Join(c...))
	}
	return nil
}

func (p Preprocess) check(e *checks) {
	e.size("preprocess.size", p.Size, 2048)
	e.that(p.Fit == FitPad || p.Fit == FitCrop, "preprocess.fit is %q, want %q or %q", p.Fit, FitPad, FitCrop)
	for i, s := range p.Std {
		e.that(s > 0, "preprocess.std[%d] is %g, want more than 0", i, s)
	}
}

func (t Tokens) check(e *checks, vocab int) {
	for _, id := range []struct {
		name string
		id   int32
		must bool
	}{{"bos", t.BOS, false}, {"eos", t.EOS, false}, {"pad", t.Pad, false}, {"endOfChunk", t.EndOfChunk, true}, {"image", t.Image, true}} {
		e.that(int(id.id) < vocab && (id.id >= 0 || (id.id == -1 && !id.must)), "tokens.%s is %d, the vocabulary has %d", id.name, id.id, vocab)
	}
}

func (c *checks) heads(name string, heads, headDim int) {
	c.size(name+".heads", heads, 1024)
	c.size(name+".headDim", headDim, 256)
	c.that(headDim%4 == 0, "%s.headDim is %d, want a multiple of 4", name, headDim)
}

// multiple wants dimensions that kernels read four at a time.
func (c *checks) multiple(name string, got int) {
	c.that(got%4 == 0, "%s is %d, want a multiple of 4", name, got)
}
