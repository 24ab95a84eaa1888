package main

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"flamingo/model"
)

type classifyCommand struct {
	pictures
	Label []string `required:"" sep:"none" placeholder:"TEXT" help:"What a picture may be. Repeat it for each choice."`
	Sum   bool     `help:"Compare the labels' whole log-probability, which favours short ones, and not that of their tokens in the mean."`
}

// A classified picture is what classify tells in JSON. Its fields are part of the command's interface.
type classified struct {
	File   string  `json:"file"`
	Labels []label `json:"labels"` // the likeliest first
}

type label struct {
	Label       string  `json:"label"`
	Probability float64 `json:"probability"` // among the labels
	LogProb     float64 `json:"logProb"`     // sum over its tokens, in nats
	PerToken    float64 `json:"perToken"`
}

func (c *classifyCommand) Run(ctx context.Context, p *program) error {
	return c.told(p, c.classify(ctx, p))
}

func (c *classifyCommand) classify(ctx context.Context, p *program) error {
	for i, l := range c.Label {
		switch {
		case strings.TrimSpace(l) == "":
			return fmt.Errorf("%w: label %d is empty", model.ErrOption, i+1)
		case slices.Contains(c.Label[:i], l):
			return fmt.Errorf("%w: the label %q is there twice", model.ErrOption, l)
		}
	}
	return c.answer(ctx, p, task{field: "labels"}, func(r *round) (answerer, error) {
		m := r.model
		if m.Tokenizer == nil {
			return nil, fmt.Errorf("%w: this model has no tokenizer, which labels need", model.ErrOption)
		}
		o := model.CaptionOptions{Task: "classify", Shots: r.shots}
		if _, ok := m.Config.Prompts[o.Task]; !ok {
			o.Task = "caption" // with its examples
		}
		var ids [][]int32
		for _, l := range c.Label {
			ids = append(ids, m.Tokenizer.Encode(gap(m.Config.Prompts, o.Task)+l))
		}
		return each(func(ctx context.Context, x taken) (result, error) {
			prompt, err := m.PromptOf(x.media, o)
			if err != nil {
				return result{}, err
			}
			scores, err := r.captioner.Score(ctx, prompt, ids)
			if err != nil {
				return result{}, err
			}
			labels := ranked(c.Label, scores, c.Sum)
			var lines []string
			for _, l := range labels {
				lines = append(lines, fmt.Sprintf("%s\t%.4f\t%.3f", plain(l.Label), l.Probability, l.LogProb))
			}
			return result{object: classified{x.file, labels}, lines: lines}, nil
		}), nil
	})
}

// gap is what stands between a task's prompt and its answer, as the template for examples says;
// without one that is the space of model.Expand's own examples.
func gap(templates map[string]string, task string) string {
	before, _, ok := strings.Cut(templates[task+".shot"], "{text}")
	if between, found := strings.CutPrefix(before, templates[task]); ok && found {
		return between
	}
	return " "
}

// ranked gives labels their probabilities: a softmax over the mean log-probability of their tokens
// (as OpenFlamingo ranks them; Awadalla et al. 2023), or over the sum.
func ranked(names []string, scores []model.Score, sum bool) []label {
	of := func(s model.Score) float64 {
		if sum {
			return s.LogProb
		}
		return s.Mean()
	}
	top, total := math.Inf(-1), 0.0
	for _, s := range scores {
		top = max(top, of(s))
	}
	for _, s := range scores {
		total += math.Exp(of(s) - top)
	}
	var order []int
	for i := range scores {
		order = append(order, i)
	}
	// Probabilities of the unlikely may all be 0, their logarithms differ.
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(of(scores[b]), of(scores[a])) })
	var labels []label
	for _, i := range order {
		s := scores[i]
		labels = append(labels, label{names[i], math.Exp(of(s)-top) / total, s.LogProb, s.Mean()})
	}
	return labels
}
