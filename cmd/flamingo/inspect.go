package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"flamingo/convert"
	"flamingo/loader"
	"flamingo/model"
	"flamingo/runtime"
	"flamingo/tensor"
)

type inspectCommand struct {
	Model  string `arg:"" placeholder:"DIR|URL|FILE|NAME" help:"Directory or address of a model, a flamingo.json, a bare config.json without weights, or the name of a published model such as Flamingo-80B or OpenFlamingo-3B-vitl-mpt1b."`
	Tokens int    `default:"128" help:"Prompt and caption for which memory is estimated, in tokens."`
	JSON   bool   `name:"json" help:"Print JSON."`
}

// A report is what inspect prints; with --json its fields are part of the command's interface.
type report struct {
	Name       string           `json:"name,omitempty"`
	Revision   string           `json:"revision,omitempty"`
	Config     model.Config     `json:"config"`
	Parameters int              `json:"parameters"`
	FileBytes  int64            `json:"fileBytes,omitempty"` // of the weight files, for a model with weights
	Tensors    []row            `json:"tensors"`
	Parts      []part           `json:"parts"`
	Total      part             `json:"total"`
	Memory     memory           `json:"memory"`
	Licences   []loader.Licence `json:"licences,omitempty"`
}

// A row is one tensor. Without weights its storage is what a conversion to q8 would choose.
type row struct {
	Name  string       `json:"name"`
	Shape tensor.Shape `json:"shape"`
	DType tensor.DType `json:"dtype"`
	Bytes int          `json:"bytes"`
}

// A part is the sum over the tensors of one part of the model, as stored and as it would be.
type part struct {
	Name       string         `json:"name"`
	Tensors    int            `json:"tensors"`
	Parameters int            `json:"parameters"`
	Stored     int            `json:"stored"`
	Bytes      map[string]int `json:"bytes"` // by dtype of the large matrices
}

func (c *inspectCommand) Run(ctx context.Context, p *program) error {
	r, storage, err := inspect(ctx, c.Model)
	if err != nil {
		return err
	}
	tokens := min(c.Tokens, r.Config.LM.MaxPositions)
	if r.Memory, err = weigh(ctx, r.Config, tokens, storage); err != nil {
		return err
	}
	if c.JSON {
		return p.print(r)
	}
	return r.write(p)
}

// inspect reads what is known of a model and says how each tensor is stored.
func inspect(ctx context.Context, location string) (*report, func(model.Entry) tensor.DType, error) {
	m, c, err := describe(ctx, location)
	if err != nil {
		return nil, nil, err
	}
	r := &report{Config: c, Parameters: c.Parameters()}
	storage := func(e model.Entry) tensor.DType { return convert.Storage(e, tensor.Q8) }
	if m != nil {
		r.Name, r.Revision, r.FileBytes, r.Licences = m.Name, m.Revision, m.Bytes(), m.Licences
		stored := map[string]tensor.DType{}
		for _, t := range m.Tensors {
			stored[t.Name] = t.DType
		}
		storage = func(e model.Entry) tensor.DType { return stored[e.Name] }
	}
	for _, name := range []string{"vision", "resampler", "xattn", "lm"} {
		r.Parts = append(r.Parts, part{Name: name, Bytes: map[string]int{}})
	}
	r.Total = part{Name: "total", Bytes: map[string]int{}}
	for _, e := range model.Spec(c) {
		d := storage(e)
		n, err := d.Bytes(e.Shape)
		if err != nil {
			return nil, nil, err
		}
		r.Tensors = append(r.Tensors, row{e.Name, e.Shape, d, n})
		for _, p := range r.within(e.Name) {
			if err := p.add(e, n); err != nil {
				return nil, nil, err
			}
		}
	}
	return r, storage, nil
}

// within lists the sums that a tensor belongs to.
func (r *report) within(tensor string) []*part {
	for i := range r.Parts {
		if strings.HasPrefix(tensor, r.Parts[i].Name+".") {
			return []*part{&r.Parts[i], &r.Total}
		}
	}
	return []*part{&r.Total}
}

// storages are the columns of the table of sizes.
var storages = []tensor.DType{tensor.F32, tensor.F16, tensor.Q8, tensor.Q4}

func (p *part) add(e model.Entry, stored int) error {
	p.Tensors++
	p.Parameters += e.Shape.Len()
	p.Stored += stored
	for _, d := range storages {
		n, err := convert.Storage(e, d).Bytes(e.Shape)
		if err != nil {
			return err
		}
		p.Bytes[d.String()] += n
	}
	return nil
}

// describe finds the manifest and the configuration; a bare configuration has no manifest.
func describe(ctx context.Context, location string) (*loader.Manifest, model.Config, error) {
	path := location
	if _, err := os.Stat(location); err != nil && !isURL(location) && !strings.ContainsAny(location, ".\\") {
		c, unknown := convert.Published(location)
		if unknown != nil {
			return nil, c, errors.Join(err, unknown)
		}
		return nil, c, nil
	}
	if !isURL(location) {
		bare := filepath.Join(location, "config.json")
		if _, err := os.Stat(filepath.Join(location, loader.ManifestName)); errors.Is(err, fs.ErrNotExist) {
			if _, err := os.Stat(bare); err == nil { // a checkpoint
				path = bare
			}
		}
		if data, err := os.ReadFile(path); err == nil && !isManifest(data) {
			c, err := model.ParseConfig(data)
			if err != nil {
				err = fmt.Errorf("%s: %w", path, err)
			}
			return nil, c, err
		}
	}
	source, err := loader.NewSource(path)
	if err != nil {
		return nil, model.Config{}, err
	}
	fetched, err := loader.FetchManifest(ctx, path, loader.FetchOptions{Source: source})
	if err != nil {
		return nil, model.Config{}, err
	}
	c, err := runtime.Config(fetched.Manifest)
	return fetched.Manifest, c, err
}

// isManifest tells a manifest, even a bad one, from a configuration.
func isManifest(data []byte) bool {
	var m struct {
		Format *json.RawMessage `json:"format"`
	}
	return json.Unmarshal(data, &m) == nil && m.Format != nil
}

func (r *report) write(p *program) error {
	t := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "TENSOR\tSHAPE\tDTYPE\tBYTES")
	for _, x := range r.Tensors {
		fmt.Fprintf(t, "%s\t%v\t%v\t%d\n", x.Name, x.Shape, x.DType, x.Bytes)
	}
	fmt.Fprint(t, "\nPART\tTENSORS\tPARAMETERS\tSTORED")
	for _, d := range storages {
		fmt.Fprintf(t, "\tAT %v", d)
	}
	fmt.Fprintln(t)
	for _, x := range append(r.Parts, r.Total) {
		fmt.Fprintf(t, "%s\t%d\t%s\t%s", x.Name, x.Tensors, grouped(int64(x.Parameters)), sized(int64(x.Stored)))
		for _, d := range storages {
			fmt.Fprintf(t, "\t%s", sized(int64(x.Bytes[d.String()])))
		}
		fmt.Fprintln(t)
	}
	m := r.Memory
	fmt.Fprintf(t, "\nMEMORY\tfor %d tokens and a picture of %d × %d pixels\n", m.Tokens, m.ImageWidth, m.ImageHeight)
	for _, x := range []struct {
		name  string
		bytes int
	}{
		{"weights", m.Weights}, {"KV cache", m.KVCache}, {"media keys and values", m.MediaKV},
		{"activations", m.Activations}, {"picture, until it is scaled", m.Image}, {"other", m.Other}, {"peak", m.Peak},
	} {
		fmt.Fprintf(t, "%s\t%s\n", x.name, sized(int64(x.bytes)))
	}
	fmt.Fprintln(t)
	if r.Name != "" {
		fmt.Fprintf(t, "name\t%s, revision %.12s, %s in files\n", r.Name, r.Revision, sized(r.FileBytes))
	} else {
		fmt.Fprintln(t, "name\tnone: a configuration without weights; storage is as of a conversion to q8")
	}
	for _, l := range r.Licences {
		fmt.Fprintf(t, "licence\t%s\n", strings.TrimSpace(fmt.Sprintf("%s: %s %s", l.Component, l.SPDX, l.URL)))
	}
	return t.Flush()
}

// sized is a number of bytes for people.
func sized(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.2f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.2f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}

// grouped is a count with its thousands apart.
func grouped(n int64) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", grouped(n/1000), n%1000)
}
