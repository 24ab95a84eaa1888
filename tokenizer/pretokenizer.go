package tokenizer

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// preTokenizer cuts text into the words that are encoded one by one. first says that the text opens the prompt; emit
// gets each word and whether it does.
type preTokenizer interface {
	split(text string, first bool, emit func(word string, first bool))
}

// parsePreTokenizer reads the file's "pre_tokenizer".
func parsePreTokenizer(raw json.RawMessage, depth int) (preTokenizer, error) {
	const where = "pre_tokenizer"
	kind, err := componentType(where, raw, depth)
	if err != nil {
		return nil, err
	}
	switch kind {
	case "":
		return preSequence(nil), nil
	case "ByteLevel":
		var c byteLevelJSON
		if err := strict(where, raw, &c); err != nil {
			return nil, err
		}
		return byteLevel{c.AddPrefixSpace, c.UseRegex == nil || *c.UseRegex}, nil
	case "Metaspace":
		return parseMetaspace(where, raw)
	case "Split":
		return parseSplit(raw)
	case "Sequence":
		var c struct {
			Type          string
			PreTokenizers []json.RawMessage `json:"pretokenizers"`
		}
		if err := strict(where, raw, &c); err != nil {
			return nil, err
		}
		if len(c.PreTokenizers) > maxComponents {
			return nil, fmt.Errorf("tokenizer: pre_tokenizer Sequence: got %d steps, want at most %d: check the file", len(c.PreTokenizers), maxComponents)
		}
		var sequence preSequence
		for _, raw := range c.PreTokenizers {
			p, err := parsePreTokenizer(raw, depth+1)
			if err != nil {
				return nil, err
			}
			sequence = append(sequence, p)
		}
		return sequence, nil
	}
	return nil, unsupported(where, kind, "ByteLevel, Metaspace, Split, Sequence")
}

// preSequence runs pre-tokenizers one after the other, each on the words of the one before; empty, it leaves the text whole.
type preSequence []preTokenizer

func (p preSequence) split(text string, first bool, emit func(string, bool)) {
	if len(p) == 0 {
		emit(text, first)
		return
	}
	p[0].split(text, first, func(word string, first bool) {
		if word != "" {
			p[1:].split(word, first, emit)
		}
	})
}

type byteLevelJSON struct {
	Type           string
	AddPrefixSpace bool  `json:"add_prefix_space"`
	TrimOffsets    bool  `json:"trim_offsets"`
	UseRegex       *bool `json:"use_regex"`
}

// byteLevel spells every byte as one printable character, so that any text is made of known characters.
type byteLevel struct {
	prefixSpace bool
	useRegex    bool
}

func (b byteLevel) split(text string, first bool, emit func(string, bool)) {
	if b.prefixSpace && !strings.HasPrefix(text, " ") {
		text = " " + text
	}
	if !b.useRegex {
		emit(byteLetters(text), first)
		return
	}
	eachWord(text, gpt2Word, func(word string) {
		emit(byteLetters(word), first)
		first = false
	})
}

// byteLetter is GPT-2's character for each byte: itself where it is printable in Latin-1, else one from U+0100 on.
var byteLetter = func() (letter [256]rune) {
	next := rune(0x100)
	for b := range letter {
		if b > ' ' && b <= '~' || b >= 0xA1 && b != 0xAD {
			letter[b] = rune(b)
		} else {
			letter[b] = next
			next++
		}
	}
	return letter
}()

func byteLetters(text string) string {
	var b strings.Builder
	b.Grow(len(text) + len(text)/4)
	for i := 0; i < len(text); i++ {
		b.WriteRune(byteLetter[text[i]])
	}
	return b.String()
}

// metaspace marks spaces with a visible character, as SentencePiece does.
type metaspace struct {
	mark   string
	scheme string // "always", "first" or "never" prepend a mark
	words  bool   // cut before each mark
}

func parseMetaspace(where string, raw json.RawMessage) (m metaspace, err error) {
	var c struct {
		Type           string
		Replacement    string
		StrRep         string `json:"str_rep"`
		AddPrefixSpace *bool  `json:"add_prefix_space"`
		PrependScheme  string `json:"prepend_scheme"`
		Split          *bool
	}
	if err := strict(where, raw, &c); err != nil {
		return m, err
	}
	m = metaspace{c.Replacement, c.PrependScheme, c.Split == nil || *c.Split}
	if utf8.RuneCountInString(m.mark) != 1 {
		return m, fmt.Errorf("tokenizer: %s Metaspace: got replacement %q, want one character: check the file", where, m.mark)
	}
	if m.scheme == "" {
		m.scheme = "always"
		if c.AddPrefixSpace != nil && !*c.AddPrefixSpace {
			m.scheme = "never"
		}
	}
	if m.scheme != "always" && m.scheme != "first" && m.scheme != "never" {
		return m, fmt.Errorf("tokenizer: %s Metaspace: got prepend_scheme %q, want \"always\", \"first\" or \"never\": check the file", where, m.scheme)
	}
	return m, nil
}

func (m metaspace) split(text string, first bool, emit func(string, bool)) {
	text = strings.ReplaceAll(text, " ", m.mark)
	if (m.scheme == "always" || m.scheme == "first" && first) && !strings.HasPrefix(text, m.mark) {
		text = m.mark + text
	}
	if m.words {
		literalSplit{m.mark, "MergedWithNext"}.split(text, first, emit)
	} else {
		emit(text, first)
	}
}

// literalSplit cuts at every occurrence of a text.
type literalSplit struct {
	at       string
	behavior string
}

func (l literalSplit) split(text string, first bool, emit func(string, bool)) {
	send := func(word string) {
		if word != "" {
			emit(word, first)
			first = false
		}
	}
	from := 0 // start of the word being gathered
	for scan := 0; ; {
		i := strings.Index(text[scan:], l.at)
		if i < 0 {
			send(text[from:])
			return
		}
		start, end := scan+i, scan+i+len(l.at)
		scan = end
		switch l.behavior {
		case "Isolated":
			send(text[from:start])
			send(text[start:end])
			from = end
		case "Removed":
			send(text[from:start])
			first = false
			from = end
		case "MergedWithPrevious":
			send(text[from:end])
			from = end
		case "MergedWithNext":
			send(text[from:start])
			from = start
		}
	}
}

// patternSplit cuts by one of the well-known regular expressions, which leave no character out.
type patternSplit func(text string) int

func (p patternSplit) split(text string, first bool, emit func(string, bool)) {
	eachWord(text, p, func(word string) {
		emit(word, first)
		first = false
	})
}

type patternJSON struct {
	String *string
	Regex  *string
}

func (p patternJSON) text() string {
	switch {
	case p.String != nil:
		return fmt.Sprintf("{\"String\": %q}", *p.String)
	case p.Regex != nil:
		return fmt.Sprintf("{\"Regex\": %q}", *p.Regex)
	}
	return "{}"
}

func parseSplit(raw json.RawMessage) (preTokenizer, error) {
	var c struct {
		Type     string
		Pattern  patternJSON
		Behavior string
		Invert   bool
	}
	if err := strict("pre_tokenizer", raw, &c); err != nil {
		return nil, err
	}
	if c.Pattern.String != nil && *c.Pattern.String != "" && !c.Invert {
		switch c.Behavior {
		case "Isolated", "Removed", "MergedWithPrevious", "MergedWithNext":
			return literalSplit{*c.Pattern.String, c.Behavior}, nil
		}
	}
	// These patterns match everything, so keeping the matches and removing what lies between is the same.
	if c.Pattern.Regex != nil && (c.Behavior == "Isolated" && !c.Invert || c.Behavior == "Removed" && c.Invert) {
		if word, ok := knownPatterns[*c.Pattern.Regex]; ok {
			return patternSplit(word), nil
		}
	}
	return nil, fmt.Errorf("tokenizer: pre_tokenizer Split: pattern %s with behavior %q and invert %t is not supported: supported are literal texts and the patterns of GPT-2, Llama 3 and Qwen 2; use a model with one of those", c.Pattern.text(), c.Behavior, c.Invert)
}
