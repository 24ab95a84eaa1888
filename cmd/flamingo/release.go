package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"flamingo/convert"
	"flamingo/hub"
	"flamingo/loader"
)

type releaseCommand struct {
	Release   string `arg:"" placeholder:"NAME" help:"Such as openflamingo/OpenFlamingo-3B-vitl-mpt1b."`
	Hub       string `placeholder:"URL" help:"Address of a mirror of the hub. A token is taken from HF_TOKEN."`
	Downloads string `placeholder:"DIR" help:"Where the downloaded files are kept; by default a directory of the user's cache. What is there is not fetched again."`
	Tokenizer string `placeholder:"FILE" help:"tokenizer.json, where the language model's repository has none."`
	Embedding bool   `help:"Keep CLIP's embedding, by which pictures are compared."`
	conversion
}

func (c *releaseCommand) Run(ctx context.Context, p *program) error {
	r, err := convert.FindRelease(c.Release)
	if err != nil {
		return err
	}
	client, err := hub.New(c.Hub)
	if err != nil {
		return err
	}
	if _, err := os.Stat(c.Out); err == nil && !c.Replace {
		return fmt.Errorf("%w: %s exists already; choose another directory, or --replace the model in it", convert.ErrCheckpoint, c.Out)
	}
	dir := c.Downloads
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return fmt.Errorf("%w; give --downloads", err)
		}
		dir = filepath.Join(user, "flamingo", "downloads")
	}
	parts, err := c.survey(ctx, p, client, r)
	if err != nil {
		return err
	}
	for i := range parts {
		// By the commit, so that another revision never mixes with this one.
		parts[i].dir = filepath.Join(dir, filepath.FromSlash(parts[i].Repo), parts[i].repo.Commit)
		err := client.Download(ctx, parts[i].repo, parts[i].paths, parts[i].dir, p.downloading())
		p.unlive()
		if err != nil {
			return err
		}
	}
	from, err := openParts(r, parts, convert.Files{Tokenizer: c.Tokenizer, Embedding: c.Embedding})
	if err != nil {
		return err
	}
	defer from.Close()
	for _, part := range parts {
		from.Licences = append(from.Licences, loader.Licence{Component: string(part.Role), SPDX: part.licence(), URL: part.url(client)})
	}
	return c.write(ctx, p, from)
}

// A part of a release on the hub.
type releasePart struct {
	convert.Source
	repo  *hub.Repo
	paths []string
	dir   string // where its files are
}

// survey pins every part to a commit, and says what will be downloaded and on what terms.
func (c *releaseCommand) survey(ctx context.Context, p *program, client *hub.Client, r convert.Release) ([]releasePart, error) {
	var parts []releasePart
	for _, s := range r.Parts {
		repo, err := client.Repo(ctx, s.Repo, s.Revision)
		if err != nil {
			return nil, err
		}
		part := releasePart{Source: s, repo: repo}
		if part.paths, err = needed(repo, s.Role, r.Kind); err != nil {
			return nil, err
		}
		parts = append(parts, part)
	}
	t := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "PART\tFROM\tCOMMIT\tLICENCE\tSIZE")
	for _, part := range parts {
		fmt.Fprintf(t, "%s\t%s\t%.12s\t%s\t%s\n", part.Role, part.url(client), part.repo.Commit, part.licence(), sized(part.bytes()))
	}
	return parts, t.Flush()
}

// licence is what the hub says, or what was known when this was written.
func (p releasePart) licence() string {
	switch {
	case p.repo.Licence != "":
		return p.repo.Licence
	case p.Licence != "":
		return p.Licence
	}
	return "not stated"
}

func (p releasePart) url(c *hub.Client) string { return strings.TrimSuffix(c.Base, "/") + "/" + p.Repo }

func (p releasePart) bytes() (n int64) {
	for _, name := range p.paths {
		if f, ok := p.repo.Find(name); ok {
			n += f.Size
		}
	}
	return n
}

// needed chooses the files of a part: its weights in the safest form that is there, and what
// describes them.
func needed(r *hub.Repo, role convert.Role, kind string) ([]string, error) {
	var paths []string
	if role == convert.RoleLM || kind == "flamingo-mini" && role == convert.RoleTrained {
		paths = append(paths, "config.json")
	}
	if role == convert.RoleLM {
		if _, ok := r.Find("tokenizer.json"); ok {
			paths = append(paths, "tokenizer.json")
		}
		if kind == "flamingo-mini" {
			return paths, nil // its checkpoint holds the language model
		}
	}
	for _, pattern := range []string{"model.safetensors", "model-*.safetensors", "checkpoint.pt", "pytorch_model.bin", "pytorch_model-*.bin"} {
		var found []string
		for _, f := range r.Files {
			if ok, _ := path.Match(pattern, f.Path); ok {
				found = append(found, f.Path)
			}
		}
		if len(found) == 0 {
			continue
		}
		if stem, _, sharded := strings.Cut(pattern, "-*"); sharded {
			found = append(found, stem+path.Ext(pattern)+".index.json")
		}
		return append(paths, found...), nil
	}
	return nil, fmt.Errorf("%w: %s at %.12s holds no weights that are understood", hub.ErrHub, r.ID, r.Commit)
}

// downloading shows the progress of a file when a person watches.
func (p *program) downloading() hub.Progress {
	if !p.liveErr {
		return nil
	}
	return func(repo, file string, done, total int64) {
		fmt.Fprintf(p.err, "\r\x1b[K%s/%s: %s of %s", repo, file, sized(done), sized(total))
	}
}

// openParts opens what was downloaded.
func openParts(r convert.Release, parts []releasePart, f convert.Files) (*convert.Checkpoint, error) {
	for _, p := range parts {
		switch weights := filepath.Join(p.dir, p.paths[len(p.paths)-1]); p.Role {
		case convert.RoleTrained:
			f.Checkpoint = weights
			if r.Kind == "flamingo-mini" {
				f.Layout = filepath.Join(p.dir, "config.json")
			}
		case convert.RoleLM:
			f.LM = p.dir
		case convert.RoleVision:
			f.Vision = weights
		}
	}
	if r.Kind == "flamingo-mini" {
		return convert.OpenFlamingoMini(f)
	}
	layout, err := json.Marshal(r.Layout)
	if err != nil {
		return nil, err
	}
	file, err := os.CreateTemp("", "release-*.json")
	if err != nil {
		return nil, err
	}
	defer os.Remove(file.Name())
	_, err = file.Write(layout)
	file.Close()
	if err != nil {
		return nil, err
	}
	f.Layout = file.Name()
	return convert.OpenOpenFlamingo(f)
}
