package tokenizer

import (
	"encoding/json"
	"fmt"
)

// parsePostProcessor reads what the file's "post_processor" puts around a single sequence.
func (t *Tokenizer) parsePostProcessor(raw json.RawMessage, depth int) (before, after []int32, err error) {
	const where = "post_processor"
	kind, err := componentType(where, raw, depth)
	if err != nil || kind == "" {
		return nil, nil, err
	}
	switch kind {
	case "ByteLevel": // moves offsets only
		return nil, nil, strict(where, raw, &byteLevelJSON{})
	case "TemplateProcessing":
		return t.parseTemplate(where, raw)
	case "RobertaProcessing", "BertProcessing":
		var c struct {
			Type           string
			Sep, Cls       tokenAndID
			TrimOffsets    bool `json:"trim_offsets"`
			AddPrefixSpace bool `json:"add_prefix_space"`
		}
		if err := strict(where, raw, &c); err != nil {
			return nil, nil, err
		}
		before, after = []int32{c.Cls.id}, []int32{c.Sep.id}
	case "Sequence":
		var c struct {
			Type       string
			Processors []json.RawMessage
		}
		if err := strict(where, raw, &c); err != nil {
			return nil, nil, err
		}
		for _, raw := range c.Processors {
			outerBefore, outerAfter, err := t.parsePostProcessor(raw, depth+1)
			if err != nil {
				return nil, nil, err
			}
			before = append(outerBefore, before...)
			after = append(after, outerAfter...)
		}
	default:
		return nil, nil, unsupported(where, kind, "ByteLevel, TemplateProcessing, RobertaProcessing, BertProcessing, Sequence")
	}
	return before, after, t.checkAffixes(before, after)
}

// tokenAndID is ["</s>", 2].
type tokenAndID struct{ id int32 }

func (p *tokenAndID) UnmarshalJSON(raw []byte) error {
	var token string
	both := []any{&token, &p.id}
	if err := json.Unmarshal(raw, &both); err != nil || len(both) != 2 {
		return fmt.Errorf("got %.40q, want [token, id]", raw)
	}
	return nil
}

func (t *Tokenizer) parseTemplate(where string, raw json.RawMessage) (before, after []int32, err error) {
	type piece struct {
		ID     string `json:"id"`
		TypeID int    `json:"type_id"`
	}
	var c struct {
		Type   string
		Single []struct {
			SpecialToken *piece
			Sequence     *piece
		}
		Pair          json.RawMessage
		SpecialTokens map[string]struct {
			ID     string   `json:"id"`
			IDs    []int32  `json:"ids"`
			Tokens []string `json:"tokens"`
		} `json:"special_tokens"`
	}
	if err := strict(where, raw, &c); err != nil {
		return nil, nil, err
	}
	sequences := 0
	for i, p := range c.Single {
		switch {
		case p.Sequence != nil && p.SpecialToken == nil && p.Sequence.ID == "A":
			sequences++
		case p.SpecialToken != nil && p.Sequence == nil:
			token, ok := c.SpecialTokens[p.SpecialToken.ID]
			if !ok {
				return nil, nil, fmt.Errorf("tokenizer: post_processor TemplateProcessing: piece %d: %q is not among its special_tokens: check the file", i, p.SpecialToken.ID)
			}
			if sequences == 0 {
				before = append(before, token.IDs...)
			} else {
				after = append(after, token.IDs...)
			}
		default:
			return nil, nil, fmt.Errorf("tokenizer: post_processor TemplateProcessing: piece %d: want a SpecialToken or the Sequence \"A\": check the file", i)
		}
	}
	if sequences != 1 {
		return nil, nil, fmt.Errorf("tokenizer: post_processor TemplateProcessing: got %d times the Sequence \"A\", want once: check the file", sequences)
	}
	return before, after, t.checkAffixes(before, after)
}

// maxAffixes is far more than any published model puts around its text.
const maxAffixes = 64

func (t *Tokenizer) checkAffixes(before, after []int32) error {
	if len(before)+len(after) > maxAffixes {
		return fmt.Errorf("tokenizer: post_processor: got %d tokens around a text, want at most %d: check the file", len(before)+len(after), maxAffixes)
	}
	for _, ids := range [][]int32{before, after} {
		for _, id := range ids {
			if t.tokenAt(id) == "" {
				return fmt.Errorf("tokenizer: post_processor: got id %d, want a token of the vocabulary: check the file", id)
			}
		}
	}
	return nil
}
