package tokenizer

import (
	"encoding/json"
	"fmt"
	"strings"
)

// normalizer rewrites text before it is split into words.
type normalizer func(string) string

// maxGrowth bounds how many times longer all replacements together may make a text, and maxPrepend what may be put
// before it, so that a small hostile file cannot make a short text fill the memory. LLaMA's grow it three times.
const (
	maxGrowth  = 64
	maxPrepend = 64
)

// parseNormalizer reads the file's "normalizer".
func parseNormalizer(raw json.RawMessage) (normalizer, error) {
	list, _, err := normalizers(raw, 0)
	if err != nil {
		return nil, err
	}
	return func(s string) string {
		for _, n := range list {
			s = n(s)
		}
		return s
	}, nil
}

// normalizers flattens nested Sequences; growth is how many times longer they may make a text.
func normalizers(raw json.RawMessage, depth int) (list []normalizer, growth int, err error) {
	const where = "normalizer"
	kind, err := componentType(where, raw, depth)
	if err != nil || kind == "" {
		return nil, 1, err
	}
	switch kind {
	case "NFC":
		return []normalizer{nfc}, 1, strict(where, raw, &struct{ Type string }{})
	case "Prepend":
		var c struct{ Type, Prepend string }
		if err := strict(where, raw, &c); err != nil {
			return nil, 0, err
		}
		if len(c.Prepend) > maxPrepend {
			return nil, 0, fmt.Errorf("tokenizer: normalizer Prepend: got %d bytes, want at most %d: check the file", len(c.Prepend), maxPrepend)
		}
		return []normalizer{func(s string) string { return c.Prepend + s }}, 1, nil
	case "Replace":
		old, new, growth, err := replacement(where, raw)
		return []normalizer{func(s string) string { return strings.ReplaceAll(s, old, new) }}, growth, err
	case "Sequence":
		var c struct {
			Type        string
			Normalizers []json.RawMessage
		}
		if err := strict(where, raw, &c); err != nil {
			return nil, 0, err
		}
		growth := 1
		for _, raw := range c.Normalizers {
			inner, by, err := normalizers(raw, depth+1)
			if err != nil {
				return nil, 0, err
			}
			list = append(list, inner...)
			if growth *= by; growth > maxGrowth || len(list) > maxComponents {
				return nil, 0, fmt.Errorf("tokenizer: normalizer Sequence: got %d steps that grow a text %d times, want at most %d and %d: check the file", len(list), growth, maxComponents, maxGrowth)
			}
		}
		return list, growth, nil
	}
	return nil, 0, unsupported(where, kind, "NFC, Prepend, Replace, Sequence")
}

// replacement reads a Replace of a literal text, in a normalizer or a decoder.
func replacement(where string, raw json.RawMessage) (old, new string, growth int, err error) {
	var c struct {
		Type    string
		Pattern patternJSON
		Content string
	}
	if err := strict(where, raw, &c); err != nil {
		return "", "", 0, err
	}
	if c.Pattern.String == nil || *c.Pattern.String == "" {
		return "", "", 0, fmt.Errorf("tokenizer: %s Replace: got pattern %s, want {\"String\": a text}: regular expressions are not supported here; use a model whose tokenizer does without", where, c.Pattern.text())
	}
	old = *c.Pattern.String
	growth = max(1, (len(c.Content)+len(old)-1)/len(old))
	if growth > maxGrowth {
		return "", "", 0, fmt.Errorf("tokenizer: %s Replace: got a replacement %d times as long as its pattern, want at most %d: check the file", where, growth, maxGrowth)
	}
	return old, c.Content, growth, nil
}
