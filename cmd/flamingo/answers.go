package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"flamingo/model"
)

// An answer is what caption tells about a picture in JSON, a reply what ask does. The fields are part
// of the command's interface.
type answer struct {
	File    string `json:"file"`
	Caption string `json:"caption"`
	written
}

type reply struct {
	File     string `json:"file"`
	Question string `json:"question"`
	Answer   string `json:"answer"`
	written
}

// written is what there is to know about a text besides its words.
type written struct {
	IDs      []int32      `json:"ids"`
	Finish   string       `json:"finish"`
	LogProbs []float64    `json:"logProbs,omitzero"` // of each of IDs, in nats
	Best     []hypothesis `json:"best,omitempty"`    // of a beam search; the first is the text
	Stats    stats        `json:"stats"`
}

// A hypothesis is a text that a beam search found.
type hypothesis struct {
	Text     string    `json:"text"`
	IDs      []int32   `json:"ids"`
	LogProb  float64   `json:"logProb"` // with the token that ended it, in nats
	Score    float64   `json:"score"`
	Finish   string    `json:"finish"`
	LogProbs []float64 `json:"logProbs,omitzero"`
}

// stats are times in ms; a beam search is all decoding.
type stats struct {
	VisionMS  float64 `json:"visionMs"`
	PrefillMS float64 `json:"prefillMs"`
	DecodeMS  float64 `json:"decodeMs"`
	Tokens    int     `json:"tokens"`
}

func statsOf(s model.Stats) stats {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return stats{ms(s.Vision), ms(s.Prefill), ms(s.Decode), s.Tokens}
}

// A failure is what JSON has instead of an answer.
type failure struct {
	File  string  `json:"file,omitempty"`
	Error problem `json:"error"`
}

type problem struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// said is a text on its line: words, or ids as --ids takes them from a model that has no words.
func said(m *model.Flamingo, text string, ids []int32) string {
	if m.Tokenizer != nil {
		return plain(text)
	}
	var list []string
	for _, id := range ids {
		list = append(list, fmt.Sprint(id))
	}
	return strings.Join(list, ",")
}

// plain keeps a text on its line.
func plain(text string) string {
	return strings.NewReplacer("\n", " ", "\r", " ", "\t", " ").Replace(text)
}

// fail tells of a failure, about a file or about all, and returns errReported.
func (p *program) fail(file string, err error, asJSON bool) error {
	p.unlive()
	if asJSON {
		if err := p.print(failure{file, problem{code(err), err.Error()}}); err != nil {
			return err
		}
		return errReported
	}
	fmt.Fprintf(p.err, "flamingo: %s: %s: %v\n", file, code(err), err)
	return errReported
}

func (p *program) print(v any) error {
	line, err := encode(v)
	if err == nil {
		_, err = p.out.Write(line)
	}
	return err
}

// encode is JSON on a line of its own.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}
