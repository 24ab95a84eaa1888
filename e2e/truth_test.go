//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"flamingo/gpu"
	"flamingo/model"
	"flamingo/picture"
	"flamingo/runtime"
	"flamingo/tensor"
)

// templates are prompts that the nano model was not trained with and takes nevertheless: one for
// questions, and the shortest one for captions, so that many examples fit.
var templates = map[string]map[string]string{
	"nano-asks":  {"caption": "<image>Output:", "ask": "<image>Q: {question} A:", "ask.shot": "<image>Q: {question} A: {text}<|endofchunk|>"},
	"nano-short": {"caption": "<image>"},
}

// promptModels makes the nano model with other templates.
func promptModels(t *testing.T) {
	t.Helper()
	for name, prompts := range templates {
		dir := filepath.Join(models(t), name)
		copyDir(t, "../models/nano", dir)
		file := filepath.Join(dir, "flamingo.json")
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var manifest map[string]any
		if err := json.Unmarshal(data, &manifest); err != nil {
			t.Fatal(err)
		}
		manifest["config"].(map[string]any)["prompts"] = prompts
		if data, err = json.Marshal(manifest); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// A truth is a model on the CPU, to compare the browser with. Every prompt has a session of its own,
// so nothing is remembered.
type truth struct {
	t *testing.T
	*model.Flamingo
}

func openTruth(t *testing.T, name string) truth {
	t.Helper()
	dev := gpu.NewCPU()
	l, err := runtime.Load(t.Context(), dev, runtime.Options{Location: filepath.Join(models(t), name)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Model.Close(); dev.Close() })
	return truth{t, l.Model}
}

// run gives what use makes of a captioner.
func run[T any](c truth, use func(context.Context, *model.Captioner) (T, error)) T {
	c.t.Helper()
	captioner := c.NewCaptioner()
	defer captioner.Close()
	got, err := use(c.t.Context(), captioner)
	if err != nil {
		c.t.Fatal(err)
	}
	return got
}

func (c truth) write(p model.Prompt, o model.Options) model.Caption {
	c.t.Helper()
	return run(c, func(ctx context.Context, x *model.Captioner) (model.Caption, error) {
		return x.Continue(ctx, p, o, nil)
	})
}

func (c truth) score(p model.Prompt, texts []string) []model.Score {
	c.t.Helper()
	var ids [][]int32
	for _, text := range texts {
		ids = append(ids, c.Tokenizer.Encode(text))
	}
	return run(c, func(ctx context.Context, x *model.Captioner) ([]model.Score, error) { return x.Score(ctx, p, ids) })
}

func (c truth) promptOf(x model.Media, o model.CaptionOptions) model.Prompt {
	c.t.Helper()
	p, err := c.PromptOf(x, o)
	if err != nil {
		c.t.Fatal(err)
	}
	return p
}

func (c truth) interleave(passages ...model.Passage) model.Prompt {
	c.t.Helper()
	p, err := c.Interleave(passages)
	if err != nil {
		c.t.Fatal(err)
	}
	return p
}

// held are the first held-out pictures.
func held(t *testing.T) (images []model.Image, media []model.Media) {
	t.Helper()
	for _, e := range expected(t)[:6] {
		f, err := os.Open(picturePath(e))
		if err != nil {
			t.Fatal(err)
		}
		p, err := picture.Read(f, model.MaxPixels)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		images = append(images, model.Image{Width: p.Width, Height: p.Height, Pixels: tensor.GoBytes(p.Pixels)})
		media = append(media, model.Picture(images[len(images)-1]))
	}
	return images, media
}

// plain is a small picture of one colour.
func plain(i int) model.Media {
	pixels := bytes.Repeat([]byte{byte(8 * i), byte(255 - 8*i), 99, 255}, 64)
	return model.Picture(model.Image{Width: 8, Height: 8, Pixels: tensor.GoBytes(pixels)})
}

// openAPI loads a model in a page and gives scripts its name, model, and pictures, as files.
func openAPI(t *testing.T, page *Page, name string) {
	t.Helper()
	var files []string
	for _, e := range expected(t)[:6] {
		files = append(files, filepath.Base(e.File))
	}
	list, err := json.Marshal(files)
	if err != nil {
		t.Fatal(err)
	}
	eval[bool](page, fmt.Sprintf(`import('/flamingo.js').then(async ({ load }) => {
		await globalThis.model?.dispose()
		globalThis.model = await load('/models/%s/', {})
		globalThis.pictures = await Promise.all(%s.map(async (file) => (await fetch('/models/pictures/' + file)).blob()))
		globalThis.outcome = (run) => run.then((r) => r, (e) => ({ error: e.code + ': ' + e.message, hint: e.hint }))
		return true
	})`, name, list))
}

// spoken is a result, as the API gives it.
type spoken struct {
	Text     string
	IDs      []int32
	Finish   string
	LogProbs []float64
	Best     []struct {
		spoken
		LogProb, Score float64
	}
	Stats  struct{ Encoded, Tokens int }
	Error  string
	Hint   string
	Pieces []struct {
		Text    string
		ID      int32
		LogProb float64
	}
}

// near is how far log-probabilities of the browser's device and the CPU may be apart.
const near = 0.02

func (s spoken) sameAs(t *testing.T, what string, want model.Caption) {
	t.Helper()
	if s.Error != "" || !slices.Equal(s.IDs, want.IDs) || s.Text != want.Text || s.Finish != string(want.Finish) {
		t.Errorf("%s: got %q %v %s %s, want %q %v %s", what, s.Text, s.IDs, s.Finish, s.Error, want.Text, want.IDs, want.Finish)
	}
}
