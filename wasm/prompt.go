package main

import (
	"fmt"
	"strings"

	"flamingo/model"
)

// A part is a piece of a conversation: words, media, or an answer of the model's, as its tokens.
type part struct {
	text  string
	media *model.Media
	ids   []int32
	ended bool // the answer was complete, not cut off at a limit
}

// interleave is the prompt of parts. Answers keep their tokens, whatever their text would be cut
// into, so that the session finds them in its cache.
func interleave(m *model.Flamingo, parts []part) (model.Prompt, error) {
	var all model.Prompt
	var passages []model.Passage
	begun := false
	flush := func() error {
		p, err := m.Interleave(passages)
		if err != nil {
			return err
		}
		if begun && m.Config.Tokens.BOS >= 0 {
			p.IDs = p.IDs[1:] // once is enough
		}
		all.IDs, all.Media = append(all.IDs, p.IDs...), append(all.Media, p.Media...)
		passages, begun = nil, true
		return nil
	}
	for _, x := range parts {
		if x.ids == nil && !x.ended {
			passages = append(passages, model.Passage{Text: x.text, Media: x.media})
			continue
		}
		if err := flush(); err != nil {
			return all, err
		}
		if all.IDs = append(all.IDs, x.ids...); x.ended {
			all.IDs = append(all.IDs, m.Config.Tokens.EndOfChunk)
		}
	}
	return all, flush()
}

// answers are the tokens of texts as they follow a prompt: behind a task's template with what stands
// between it and an example's text, and behind parts, where task is "", as they are.
func answers(m *model.Flamingo, task string, texts []string) ([][]int32, error) {
	if m.Tokenizer == nil {
		return nil, fmt.Errorf("%w: this model has no tokenizer, and texts can be scored only by one that has", model.ErrOption)
	}
	var list [][]int32
	for _, t := range texts {
		list = append(list, m.Tokenizer.Encode(gap(m.Config.Prompts, task)+t))
	}
	return list, nil
}

// gap is what a task's template puts between a query and its answer.
func gap(templates map[string]string, task string) string {
	if task == "" {
		return ""
	}
	if _, ok := templates[task]; !ok {
		task = "caption"
	}
	shot, ok := templates[task+".shot"]
	if !ok {
		return " "
	}
	before, _, _ := strings.Cut(shot, "{text}")
	between, ok := strings.CutPrefix(before, templates[task])
	if !ok {
		return " "
	}
	return between
}

// spell gives the tokens of a text, each with its share of it. What stands behind the text's end was
// cut off by a stop text, and is left out.
func spell(m *model.Flamingo, ids []int32, text string) []model.Token {
	var list []model.Token
	if m.Tokenizer == nil {
		for _, id := range ids {
			list = append(list, model.Token{ID: id})
		}
		return list
	}
	cut := len(text) < len(m.Tokenizer.Decode(ids, true))
	d := m.Tokenizer.NewDecoder()
	for i, id := range ids {
		if cut && text == "" {
			break
		}
		piece := d.Next(id)
		if piece = piece[:min(len(piece), len(text))]; i == len(ids)-1 {
			piece = text
		}
		list, text = append(list, model.Token{ID: id, Text: piece}), text[len(piece):]
	}
	// As everywhere, a text does not begin with the space that separates it from the prompt.
	for i := range list {
		if list[i].Text = strings.TrimLeft(list[i].Text, " \n"); list[i].Text != "" {
			break
		}
	}
	return list
}
