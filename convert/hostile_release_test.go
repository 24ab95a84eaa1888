//go:build !js

package convert

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flamingo/checkpoint"
	"flamingo/model"
	"flamingo/tensor"
)

// A release is a copy of the tiny OpenFlamingo that can be spoilt. Files are copied when they are
// changed.
type release struct {
	*testing.T
	Files
	dir string
}

func newRelease(t *testing.T) *release { return &release{t, nanoFiles(), t.TempDir()} }

// edit changes the tensors of one of the release's files.
func (r *release) edit(path *string, change func(c contents)) {
	r.Helper()
	c := openContents(r.T, *path)
	change(c)
	*path = filepath.Join(r.dir, filepath.Base(*path))
	c.torch(r.T, *path)
}

// lm makes the directory of the language model a copy and changes its tensors.
func (r *release) lm(change func(c contents)) {
	r.Helper()
	weights := filepath.Join(r.LM, "pytorch_model.bin")
	r.LM = filepath.Join(r.dir, "lm")
	if err := os.CopyFS(r.LM, os.DirFS(filepath.Join(openFlamingoNano, "lm"))); err != nil {
		r.Fatal(err)
	}
	c := openContents(r.T, weights)
	change(c)
	c.torch(r.T, filepath.Join(r.LM, "pytorch_model.bin"))
}

// lmConfig changes fields of the language model's config.json.
func (r *release) lmConfig(fields string) {
	r.Helper()
	r.lm(func(contents) {})
	r.write(filepath.Join("lm", "config.json"), mergeJSON(r.T, filepath.Join(r.LM, "config.json"), fields))
}

// layout changes fields of release.json.
func (r *release) layout(fields string) {
	r.Helper()
	r.Layout = r.write("release.json", mergeJSON(r.T, r.Layout, fields))
}

func (r *release) write(name string, data []byte) string {
	r.Helper()
	path := filepath.Join(r.dir, name)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		r.Fatal(err)
	}
	return path
}

// mergeJSON puts fields into an object and into those inside it; a field that becomes "absent" is
// taken out.
func mergeJSON(t *testing.T, path, fields string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var object, changes map[string]any
	if err := errors.Join(json.Unmarshal(data, &object), json.Unmarshal([]byte(fields), &changes)); err != nil {
		t.Fatal(err)
	}
	merge(object, changes)
	if data, err = json.Marshal(object); err != nil {
		t.Fatal(err)
	}
	return data
}

func merge(to, from map[string]any) {
	for name, v := range from {
		inner, isObject := v.(map[string]any)
		old, wasObject := to[name].(map[string]any)
		switch {
		case v == "absent":
			delete(to, name)
		case isObject && wasObject:
			merge(old, inner)
		default:
			to[name] = v
		}
	}
}

// convert tries the whole conversion and gives what stopped it. Nothing may be left of it.
func (r *release) convert(d tensor.DType) error {
	r.Helper()
	parent := r.TempDir()
	c, err := OpenOpenFlamingo(r.Files)
	if err == nil {
		_, err = c.Write(context.Background(), Options{Out: filepath.Join(parent, "model"), Name: "hostile", DType: d})
		if closing := c.Close(); closing != nil {
			r.Error(closing)
		}
	}
	left, listing := os.ReadDir(parent)
	if listing != nil || (err != nil && len(left) > 0) {
		r.Errorf("the conversion left %v, %v; want nothing", left, listing)
	}
	return err
}

// stops wants the conversion to fail, with all of some words in the message.
func (r *release) stops(d tensor.DType, words ...string) {
	r.Helper()
	err := r.convert(d)
	if err == nil {
		r.Fatal("the release was converted")
	}
	if !errors.Is(err, ErrCheckpoint) && !errors.Is(err, checkpoint.ErrFormat) && !errors.Is(err, model.ErrConfig) && !errors.As(err, new(*fs.PathError)) {
		r.Errorf("got %v, want an error that wraps one of the project's, or a file's", err)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			r.Errorf("got %v\nwant %q in it", err, w)
		}
	}
	if len(err.Error()) > 4<<10 {
		r.Errorf("the message has %d bytes", len(err.Error()))
	}
}

// set changes one value of a tensor.
func (c contents) set(name string, at int, v float32) {
	x := slices.Clone(c[name].F32())
	x[at] = v
	c[name] = tensor.FromF32(x, c[name].Shape...)
}

// halve makes every extent of the given sizes half as large.
func (c contents) halve(sizes ...int) {
	for name, x := range c {
		shape := slices.Clone(x.Shape)
		for i, n := range shape {
			if slices.Contains(sizes, n) {
				shape[i] = n / 2
			}
		}
		c[name] = tensor.New(tensor.F32, shape...)
	}
}
