// Package tokenizer turns text into token ids and back, exactly as the Hugging Face `tokenizers` library does, from
// the library's own tokenizer.json. It covers the byte-pair-encoding models that language models of the Flamingo
// family use: byte-level BPE (GPT-2, OPT, GPT-NeoX) and SentencePiece-style BPE with byte fallback (LLaMA). Text that
// a person typed can never become a control token: only ids given on purpose and EncodeTemplate do that. A Decoder
// streams text token by token and holds back bytes that do not yet make a whole character. A Tokenizer never changes
// after Parse, so goroutines may share it.
package tokenizer

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Tokenizer holds everything that one tokenizer.json says. Make it with Parse.
type Tokenizer struct {
	model    *bpe
	added    []addedToken
	addedIDs map[string]int32
	special  map[int32]bool
	tokens   []string // by id, added tokens included; "" where no token has the id
	raw      *matcher // added tokens looked for in the text as it is
	cooked   *matcher // added tokens looked for in the normalised text
	normal   normalizer
	pre      preTokenizer
	stages   []func() stage
	before   []int32
	after    []int32
}

// Encode gives the ids of text that a person wrote. Control tokens spelled out in it ("<image>") stay text, and
// nothing is put before or after (see Affixes). Bytes that are not UTF-8 count as U+FFFD. Tokens that the file adds
// without marking them special, such as GPT-NeoX's runs of spaces, are used.
func (t *Tokenizer) Encode(text string) []int32 {
	e := t.newEncoder(false)
	e.text(text, true)
	return e.out
}

// EncodeTemplate gives the ids of trusted text in which control tokens are spelled out, such as a manifest's
// "<image>Output:". Never pass it text from a person: use Encode, or EncodePrompt to mix the two.
func (t *Tokenizer) EncodeTemplate(template string) []int32 {
	e := t.newEncoder(true)
	e.text(template, true)
	return e.out
}

// Part is one piece of a prompt: a Text or an ID.
type Part struct {
	text string
	id   int32
	isID bool
}

// Text is a part of a prompt that is encoded as Encode does.
func Text(text string) Part { return Part{text: text} }

// ID is a part of a prompt that is one token, usually a control token found with TokenID.
func ID(id int32) Part { return Part{id: id, isID: true} }

// EncodePrompt joins parts into the ids of one prompt. Texts beside each other are joined before they are encoded, so
// that how a caller cuts its text does not change the tokens. IDs are copied as they are.
func (t *Tokenizer) EncodePrompt(parts ...Part) []int32 {
	e := t.newEncoder(false)
	for i := 0; i < len(parts); {
		if parts[i].isID {
			e.out = append(e.out, parts[i].id)
			i++
			continue
		}
		first := i == 0
		var text strings.Builder
		for ; i < len(parts) && !parts[i].isID; i++ {
			text.WriteString(parts[i].text)
		}
		e.text(text.String(), first)
	}
	return e.out
}

// Affixes gives the ids that the file's post-processor puts before and after one sequence: the BOS of LLaMA, the
// "</s>" before OPT's text, nothing for GPT-NeoX. No Encode method adds them; a caller that wants them does. The
// slices are the caller's to keep.
func (t *Tokenizer) Affixes() (before, after []int32) {
	return append([]int32(nil), t.before...), append([]int32(nil), t.after...)
}

// TokenID gives the id of a token as the vocabulary spells it ("Ġthe", "<image>"), and whether there is one.
func (t *Tokenizer) TokenID(token string) (int32, bool) {
	if id, ok := t.addedIDs[token]; ok {
		return id, true
	}
	id, ok := t.model.vocab[token]
	return id, ok
}

// VocabSize is one more than the largest id, added tokens included: the fewest rows that a model's embedding may have.
func (t *Tokenizer) VocabSize() int { return len(t.tokens) }

// WithAdded gives a tokenizer with more special tokens, by name and id, as when a model was trained with tokens that
// its tokenizer.json does not list ("<|endofchunk|>" = 50277). The receiver is left as it was. They win over the file:
// an added token of the file that has one of these ids is dropped. A name or an id that the model's vocabulary uses
// otherwise, or a name that the file adds with another id, is an error.
func (t *Tokenizer) WithAdded(added map[string]int32) (*Tokenizer, error) {
	ids := map[int32]string{}
	for content, id := range added {
		if other, twice := ids[id]; twice {
			return nil, fmt.Errorf("tokenizer: added tokens %q and %q both have id %d: give each its own", min(content, other), max(content, other), id)
		}
		if !utf8.ValidString(content) {
			return nil, fmt.Errorf("tokenizer: added token %q (id %d): got bytes that are not UTF-8, want text: correct its name", content, id)
		}
		ids[id] = content
	}
	c := *t
	c.tokens = append([]string(nil), t.tokens...)
	var list []addedToken
	for _, a := range t.added {
		if name, taken := ids[a.id]; !taken || name == a.content {
			list = append(list, a)
		} else if _, inModel := t.model.vocab[a.content]; !inModel {
			c.tokens[a.id] = ""
		}
	}
	for content, id := range added {
		list = append(list, addedToken{content: content, id: id, special: true})
	}
	if err := c.setAdded(list); err != nil {
		return nil, err
	}
	return &c, nil
}

func (t *Tokenizer) tokenAt(id int32) string {
	if id < 0 || int(id) >= len(t.tokens) {
		return ""
	}
	return t.tokens[id]
}

// encoder is the state of one call: the ids so far and the words already seen in this text.
type encoder struct {
	t       *Tokenizer
	special bool
	out     []int32
	words   map[string][]int32
	merger  merger
}

// Words longer than this are not remembered, nor more of them than this: prose gains all there is to gain, and text
// made to fill memory cannot.
const (
	maxCachedWord  = 64
	maxCachedWords = 1 << 14
)

func (t *Tokenizer) newEncoder(special bool) *encoder {
	return &encoder{t: t, special: special}
}

// text appends the ids of a stretch of text; first says that it opens the prompt, which Metaspace asks.
func (e *encoder) text(text string, first bool) {
	if !utf8.ValidString(text) {
		text = strings.ToValidUTF8(text, "\uFFFD")
	}
	e.t.raw.cut(text, e.special, func(piece string, id int32, at int) {
		if id >= 0 {
			e.out = append(e.out, id)
			return
		}
		normal := e.t.normal(piece)
		opens := first && at == 0
		e.t.cooked.cut(normal, e.special, func(piece string, id int32, at int) {
			if id >= 0 {
				e.out = append(e.out, id)
				return
			}
			e.t.pre.split(piece, opens && at == 0, e.word)
		})
	})
}

func (e *encoder) word(word string, _ bool) {
	if word == "" {
		return
	}
	if ids, ok := e.words[word]; ok {
		e.out = append(e.out, ids...)
		return
	}
	from := len(e.out)
	e.out = e.t.model.encode(e.out, word, &e.merger)
	if len(word) <= maxCachedWord && len(e.words) < maxCachedWords {
		if e.words == nil {
			e.words = map[string][]int32{}
		}
		e.words[word] = append([]int32(nil), e.out[from:]...)
	}
}
