package main

import (
	"context"
	"fmt"
	"path/filepath"
	"text/tabwriter"

	"flamingo/convert"
	"flamingo/loader"
	"flamingo/tensor"
)

// dtypes are the formats that weights can be stored in.
const dtypes = "q4,q8,f16,f32"

type convertCommand struct {
	Native nativeCommand `cmd:"" help:"From the directory that the project's trainer writes: config.json, model.safetensors, tokenizer.json."`
}

type nativeCommand struct {
	Dir string `arg:"" help:"Directory of the checkpoint."`
	conversion
}

// conversion is what all conversions take.
type conversion struct {
	Out     string `short:"o" required:"" placeholder:"DIR" help:"Directory to write."`
	DType   string `name:"dtype" enum:"${dtypes}" default:"q8" help:"Storage of the large matrices: ${enum}."`
	Name    string `help:"Name of the model; by default that of the directory."`
	Replace bool   `help:"Replace a model that is there already."`
	Licence string `placeholder:"SPDX" help:"Licence of the weights, such as MIT."`
}

func (c *nativeCommand) Run(ctx context.Context, p *program) error {
	from, err := convert.OpenNative(c.Dir)
	if err != nil {
		return err
	}
	defer from.Close()
	return c.write(ctx, p, from)
}

func (c *conversion) write(ctx context.Context, p *program, from *convert.Checkpoint) error {
	d, err := tensor.ParseDType(c.DType)
	if err != nil {
		return err
	}
	o := convert.Options{Out: c.Out, Replace: c.Replace, Name: c.Name, DType: d}
	if o.Name == "" {
		dir, err := filepath.Abs(c.Out)
		if err != nil {
			return err
		}
		o.Name = filepath.Base(dir)
	}
	if c.Licence != "" {
		o.Licences = []loader.Licence{{Component: "weights", SPDX: c.Licence}}
	}
	r, err := from.Write(ctx, o)
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "TENSOR\tSHAPE\tSTORED AS\tBYTES\tRMS ERROR")
	for _, x := range r.Tensors {
		fmt.Fprintf(t, "%s\t%v\t%v\t%d\t%.2e\n", x.Name, x.Shape, x.DType, x.Bytes, x.Error)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.out, "\n%s: %s parameters, %s in %d files, revision %.12s\n",
		c.Out, grouped(r.Manifest.Parameters()), sized(r.Manifest.Bytes()), len(r.Manifest.Files), r.Manifest.Revision)
	return err
}
