package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"flamingo/gpu"
	"flamingo/loader"
	"flamingo/model"
	"flamingo/picture"
	"flamingo/runtime"
)

type captionCommand struct {
	Model       string   `required:"" placeholder:"DIR|URL" help:"Directory or address of a model, or of its flamingo.json."`
	Device      string   `enum:"${devices}" default:"${device}" help:"Where to compute: ${enum}."`
	JSON        bool     `name:"json" help:"Print one JSON object a line."`
	Prompt      string   `xor:"prompt" help:"Words that the caption begins with; they are not printed again."`
	IDs         []int32  `name:"ids" xor:"prompt" placeholder:"ID,…" help:"The whole prompt as token ids, with the one of <image> once. A model without a tokenizer prints ids as well."`
	MaxTokens   int      `default:"64" help:"Longest caption, in tokens."`
	Temperature float64  `help:"Draw tokens at random, the more freely the higher; 0 takes the likeliest."`
	TopK        int      `help:"Draw among the K likeliest tokens; 0 among all."`
	TopP        float64  `help:"Draw among the likeliest tokens that together have this probability; 0 among all."`
	Seed        uint64   `help:"The same seed draws the same tokens."`
	Offline     bool     `help:"Do not use the network: the model must have been fetched before."`
	Cache       string   `placeholder:"DIR" help:"Where models from the network are kept; by default a directory of the user's cache."`
	Images      []string `arg:"" name:"image" help:"Picture files, directories of them, or - for standard input."`
}

// An answer is what --json prints for a picture. Its fields are part of the command's interface.
type answer struct {
	File    string  `json:"file"`
	Caption string  `json:"caption"`
	IDs     []int32 `json:"ids"`
	Finish  string  `json:"finish"`
	Stats   stats   `json:"stats"`
}

type stats struct {
	VisionMS  float64 `json:"visionMs"`
	PrefillMS float64 `json:"prefillMs"`
	DecodeMS  float64 `json:"decodeMs"`
	Tokens    int     `json:"tokens"`
}

// A failure is what --json prints instead of an answer.
type failure struct {
	File  string  `json:"file,omitempty"`
	Error problem `json:"error"`
}

type problem struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (c *captionCommand) Run(ctx context.Context, p *program) error {
	err := c.captionAll(ctx, p)
	if err != nil && !errors.Is(err, errReported) && c.JSON {
		return p.fail("", err, true)
	}
	return err
}

func (c *captionCommand) captionAll(ctx context.Context, p *program) error {
	if c.MaxTokens == 0 { // in the library that is the default
		return fmt.Errorf("%w: --max-tokens is 0, want 1 or more", model.ErrOption)
	}
	m, err := c.load(ctx, p)
	if err != nil {
		return err
	}
	defer m.Model.Device().Close()
	r := captions{captionCommand: c, program: p, captioner: m.Model.NewCaptioner(), files: expand(c.Images)}
	defer r.captioner.Close()
	r.wordless = m.Model.Tokenizer == nil
	// One picture that was named is answered by its caption alone, and as it comes.
	r.alone = len(c.Images) == 1 && slices.Equal(r.files, c.Images)
	failed := false
	for _, file := range r.files {
		err := r.caption(ctx, file)
		switch {
		case err != nil && ofPicture(err) && ctx.Err() == nil:
			failed = true
			if err := p.fail(file, err, c.JSON); !errors.Is(err, errReported) {
				return err
			}
		case err != nil:
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	if failed {
		return errReported
	}
	return nil
}

// ofPicture tells the errors that say nothing about the next picture.
func ofPicture(err error) bool {
	return errors.Is(err, picture.ErrDecode) || errors.Is(err, gpu.ErrLimits) || errors.Is(err, gpu.ErrOutOfMemory)
}

// captions is a run over several pictures.
type captions struct {
	*captionCommand
	*program
	captioner *model.Captioner
	files     []string
	alone     bool
	wordless  bool // the model has no tokenizer
}

func (r *captions) caption(ctx context.Context, file string) error {
	img, err := r.read(file)
	if err != nil {
		return err
	}
	streamed := r.alone && r.liveOut && !r.JSON
	var piece func(model.Token)
	if streamed {
		between := ""
		piece = func(t model.Token) {
			if r.wordless {
				t.Text, between = fmt.Sprintf("%s%d", between, t.ID), ","
			}
			fmt.Fprint(r.out, plain(t.Text))
		}
	}
	made, err := r.captioner.Caption(ctx, model.Picture(img), model.CaptionOptions{Prompt: r.Prompt, IDs: r.IDs, Options: model.Options{
		MaxTokens: r.MaxTokens, Temperature: r.Temperature, TopK: r.TopK, TopP: r.TopP, Seed: r.Seed,
	}}, piece)
	if streamed {
		fmt.Fprintln(r.out)
	}
	switch {
	case err != nil || streamed:
		return err
	case r.JSON:
		return r.print(answerOf(file, made))
	case r.alone:
		_, err = fmt.Fprintln(r.out, r.said(made))
	default:
		_, err = fmt.Fprintf(r.out, "%s\t%s\n", file, r.said(made))
	}
	return err
}

// said is a caption on its line: words, or ids as --ids takes them.
func (r *captions) said(c model.Caption) string {
	if !r.wordless {
		return plain(c.Text)
	}
	var ids []string
	for _, id := range c.IDs {
		ids = append(ids, fmt.Sprint(id))
	}
	return strings.Join(ids, ",")
}

// plain keeps a caption on its line.
func plain(text string) string {
	return strings.NewReplacer("\n", " ", "\r", " ", "\t", " ").Replace(text)
}

func answerOf(file string, c model.Caption) answer {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return answer{
		File: file, Caption: c.Text, IDs: append([]int32{}, c.IDs...), Finish: string(c.Finish),
		Stats: stats{ms(c.Stats.Vision), ms(c.Stats.Prefill), ms(c.Stats.Decode), c.Stats.Tokens},
	}
}

// fail tells of a failure, about a file or about all, and returns errReported.
func (p *program) fail(file string, err error, asJSON bool) error {
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
	e := json.NewEncoder(p.out)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// load brings the model to the device, with its progress on standard error when a person watches.
func (c *captionCommand) load(ctx context.Context, p *program) (*runtime.Loaded, error) {
	store, err := c.store()
	if err != nil {
		return nil, err
	}
	dev, err := p.openDevice(ctx, c.Device)
	if err != nil {
		return nil, err
	}
	o := runtime.Options{Location: c.Model, Store: store, Offline: c.Offline}
	if p.liveErr {
		shown := -1
		o.Progress = func(phase string, loaded, total, _ int64) {
			if percent := int(100 * loaded / max(total, 1)); phase == runtime.PhaseFetch && percent != shown {
				shown = percent
				fmt.Fprintf(p.err, "\rloading %d %%", percent)
			}
		}
	}
	m, err := runtime.Load(ctx, dev, o)
	if p.liveErr {
		fmt.Fprint(p.err, "\r\x1b[K")
	}
	if err != nil {
		dev.Close()
		return nil, err
	}
	for _, n := range m.Notices {
		fmt.Fprintf(p.err, "flamingo: note: %s\n", n)
	}
	return m, nil
}

// store is where a model from the network is kept; one on this machine is there already.
func (c *captionCommand) store() (loader.Store, error) {
	if !isURL(c.Model) {
		if c.Cache != "" || c.Offline {
			return nil, fmt.Errorf("%w: --cache and --offline are for models from the network, --model is %s", model.ErrOption, c.Model)
		}
		return nil, nil
	}
	dir := c.Cache
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("%w: %w; give --cache", model.ErrOption, err)
		}
		dir = filepath.Join(user, "flamingo")
	}
	return loader.OpenDir(dir)
}

func isURL(location string) bool {
	return strings.HasPrefix(location, "http://") || strings.HasPrefix(location, "https://")
}
