package tokenizer

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Limits on what a file may ask for. The largest published vocabularies have 262,144 tokens in 33 MB.
const (
	maxFileBytes  = 64 << 20
	maxIDs        = 1 << 20
	maxTokenBytes = 1024
	maxDepth      = 4 // Sequences inside Sequences
	maxComponents = 16
)

type fileJSON struct {
	AddedTokens   []addedJSON     `json:"added_tokens"`
	Normalizer    json.RawMessage `json:"normalizer"`
	PreTokenizer  json.RawMessage `json:"pre_tokenizer"`
	PostProcessor json.RawMessage `json:"post_processor"`
	Decoder       json.RawMessage `json:"decoder"`
	Model         json.RawMessage `json:"model"`
}

type addedJSON struct {
	ID         int32  `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	LStrip     bool   `json:"lstrip"`
	RStrip     bool   `json:"rstrip"`
	Normalized bool   `json:"normalized"`
	Special    bool   `json:"special"`
}

type modelJSON struct {
	Type                    string
	Dropout                 *float64
	UnkToken                *string `json:"unk_token"`
	ContinuingSubwordPrefix string  `json:"continuing_subword_prefix"`
	EndOfWordSuffix         string  `json:"end_of_word_suffix"`
	FuseUnk                 bool    `json:"fuse_unk"`
	ByteFallback            bool    `json:"byte_fallback"`
	IgnoreMerges            bool    `json:"ignore_merges"`
	Vocab                   vocabJSON
	Merges                  mergesJSON
}

// Parse reads a Hugging Face tokenizer.json. Anything in it that would change ids or text and that this package does
// not do is an error. "truncation" and "padding" are left to the caller and ignored.
func Parse(data []byte) (*Tokenizer, error) {
	if len(data) > maxFileBytes {
		return nil, fmt.Errorf("tokenizer: got a file of %d bytes, want at most %d: check that it is a tokenizer.json", len(data), maxFileBytes)
	}
	var file fileJSON
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("tokenizer: not a tokenizer.json: %w: check the file", err)
	}
	t := &Tokenizer{}
	var err error
	if t.model, t.tokens, err = parseModel(file.Model); err != nil {
		return nil, err
	}
	if t.normal, err = parseNormalizer(file.Normalizer); err != nil {
		return nil, err
	}
	if t.pre, err = parsePreTokenizer(file.PreTokenizer, 0); err != nil {
		return nil, err
	}
	if t.stages, err = parseDecoder(file.Decoder); err != nil {
		return nil, err
	}
	added := make([]addedToken, len(file.AddedTokens))
	for i, a := range file.AddedTokens {
		added[i] = addedToken{a.Content, a.ID, a.Special, a.Normalized, a.SingleWord, a.LStrip, a.RStrip}
	}
	if err := t.setAdded(added); err != nil {
		return nil, err
	}
	if t.before, t.after, err = t.parsePostProcessor(file.PostProcessor, 0); err != nil {
		return nil, err
	}
	return t, nil
}

func parseModel(raw json.RawMessage) (*bpe, []string, error) {
	if isNull(raw) {
		return nil, nil, fmt.Errorf("tokenizer: got no model, want {\"type\": \"BPE\", ...}: check that the file is a tokenizer.json")
	}
	kind, err := componentType("model", raw, 0)
	if err != nil {
		return nil, nil, err
	}
	// Files from before the library wrote a type hold BPE models; strict reading rejects the others.
	if kind != "BPE" && kind != "" {
		return nil, nil, unsupported("model", kind, "BPE")
	}
	var m modelJSON
	if err := strict("model", raw, &m); err != nil {
		return nil, nil, err
	}
	switch {
	case len(m.Vocab) == 0:
		return nil, nil, fmt.Errorf("tokenizer: model: got no vocab, want an object of token to id: check the file")
	case m.ContinuingSubwordPrefix != "":
		return nil, nil, fmt.Errorf("tokenizer: model: got continuing_subword_prefix %q, want none: it is not supported; use a byte-level or SentencePiece tokenizer", m.ContinuingSubwordPrefix)
	case m.EndOfWordSuffix != "":
		return nil, nil, fmt.Errorf("tokenizer: model: got end_of_word_suffix %q, want none: it is not supported; use a byte-level or SentencePiece tokenizer", m.EndOfWordSuffix)
	case m.Dropout != nil && *m.Dropout != 0:
		return nil, nil, fmt.Errorf("tokenizer: model: got dropout %g, want null: it would make ids random; set it to null", *m.Dropout)
	}
	b := &bpe{vocab: m.Vocab, unk: -1, fuseUnk: m.FuseUnk, ignoreMerges: m.IgnoreMerges}
	if m.UnkToken != nil {
		id, ok := b.vocab[*m.UnkToken]
		if !ok {
			return nil, nil, fmt.Errorf("tokenizer: model: unk_token %q is not in the vocabulary: check the file", *m.UnkToken)
		}
		b.unk = id
	}
	if m.ByteFallback {
		b.fallback = new([256]int32)
		for i := range b.fallback {
			b.fallback[i] = -1
			if id, ok := b.vocab[fmt.Sprintf("<0x%02X>", i)]; ok {
				b.fallback[i] = id
			}
		}
	}
	tokens, err := tokensByID(b.vocab)
	if err != nil {
		return nil, nil, err
	}
	b.merges = make(map[uint64]merge, len(m.Merges))
	for rank, names := range m.Merges {
		left, okLeft := b.vocab[names[0]]
		right, okRight := b.vocab[names[1]]
		id, ok := b.vocab[names[0]+names[1]]
		if !okLeft || !okRight || !ok {
			return nil, nil, fmt.Errorf("tokenizer: model: merge %d, %q with %q: it or what it makes is not in the vocabulary: check the file", rank, names[0], names[1])
		}
		b.merges[pair(left, right)] = merge{int32(rank), id}
	}
	return b, tokens, nil
}

func tokensByID(vocab map[string]int32) ([]string, error) {
	size := int32(0)
	for _, id := range vocab {
		size = max(size, id+1)
	}
	tokens := make([]string, size)
	for token, id := range vocab {
		if tokens[id] != "" {
			return nil, fmt.Errorf("tokenizer: model: vocab: %q and %q both have id %d: check the file", tokens[id], token, id)
		}
		tokens[id] = token
	}
	return tokens, nil
}

func isNull(raw json.RawMessage) bool {
	return len(raw) == 0 || string(raw) == "null"
}

// componentType reads the "type" of a part of the file; "" stands for a part that is absent, null or without one.
func componentType(where string, raw json.RawMessage, depth int) (string, error) {
	if depth > maxDepth {
		return "", fmt.Errorf("tokenizer: %s: got Sequences nested more than %d deep: check the file", where, maxDepth)
	}
	if isNull(raw) {
		return "", nil
	}
	var c struct{ Type *string }
	if err := json.Unmarshal(raw, &c); err != nil {
		return "", fmt.Errorf("tokenizer: %s: %w: check the file", where, err)
	}
	if c.Type == nil {
		if where == "model" {
			return "", nil
		}
		return "", fmt.Errorf("tokenizer: %s: got no type, want an object with a \"type\": check the file", where)
	}
	return *c.Type, nil
}

// strict reads a part of the file and refuses fields that it does not know, for they may change ids.
func strict(where string, raw json.RawMessage, into any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("tokenizer: %s: %w: this file asks for what is not supported; check it, or use a model with another tokenizer", where, err)
	}
	return nil
}

func unsupported(where, kind, want string) error {
	return fmt.Errorf("tokenizer: %s type %q is not supported: supported are %s; use a model with a byte-level or SentencePiece BPE tokenizer", where, kind, want)
}
