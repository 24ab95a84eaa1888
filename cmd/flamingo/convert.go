package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"flamingo/convert"
	"flamingo/loader"
	"flamingo/tensor"
)

// dtypes are the formats that weights can be stored in.
const dtypes = "q4,q8,f16,f32"

type convertCommand struct {
	Release      releaseCommand      `cmd:"" default:"withargs" help:"A published release by its name on the Hugging Face hub, such as openflamingo/OpenFlamingo-3B-vitl-mpt1b."`
	OpenFlamingo openFlamingoCommand `cmd:"" name:"openflamingo" help:"An OpenFlamingo from files that are here."`
	FlamingoMini flamingoMiniCommand `cmd:"" name:"flamingo-mini" help:"A flamingo-mini from files that are here."`
	NFNet        nfnetCommand        `cmd:"" name:"nfnet" help:"An NFNet alone: timm's dm_nfnet weights, or DeepMind's."`
	Native       nativeCommand       `cmd:"" help:"The directory that the project's trainer writes: config.json, model.safetensors, tokenizer.json."`
}

type nativeCommand struct {
	Dir string `arg:"" help:"Directory of the checkpoint."`
	conversion
}

func (c *nativeCommand) Run(ctx context.Context, p *program) error {
	from, err := convert.OpenNative(c.Dir)
	if err != nil {
		return err
	}
	defer from.Close()
	return c.write(ctx, p, from)
}

// parts are the files that a Flamingo is put together of.
type parts struct {
	Checkpoint string `required:"" placeholder:"FILE" help:"What was trained: .pt, .bin or safetensors."`
	LM         string `name:"lm" required:"" placeholder:"DIR" help:"Directory of the frozen language model: config.json, weights, tokenizer.json."`
	Vision     string `placeholder:"FILE" help:"Weights of CLIP's image tower; not for a flamingo-mini that holds them itself."`
	Tokenizer  string `placeholder:"FILE" help:"tokenizer.json; by default the one beside the language model."`
	Embedding  bool   `help:"Keep CLIP's embedding, by which pictures are compared."`
}

func (f parts) files(layout string) convert.Files {
	return convert.Files{Checkpoint: f.Checkpoint, LM: f.LM, Vision: f.Vision, Tokenizer: f.Tokenizer, Embedding: f.Embedding, Layout: layout}
}

type openFlamingoCommand struct {
	parts
	Release string `placeholder:"FILE" help:"JSON that says what the files do not: image size, heads, token ids."`
	conversion
}

func (c *openFlamingoCommand) Run(ctx context.Context, p *program) error {
	from, err := convert.OpenOpenFlamingo(c.files(c.Release))
	if err != nil {
		return err
	}
	defer from.Close()
	return c.write(ctx, p, from)
}

type flamingoMiniCommand struct {
	parts
	Config string `required:"" placeholder:"FILE" help:"The model's own config.json."`
	conversion
}

func (c *flamingoMiniCommand) Run(ctx context.Context, p *program) error {
	from, err := convert.OpenFlamingoMini(c.files(c.Config))
	if err != nil {
		return err
	}
	defer from.Close()
	return c.write(ctx, p, from)
}

type nfnetCommand struct {
	Weights string `required:"" placeholder:"FILE" help:"safetensors, .pt, or DeepMind's .npz."`
	Config  string `default:"F0" placeholder:"F0…F6|FILE" help:"A variant, or JSON with channels, depths, group_size, stem_channels and num_features."`
	Flavour string `enum:"timm,deepmind" default:"timm" help:"How weights are standardised: ${enum}."`
	Final   bool   `negatable:"" default:"true" help:"Features are those of the final convolution, not of the last stage."`
	conversion
}

func (c *nfnetCommand) Run(ctx context.Context, p *program) error {
	text := []byte(c.Config)
	if _, err := os.Stat(c.Config); err == nil {
		if text, err = os.ReadFile(c.Config); err != nil {
			return err
		}
	}
	config, err := convert.ParseNFNet(text, c.Final)
	if err != nil {
		return err
	}
	flavour := convert.TimmFlavour
	if c.Flavour == "deepmind" {
		flavour = convert.DeepMindFlavour
	}
	from, err := convert.OpenNFNet(c.Weights, config, flavour)
	if err != nil {
		return err
	}
	defer from.Close()
	if c.Check {
		return fmt.Errorf("%w: --check compares logits, which a vision encoder alone has none of", convert.ErrCheckpoint)
	}
	o, err := c.options(p)
	if err != nil {
		return err
	}
	r, err := from.Write(ctx, o)
	p.unlive()
	if err != nil {
		return err
	}
	return c.report(p, r)
}

// conversion is what all conversions take.
type conversion struct {
	Out     string `short:"o" required:"" placeholder:"DIR" help:"Directory to write."`
	DType   string `name:"dtype" enum:"${dtypes}" default:"q8" help:"Storage of the large matrices: ${enum}."`
	Name    string `help:"Name of the model; by default that of the directory."`
	Replace bool   `help:"Replace a model that is there already."`
	Licence string `placeholder:"SPDX" help:"Licence of the weights, such as MIT."`
	Check   bool   `help:"Read the result again: its sums, every tensor, and how far its logits are from those of f32. Takes minutes for a large model."`
}

func (c *conversion) options(p *program) (convert.Options, error) {
	d, err := tensor.ParseDType(c.DType)
	if err != nil {
		return convert.Options{}, err
	}
	o := convert.Options{Out: c.Out, Replace: c.Replace, Name: c.Name, DType: d, Check: c.Check}
	if o.Name == "" {
		dir, err := filepath.Abs(c.Out)
		if err != nil {
			return o, err
		}
		o.Name = filepath.Base(dir)
	}
	if c.Licence != "" {
		o.Licences = []loader.Licence{{Component: "weights", SPDX: c.Licence}}
	}
	if p.liveErr {
		o.Progress = func(tensor string, done, total int) {
			fmt.Fprintf(p.err, "\r\x1b[K%d of %d tensors: %s", done, total, tensor)
		}
	}
	return o, nil
}

// unlive clears the line of a progress.
func (p *program) unlive() {
	if p.liveErr {
		fmt.Fprint(p.err, "\r\x1b[K")
	}
}

func (c *conversion) write(ctx context.Context, p *program, from *convert.Checkpoint) error {
	o, err := c.options(p)
	if err != nil {
		return err
	}
	r, err := from.Write(ctx, o)
	p.unlive()
	if err != nil {
		return err
	}
	return c.report(p, r)
}

func (c *conversion) report(p *program, r *convert.Report) error {
	t := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "TENSOR\tSHAPE\tSTORED AS\tBYTES\tRMS ERROR")
	for _, x := range r.Tensors {
		fmt.Fprintf(t, "%s\t%v\t%v\t%d\t%.2e\n", x.Name, x.Shape, x.DType, x.Bytes, x.Error)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(p.out)
	if d := r.Divergence; d != nil {
		same := "the likeliest token is the same"
		if !d.SameTop {
			same = "the likeliest token is another"
		}
		fmt.Fprintf(p.out, "Against f32, after a fixed prompt: logits are off by %.3g at most and %.3g rms, KL divergence %.3g, %s.\n", d.MaxAbs, d.RMS, d.KL, same)
	}
	if c.Check {
		fmt.Fprintln(p.out, "Checked: all sums, and every tensor against the checkpoint.")
	}
	if peak := peakMemory(); peak > 0 {
		fmt.Fprintf(p.out, "Peak memory %s, %v since the start.\n", sized(peak), time.Since(p.began).Round(time.Second))
	}
	_, err := fmt.Fprintf(p.out, "%s: %s parameters, %s in %d files, revision %.12s\n",
		c.Out, grouped(r.Manifest.Parameters()), sized(r.Manifest.Bytes()), len(r.Manifest.Files), r.Manifest.Revision)
	return err
}
