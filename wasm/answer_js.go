package main

import (
	"fmt"
	"time"

	"flamingo/model"
)

// A piece is a token with what it adds to the text.
type piece struct {
	Text    string   `json:"text"`
	ID      int32    `json:"id"`
	LogProb *float64 `json:"logProb,omitempty"`
}

// An answer is a text.
type answer struct {
	Text     string       `json:"text"`
	IDs      []int32      `json:"ids"`
	Finish   model.Finish `json:"finish"`
	LogProbs []float64    `json:"logProbs,omitzero"`
}

// A found answer is one of a beam search's.
type found struct {
	answer
	LogProb float64 `json:"logProb"`
	Score   float64 `json:"score"`
}

type result struct {
	answer
	Best  []found `json:"best,omitempty"`
	Stats stats   `json:"stats"`
}

type stats struct {
	VisionMS        float64 `json:"visionMs"`
	PrefillMS       float64 `json:"prefillMs"`
	DecodeMS        float64 `json:"decodeMs"`
	Tokens          int     `json:"tokens"`
	TokensPerSecond float64 `json:"tokensPerSecond"`
	Encoded         int     `json:"encoded"`
}

type scored struct {
	Text     string  `json:"text"`
	LogProb  float64 `json:"logProb"`
	PerToken float64 `json:"perToken"`
	Tokens   []piece `json:"tokens"`
}

// write generates one text, piece by piece.
func (j *job) write(o model.Options) (any, error) {
	before := j.Model.Encoded()
	out, err := j.captioner.Continue(j.ctx, j.prompt, o, func(t model.Token) { j.hook("onPiece", j.piece(t)) })
	if err != nil {
		return nil, err
	}
	return j.written(out, before), nil
}

// writeAll generates a text behind each of some prompts.
func (j *job) writeAll(prompts []model.Prompt, o model.Options) (any, error) {
	before, list := j.Model.Encoded(), make([]result, len(prompts))
	err := j.captioner.Batch(j.ctx, prompts, o, func(i int, out model.Caption) { list[i] = j.written(out, before) })
	return list, err
}

// written is a text that was generated.
func (j *job) written(out model.Caption, encodedBefore int) result {
	a := answer{Text: out.Text, IDs: append([]int32{}, out.IDs...), Finish: out.Finish}
	if j.logProbs {
		a.LogProbs = append([]float64{}, out.LogProbs...)
	}
	out.Stats.Vision = max(0, out.Stats.Vision-j.waited)
	return result{answer: a, Stats: j.stats(out.Stats, encodedBefore)}
}

// search finds the likeliest texts. Which is the best is known at the end, so its pieces come then.
func (j *job) search(o model.BeamOptions) (any, error) {
	before, began := j.Model.Encoded(), time.Now()
	list, err := j.captioner.Beam(j.ctx, j.prompt, o)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%w: no text is left to be written; ban fewer tokens", model.ErrOption)
	}
	spelt := make([][]model.Token, len(list))
	for i, h := range list {
		spelt[i] = spell(j.Model, h.IDs, h.Text)
	}
	if j.logProbs {
		if err := j.rate(spelt); err != nil {
			return nil, err
		}
	}
	var best []found
	for i, h := range list {
		best = append(best, found{j.answer(spelt[i], h.Finish), h.LogProb, h.Score})
	}
	for _, t := range spelt[0] {
		j.hook("onPiece", j.piece(t))
	}
	all := model.Stats{Decode: max(0, time.Since(began)-j.waited), Tokens: len(spelt[0])}
	return result{best[0].answer, best, j.stats(all, before)}, nil
}

// rate fills in each token's log-probability.
func (j *job) rate(spelt [][]model.Token) error {
	var lists [][]int32
	var of [][]model.Token
	for _, tokens := range spelt {
		if len(tokens) > 0 {
			lists, of = append(lists, j.answer(tokens, "").IDs), append(of, tokens)
		}
	}
	if len(lists) == 0 {
		return nil
	}
	scores, err := j.captioner.Score(j.ctx, j.prompt, lists)
	for i, s := range scores {
		for n, x := range s.Each {
			of[i][n].LogProb = x
		}
	}
	return err
}

// compare scores texts, whose tokens are ids.
func (j *job) compare(texts []string, ids [][]int32) (any, error) {
	scores, err := j.captioner.Score(j.ctx, j.prompt, ids)
	if err != nil {
		return nil, err
	}
	out := []scored{}
	for i, s := range scores {
		x := scored{Text: texts[i], LogProb: s.LogProb, PerToken: s.Mean()}
		for n, t := range spell(j.Model, ids[i], j.Model.Tokenizer.Decode(ids[i], true)) {
			t.LogProb = s.Each[n]
			x.Tokens = append(x.Tokens, j.piece(t))
		}
		out = append(out, x)
	}
	return out, nil
}

func (j *job) piece(t model.Token) piece {
	p := piece{Text: t.Text, ID: t.ID}
	if j.logProbs {
		p.LogProb = &t.LogProb
	}
	return p
}

func (j *job) answer(tokens []model.Token, finish model.Finish) answer {
	a := answer{IDs: []int32{}, Finish: finish}
	if j.logProbs {
		a.LogProbs = []float64{}
	}
	for _, t := range tokens {
		a.Text += t.Text
		if a.IDs = append(a.IDs, t.ID); j.logProbs {
			a.LogProbs = append(a.LogProbs, t.LogProb)
		}
	}
	return a
}

func (j *job) stats(s model.Stats, encodedBefore int) stats {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	x := stats{VisionMS: ms(s.Vision), PrefillMS: ms(s.Prefill), DecodeMS: ms(s.Decode), Tokens: s.Tokens, Encoded: j.Model.Encoded() - encodedBefore}
	if s.Tokens > 1 && s.Decode > 0 {
		x.TokensPerSecond = float64(s.Tokens-1) / s.Decode.Seconds()
	}
	return x
}
