package convert

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"flamingo/checkpoint"
	"flamingo/model"
)

// An lmKind is a family of language models as Hugging Face publishes it. It is filled in by one file
// per family.
type lmKind struct {
	// config translates config.json, but for the vocabulary, which is the file's.
	config func(h *hfConfig) model.LMConfig
	prefix []string // that the decoder's names may begin with
	embed  string   // the embedding, by which prefixes are found
	head   string   // the output matrix, beside the decoder, where it can be one of its own
	layers string   // under which a Flamingo's checkpoint has its gated cross-attention
	// rules for the runtime's tensors but for the embedding and the output matrix.
	rules  func(p part, c model.LMConfig, to rules)
	ignore func(name string) bool // buffers that are no weights
}

// lmKinds are named by config.json's model_type.
var lmKinds = map[string]lmKind{}

// A languageModel is one that was found.
type languageModel struct {
	lmKind
	part   // the decoder
	beside part
	config model.LMConfig
	bos    int32 // -1 for none
	eos    int32
	file   *checkpoint.File
}

// openLM opens a directory with config.json and weights, as on the hub.
func openLM(dir string) (*languageModel, error) {
	path := filepath.Join(dir, "config.json")
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("convert: %w", err)
	}
	l, err := describeLM(path, data)
	if err != nil {
		return nil, err
	}
	file, err := checkpoint.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("convert: %w", err)
	}
	l.file = file
	if err := l.locateIn(newPart(file)); err != nil {
		file.Close()
		return nil, err
	}
	return l, nil
}

// locateIn finds the model among the tensors of a file, which may hold others.
func (l *languageModel) locateIn(p part) error {
	var prefixes []string
	for _, beside := range []string{"", "lang_encoder."} {
		for _, prefix := range l.lmKind.prefix {
			prefixes = append(prefixes, beside+prefix)
		}
	}
	var err error
	if l.part, err = p.locate(l.embed, prefixes...); err != nil {
		return err
	}
	l.beside = p
	if strings.HasPrefix(l.part.prefix, p.prefix+"lang_encoder.") {
		l.beside = p.in("lang_encoder.")
	}
	if p.file != nil {
		l.config.Vocab, err = l.dim(l.embed, 2, 0)
	}
	return err
}

// describeLM reads config.json.
func describeLM(path string, data []byte) (*languageModel, error) {
	h, err := parseHF(path, data)
	if err != nil {
		return nil, err
	}
	kind, ok := lmKinds[h.text("model_type")]
	if !ok {
		if err := h.done(); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("%w: %s: model_type is %q, want one of %v", ErrCheckpoint, path, h.text("model_type"), slices.Sorted(maps.Keys(lmKinds)))
	}
	l := &languageModel{lmKind: kind, config: kind.config(h)}
	l.config.Vocab = h.whole("vocab_size")
	l.bos, l.eos = int32(h.whole("bos_token_id", -1)), int32(h.whole("eos_token_id", -1))
	if err := h.done(); err != nil {
		return nil, err
	}
	if err := l.config.Validate(); err != nil { // rules divide by its numbers and count to them
		return nil, fmt.Errorf("%w: %s: %w", ErrCheckpoint, path, err)
	}
	return l, nil
}

// make gives rules for the whole model, with the embedding and the output matrix unless others take
// their place.
func (l *languageModel) make(to rules, embeddings bool) {
	l.rules(l.part, l.config, to)
	if !embeddings {
		return
	}
	c := l.config.Resolve()
	to["lm.embed.weight"] = l.tensor(l.embed, c.Vocab, c.EmbedDim)
	if c.Untied {
		to["lm.head.weight"] = l.beside.tensor(l.head, c.Vocab, c.EmbedDim)
	}
}

// rest are names that no rule asks for and that mean nothing: buffers, a tied output matrix that was
// saved all the same, and matrices that others take the place of.
func (l *languageModel) rest(name string) bool {
	return (l.ignore != nil && l.ignore(name)) || name == l.part.prefix+l.embed || name == l.beside.prefix+"lm_head.weight" ||
		(l.head != "" && name == l.beside.prefix+l.head)
}

// An hfConfig is a config.json of Hugging Face. It collects what is wrong with it.
type hfConfig struct {
	path   string
	fields map[string]json.RawMessage
	errs   *[]error
}

func parseHF(path string, data []byte) (*hfConfig, error) {
	h := &hfConfig{path: path, errs: new([]error)}
	if err := json.Unmarshal(data, &h.fields); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrCheckpoint, path, err)
	}
	return h, nil
}

func (h *hfConfig) done() error {
	if len(*h.errs) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s: %w", ErrCheckpoint, h.path, errors.Join(*h.errs...))
}

func (h *hfConfig) fail(format string, args ...any) {
	*h.errs = append(*h.errs, fmt.Errorf(format, args...))
}

// read decodes a field and reports whether it is there and not null.
func (h *hfConfig) read(name string, to any) bool {
	raw, ok := h.fields[name]
	if !ok || string(raw) == "null" {
		return false
	}
	if err := json.Unmarshal(raw, to); err != nil {
		h.fail("%s is %s: %w", name, raw, err)
		return false
	}
	return true
}

// whole is a whole number; without a default it must be there.
func (h *hfConfig) whole(name string, otherwise ...int) (n int) {
	if !h.read(name, &n) {
		if len(otherwise) > 0 {
			return otherwise[0]
		}
		h.fail("%s is missing, want a whole number", name)
	}
	return n
}

func (h *hfConfig) number(name string, otherwise float64) float64 {
	h.read(name, &otherwise)
	return otherwise
}

func (h *hfConfig) truth(name string, otherwise bool) bool {
	h.read(name, &otherwise)
	return otherwise
}

func (h *hfConfig) text(name string) (s string) {
	h.read(name, &s)
	return s
}

// inner is an object in the configuration; it is empty when there is none.
func (h *hfConfig) inner(name string) *hfConfig {
	in := &hfConfig{path: h.path, errs: h.errs}
	h.read(name, &in.fields)
	return in
}

// only refuses a setting that the runtime does not compute. Values are as JSON spells them; a
// setting that is absent or null is right.
func (h *hfConfig) only(name string, allowed ...string) {
	raw, ok := h.fields[name]
	if ok && string(raw) != "null" && !slices.Contains(allowed, string(raw)) {
		h.fail("%s is %s, which is not supported; want %v", name, raw, allowed)
	}
}
