package model

import (
	"cmp"
	"fmt"
	"strings"

	"flamingo/tokenizer"
)

// A Shot is an example in a prompt, or the query behind the examples: media, what is asked of it, and
// what is said of it. An example without media is words alone, which show the form of an answer (paper,
// section 3.3: two of them make a prompt "zero-shot").
type Shot struct {
	Media    Media
	Question string
	Text     string
}

// A Passage is a piece of an interleaved prompt: words, or media. Special tokens that are spelled in
// words are words.
type Passage struct {
	Text  string
	Media *Media
}

// imageTag stands for media in a template.
const imageTag = "<image>"

// Interleave is a prompt of words and media as they come.
func (m *Flamingo) Interleave(passages []Passage) (Prompt, error) {
	b, err := m.newBuilder()
	if err != nil {
		return Prompt{}, err
	}
	for _, x := range passages {
		if x.Media != nil {
			b.image(*x.Media)
		} else {
			b.words(x.Text)
		}
	}
	return b.prompt(), nil
}

// Expand puts examples and a query into the model's own templates for a task: "caption", "ask" or
// "classify". Opening is what the answer begins with. The templates are Config.Prompts[task] for the
// query and Config.Prompts[task+".shot"] for an example, in which {question} and {text} stand for
// what a shot says; without the latter an example is the query, a space, the text and the token that
// ends a chunk.
func (m *Flamingo) Expand(task string, shots []Shot, query Shot, opening string) (Prompt, error) {
	template, ok := m.Config.Prompts[task]
	if !ok && task == "classify" {
		template, ok = m.Config.Prompts["caption"]
	}
	if !ok {
		return Prompt{}, fmt.Errorf("%w: the model has no prompt template for %q", ErrOption, task)
	}
	b, err := m.newBuilder()
	if err != nil {
		return Prompt{}, err
	}
	example := cmp.Or(m.Config.Prompts[task+".shot"], template+" {text}"+b.end)
	for i, s := range shots {
		if strings.TrimSpace(s.Text) == "" {
			return Prompt{}, fmt.Errorf("%w: shot %d has no text, want what is to be said of its picture", ErrOption, i+1)
		}
		if s.Media.none() {
			b.expand(strings.ReplaceAll(example, imageTag, ""), s)
		} else {
			b.expand(example, s)
		}
	}
	b.expand(template, query)
	b.words(opening)
	return b.prompt(), nil
}

// A builder puts a prompt together.
type builder struct {
	m     *Flamingo
	end   string // how the token that ends a chunk is spelled
	tag   []tokenizer.Part
	parts []tokenizer.Part
	media []Media
}

func (m *Flamingo) newBuilder() (*builder, error) {
	if m.Tokenizer == nil {
		return nil, fmt.Errorf("%w: this model has no tokenizer; give the prompt as token ids, such as [%d]", ErrOption, m.Config.Tokens.Image)
	}
	b := &builder{m: m, end: m.Tokenizer.Decode([]int32{m.Config.Tokens.EndOfChunk}, false)}
	if bos := m.Config.Tokens.BOS; bos >= 0 {
		b.parts = append(b.parts, tokenizer.ID(bos))
	}
	// The tag is a token of its own in most models and a text in others.
	for _, id := range m.Tokenizer.EncodeTemplate(imageTag) {
		b.tag = append(b.tag, tokenizer.ID(id))
	}
	return b, nil
}

func (b *builder) words(text string) {
	if text != "" {
		b.parts = append(b.parts, tokenizer.Text(text))
	}
}

func (b *builder) image(x Media) {
	b.parts, b.media = append(b.parts, b.tag...), append(b.media, x)
}

// expand adds a template, with a shot in its places.
func (b *builder) expand(template string, s Shot) {
	places := []struct {
		name string
		put  func()
	}{
		{imageTag, func() { b.image(s.Media) }},
		{b.end, func() { b.parts = append(b.parts, tokenizer.ID(b.m.Config.Tokens.EndOfChunk)) }},
		{"{question}", func() { b.words(s.Question) }},
		{"{text}", func() { b.words(s.Text) }},
	}
	for template != "" {
		first, which := len(template), -1
		for i, p := range places {
			if at := strings.Index(template, p.name); p.name != "" && at >= 0 && at < first {
				first, which = at, i
			}
		}
		b.words(template[:first])
		if template = template[first:]; which >= 0 {
			places[which].put()
			template = template[len(places[which].name):]
		}
	}
}

func (b *builder) prompt() Prompt {
	return Prompt{IDs: b.m.Tokenizer.EncodePrompt(b.parts...), Media: b.media}
}
