package convert

import (
	"encoding/json"
	"errors"
	"fmt"

	"flamingo/tokenizer"
)

// An addedToken is a special token that a Flamingo's training gave its tokenizer.
type addedToken struct {
	text string
	id   int32
}

// addTokens returns a tokenizer.json with more special tokens. Those that it has already must have
// the same ids, and no other token may have one of them. Errors wrap ErrCheckpoint.
func addTokens(words []byte, list []addedToken) ([]byte, error) {
	var file map[string]json.RawMessage
	err := json.Unmarshal(words, &file)
	if err == nil && file == nil {
		err = errors.New("got null, want an object")
	}
	if err != nil {
		return nil, fmt.Errorf("%w: tokenizer.json: %w", ErrCheckpoint, err)
	}
	var added []json.RawMessage
	if raw, ok := file["added_tokens"]; ok {
		if err := json.Unmarshal(raw, &added); err != nil {
			return nil, fmt.Errorf("%w: tokenizer.json: added_tokens: %w", ErrCheckpoint, err)
		}
	}
	ids := map[string]int32{}
	for _, raw := range added {
		var t struct {
			ID      int32  `json:"id"`
			Content string `json:"content"`
		}
		if err := json.Unmarshal(raw, &t); err != nil {
			return nil, fmt.Errorf("%w: tokenizer.json: added_tokens: %w", ErrCheckpoint, err)
		}
		ids[t.Content] = t.ID
	}
	for _, t := range list {
		if id, ok := ids[t.text]; ok {
			if id != t.id {
				return nil, fmt.Errorf("%w: tokenizer.json has %s as %d, the checkpoint as %d", ErrCheckpoint, t.text, id, t.id)
			}
			continue
		}
		raw, err := json.Marshal(map[string]any{
			"id": t.id, "content": t.text, "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
		})
		if err != nil {
			return nil, err
		}
		added = append(added, raw)
	}
	raw, err := json.Marshal(added)
	if err != nil {
		return nil, err
	}
	file["added_tokens"] = raw
	out, err := json.Marshal(file)
	if err != nil {
		return nil, err
	}
	if _, err := tokenizer.Parse(out); err != nil {
		return nil, fmt.Errorf("%w: tokenizer.json with the checkpoint's tokens: %w", ErrCheckpoint, err)
	}
	return out, nil
}
