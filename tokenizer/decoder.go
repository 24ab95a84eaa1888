package tokenizer

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Decode gives the text of ids. With skipSpecial, special tokens leave no text. Ids that no token has are passed over,
// and bytes that make no character become U+FFFD, both as in the library. Python's transformers may tidy its text
// further: see CleanUp.
func (t *Tokenizer) Decode(ids []int32, skipSpecial bool) string {
	d := t.newDecoder(skipSpecial)
	for _, id := range ids {
		d.push(id)
	}
	return d.Flush()
}

// Decoder turns ids into text as they come. Special tokens leave no text. What it gives, put together, is what Decode
// gives for the same ids. It is for one goroutine.
type Decoder struct {
	t           *Tokenizer
	skipSpecial bool
	stages      []stage
	out         strings.Builder
}

// NewDecoder starts decoding one text.
func (t *Tokenizer) NewDecoder() *Decoder { return t.newDecoder(true) }

func (t *Tokenizer) newDecoder(skipSpecial bool) *Decoder {
	d := &Decoder{t: t, skipSpecial: skipSpecial}
	d.reset()
	return d
}

// Next takes one more id and gives the text that is certain by now: always whole characters, "" while one is
// incomplete. With byte fallback, bytes are held until a token that is no byte follows, for only then is it known
// whether they are text.
func (d *Decoder) Next(id int32) string {
	d.push(id)
	return d.take()
}

// Flush gives what was held back and makes the decoder ready for another text.
func (d *Decoder) Flush() string {
	for i, s := range d.stages {
		s.flush(d.to(i + 1))
	}
	text := d.take()
	d.reset()
	return text
}

func (d *Decoder) push(id int32) {
	token := d.t.tokenAt(id)
	if token == "" || d.skipSpecial && d.t.special[id] {
		return
	}
	d.to(0)(token)
}

// to gives the way into a stage, or past the last one into the text.
func (d *Decoder) to(i int) func(string) {
	if i == len(d.stages) {
		return func(s string) { d.out.WriteString(s) }
	}
	return func(s string) { d.stages[i].push(s, d.to(i+1)) }
}

func (d *Decoder) take() string {
	text := d.out.String()
	d.out.Reset()
	return text
}

func (d *Decoder) reset() {
	d.stages = d.stages[:0]
	for _, stage := range d.t.stages {
		d.stages = append(d.stages, stage())
	}
}

// CleanUp does what Python's transformers does to decoded text where a tokenizer's settings ask for
// clean_up_tokenization_spaces: it takes away the space before . ? ! , and English contractions. It is no part of
// decoding; use it where output must match a reference made that way.
func CleanUp(text string) string {
	for _, r := range [][2]string{{" .", "."}, {" ?", "?"}, {" !", "!"}, {" ,", ","}, {" ' ", "'"}, {" n't", "n't"}, {" 'm", "'m"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}} {
		text = strings.ReplaceAll(text, r[0], r[1])
	}
	return text
}

// parseDecoder reads the file's "decoder" as the stages that tokens pass through.
func parseDecoder(raw json.RawMessage) ([]func() stage, error) {
	if isNull(raw) {
		return []func() stage{func() stage { return &spaceStage{} }}, nil
	}
	p := &decoderParser{growth: 1}
	if err := p.parse(raw, 0); err != nil {
		return nil, err
	}
	return p.stages, nil
}

type decoderParser struct {
	stages []func() stage
	fused  bool // by now all tokens are one, which comes in pieces
	growth int
}

func (p *decoderParser) parse(raw json.RawMessage, depth int) error {
	const where = "decoder"
	kind, err := componentType(where, raw, depth)
	if err != nil {
		return err
	}
	if len(p.stages) >= maxComponents {
		return fmt.Errorf("tokenizer: decoder Sequence: got more than %d steps: check the file", maxComponents)
	}
	alone := &struct{ Type string }{}
	switch kind {
	case "Sequence":
		var c struct {
			Type     string
			Decoders []json.RawMessage
		}
		if err := strict(where, raw, &c); err != nil {
			return err
		}
		for _, raw := range c.Decoders {
			if err := p.parse(raw, depth+1); err != nil {
				return err
			}
		}
		return nil
	case "Fuse":
		p.fused = true
		return strict(where, raw, alone)
	case "ByteLevel":
		if err := strict(where, raw, &byteLevelJSON{}); err != nil {
			return err
		}
		p.stages = append(p.stages, func() stage { return &byteLevelStage{} })
		err = p.wholeTokens(kind)
		p.fused = true
		return err
	case "ByteFallback":
		p.stages = append(p.stages, func() stage { return &byteFallbackStage{} })
		if err := p.wholeTokens(kind); err != nil {
			return err
		}
		return strict(where, raw, alone)
	case "Metaspace":
		m, err := parseMetaspace(where, raw)
		if err != nil {
			return err
		}
		p.stages = append(p.stages, func() stage { return &metaspaceStage{mark: m.mark, drop: m.scheme != "never"} })
		return p.wholeTokens(kind)
	case "Replace":
		old, new, growth, err := replacement(where, raw)
		if err != nil {
			return err
		}
		if p.growth *= growth; p.growth > maxGrowth {
			return fmt.Errorf("tokenizer: decoder: got replacements that grow a text %d times, want at most %d: check the file", p.growth, maxGrowth)
		}
		p.stages = append(p.stages, func() stage { return replaceStage{old, new} })
		if utf8.RuneCountInString(old) == 1 {
			return nil
		}
		return p.wholeTokens(kind)
	case "Strip":
		var c struct {
			Type        string
			Content     string
			Start, Stop uint16
		}
		if err := strict(where, raw, &c); err != nil {
			return err
		}
		if utf8.RuneCountInString(c.Content) != 1 {
			return fmt.Errorf("tokenizer: decoder Strip: got content %q, want one character: check the file", c.Content)
		}
		fused := p.fused
		p.stages = append(p.stages, func() stage {
			return &stripStage{mark: c.Content, start: int(c.Start), stop: int(c.Stop), fused: fused, left: int(c.Start)}
		})
		return nil
	}
	return unsupported(where, kind, "ByteLevel, ByteFallback, Fuse, Metaspace, Replace, Sequence, Strip")
}

// wholeTokens refuses a step that must see tokens whole, after one that joins them.
func (p *decoderParser) wholeTokens(kind string) error {
	if p.fused {
		return fmt.Errorf("tokenizer: decoder %s after a step that joins all tokens is not supported: use a model with another tokenizer", kind)
	}
	return nil
}
