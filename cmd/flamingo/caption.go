package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"flamingo/model"
)

type captionCommand struct {
	pictures
	writing
	Prompt string  `xor:"prompt" help:"Words that the caption begins with; they are not printed again."`
	IDs    []int32 `name:"ids" xor:"prompt" placeholder:"ID,…" help:"The whole prompt as token ids, with the one of <image> once. A model without a tokenizer prints ids as well."`
}

func (c *captionCommand) Run(ctx context.Context, p *program) error {
	o := model.CaptionOptions{Prompt: c.Prompt, IDs: c.IDs}
	return c.told(p, c.write(ctx, p, &c.pictures, "caption", o, func(file, text string, w written) any {
		return answer{file, text, w}
	}))
}

type askCommand struct {
	pictures
	writing
	Question string `required:"" placeholder:"TEXT" help:"What is asked about each picture, and in each example that has no question of its own."`
	Prompt   string `help:"Words that the answer begins with; they are not printed again."`
}

func (c *askCommand) Run(ctx context.Context, p *program) error {
	o := model.CaptionOptions{Task: "ask", Question: c.Question, Prompt: c.Prompt}
	return c.told(p, c.ask(ctx, p, o))
}

func (c *askCommand) ask(ctx context.Context, p *program, o model.CaptionOptions) error {
	if strings.TrimSpace(c.Question) == "" {
		return fmt.Errorf("%w: --question is empty, want what is to be asked", model.ErrOption)
	}
	return c.write(ctx, p, &c.pictures, "answer", o, func(file, text string, w written) any {
		return reply{file, c.Question, text, w}
	})
}

// writing is how a text is written.
type writing struct {
	MaxTokens         int      `default:"64" help:"Longest text, in tokens."`
	MinTokens         int      `help:"The text does not end before this many tokens."`
	Temperature       float64  `help:"Draw tokens at random, the more freely the higher; 0 takes the likeliest."`
	TopK              int      `help:"Draw among the K likeliest tokens; 0 among all."`
	TopP              float64  `help:"Draw among the likeliest tokens that together have this probability; 0 among all."`
	Seed              uint64   `help:"The same seed draws the same tokens."`
	RepetitionPenalty float64  `default:"1" help:"Divide the odds of tokens that were there before; 1 for none."`
	Stop              []string `sep:"none" placeholder:"TEXT" help:"End where this would be written next. May be repeated."`
	Beams             int      `help:"Search with this many beams for the likeliest text, instead of drawing."`
	LengthPenalty     float64  `help:"With --beams: texts compete by their log-probability over their length to this power; 0 for the sum."`
	N                 int      `placeholder:"1" help:"With --beams: tell this many texts, best first."`
	LogProbs          bool     `help:"In JSON, tell how likely each token was."`
	Batch             int      `default:"8" help:"Write about this many pictures at once, unless --beams searches; 1 for one after another."`
}

func (w *writing) check(asJSON bool) error {
	drawn := w.Temperature != 0 || w.TopK != 0 || w.TopP != 0 || w.Seed != 0 || w.RepetitionPenalty != 1
	switch {
	case w.MaxTokens == 0: // in the library that is the default
		return fmt.Errorf("%w: --max-tokens is 0, want 1 or more", model.ErrOption)
	case w.Beams == 0 && (w.N != 0 || w.LengthPenalty != 0):
		return fmt.Errorf("%w: --n and --length-penalty choose among the texts of a search; give --beams", model.ErrOption)
	case w.Beams != 0 && drawn:
		return fmt.Errorf("%w: --beams searches and does not draw; leave out --temperature, --top-k, --top-p, --seed and --repetition-penalty", model.ErrOption)
	case w.LogProbs && !asJSON:
		return fmt.Errorf("%w: --log-probs are told in JSON only; give --json or --jsonl", model.ErrOption)
	case w.Batch < 1 || w.Batch > model.MaxBatch:
		return fmt.Errorf("%w: --batch is %d, want 1 to %d", model.ErrOption, w.Batch, model.MaxBatch)
	}
	return nil
}

// write has a text written about each picture. object is what JSON has of it, in a field called field.
func (w *writing) write(ctx context.Context, p *program, c *pictures, field string, o model.CaptionOptions, object func(file, text string, w written) any) error {
	if err := w.check(c.JSON || c.JSONL != ""); err != nil {
		return err
	}
	o.Options = model.Options{
		MaxTokens: w.MaxTokens, MinTokens: w.MinTokens, Temperature: w.Temperature, TopK: w.TopK, TopP: w.TopP,
		Seed: w.Seed, Repetition: w.RepetitionPenalty, Stop: w.Stop, LogProbs: w.LogProbs,
	}
	return c.answer(ctx, p, task{field, o.Question}, func(r *round) (answerer, error) {
		o.Shots = r.shots
		if w.Beams != 0 {
			return each(func(ctx context.Context, x taken) (result, error) {
				text, lines, made, err := w.search(ctx, r, x.media, o)
				return result{object: object(x.file, text, made), lines: lines}, err
			}), nil
		}
		r.group = w.Batch
		return func(ctx context.Context, group []taken) (list []result, err error) {
			made, err := r.generate(ctx, group, o)
			for i, x := range made {
				of := written{IDs: append([]int32{}, x.IDs...), Finish: string(x.Finish), LogProbs: x.LogProbs, Stats: statsOf(x.Stats)}
				if w.LogProbs && of.LogProbs == nil {
					of.LogProbs = []float64{}
				}
				list = append(list, result{object(group[i].file, x.Text, of), []string{said(r.model, x.Text, x.IDs)}, r.streams()})
			}
			return list, err
		}, nil
	})
}

// generate writes texts token by token, a single one onto the terminal if that is where it goes.
func (r *round) generate(ctx context.Context, group []taken, o model.CaptionOptions) ([]model.Caption, error) {
	if len(group) > 1 {
		var prompts []model.Prompt
		for _, x := range group {
			prompt, err := r.model.PromptOf(x.media, o)
			if err != nil {
				return nil, err
			}
			prompts = append(prompts, prompt)
		}
		made := make([]model.Caption, len(group))
		return made, r.captioner.Batch(ctx, prompts, o.Options, func(i int, c model.Caption) { made[i] = c })
	}
	var piece func(model.Token)
	if r.streams() {
		defer fmt.Fprintln(r.out)
		between := ""
		piece = func(t model.Token) {
			if r.model.Tokenizer == nil {
				t.Text, between = fmt.Sprintf("%s%d", between, t.ID), ","
			}
			fmt.Fprint(r.out, plain(t.Text))
		}
	}
	c, err := r.captioner.Caption(ctx, group[0].media, o, piece)
	return []model.Caption{c}, err
}

// search writes the likeliest texts that beams find.
func (w *writing) search(ctx context.Context, r *round, x model.Media, o model.CaptionOptions) (string, []string, written, error) {
	began := time.Now()
	prompt, err := r.model.PromptOf(x, o)
	if err != nil {
		return "", nil, written{}, err
	}
	list, err := r.captioner.Beam(ctx, prompt, model.BeamOptions{
		Beams: w.Beams, LengthPenalty: w.LengthPenalty, N: w.N, MaxTokens: w.MaxTokens, MinTokens: w.MinTokens, Stop: w.Stop,
	})
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("%w: the beams found no text; give more --beams, or fewer --min-tokens", model.ErrOption)
	}
	if err != nil {
		return "", nil, written{}, err
	}
	var best []hypothesis
	var lines []string
	for _, h := range list {
		ids := within(r.model, h)
		// As when it is written token by token, a text does not begin with what separates it from the prompt.
		text := strings.TrimLeft(h.Text, " \n")
		best = append(best, hypothesis{Text: text, IDs: ids, LogProb: h.LogProb, Score: h.Score, Finish: string(h.Finish)})
		lines = append(lines, said(r.model, text, ids))
	}
	if w.LogProbs {
		if err := rate(ctx, r, prompt, best); err != nil {
			return "", nil, written{}, err
		}
	}
	made := written{IDs: best[0].IDs, Finish: best[0].Finish, LogProbs: best[0].LogProbs, Best: best}
	made.Stats = statsOf(model.Stats{Decode: time.Since(began), Tokens: len(made.IDs)})
	return best[0].Text, lines, made, nil
}

// within are the tokens of a hypothesis up to where a stop text cut it.
func within(m *model.Flamingo, h model.Hypothesis) []int32 {
	if m.Tokenizer != nil {
		for n := range h.IDs {
			if strings.HasPrefix(m.Tokenizer.Decode(h.IDs[:n], true), h.Text) {
				return append([]int32{}, h.IDs[:n]...)
			}
		}
	}
	return append([]int32{}, h.IDs...)
}

// rate fills in how likely each token was.
func rate(ctx context.Context, r *round, prompt model.Prompt, best []hypothesis) error {
	var lists [][]int32
	var of []*hypothesis
	for i := range best {
		h := &best[i]
		if h.LogProbs = []float64{}; len(h.IDs) > 0 {
			lists, of = append(lists, h.IDs), append(of, h)
		}
	}
	if len(lists) == 0 {
		return nil
	}
	scores, err := r.captioner.Score(ctx, prompt, lists)
	for i, s := range scores {
		of[i].LogProbs = s.Each
	}
	return err
}
