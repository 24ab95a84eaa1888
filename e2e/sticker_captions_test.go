//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A stickerCase is a row of testdata/sticker/expected.json: what PyTorch says of a picture or, in Files,
// a video, with the weights as the model stores them.
type stickerCase struct {
	File     string   `json:"file,omitempty"`
	Files    []string `json:"files,omitempty"`
	Question string   `json:"question,omitempty"`
	Said     string   `json:"said"`
}

// stickerCases are those rows, by kind.
func stickerCases(t *testing.T) (cases struct{ Pictures, Videos, Questions []stickerCase }) {
	t.Helper()
	data, err := os.ReadFile("../testdata/sticker/expected.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases.Pictures) < 200 || len(cases.Videos) < 8 || len(cases.Questions) < 40 {
		t.Fatalf("testdata/sticker has %d pictures, %d videos and %d questions, want at least 200, 8 and 40",
			len(cases.Pictures), len(cases.Videos), len(cases.Questions))
	}
	return cases
}

// TestStickerCaptions holds what the sticker model says in the browser against PyTorch: of all pictures in
// shared passes, of some one by one, of videos and questions. One text in 40 may differ: where two words
// are as likely, rounding decides.
func TestStickerCaptions(t *testing.T) {
	cases, dir := stickerCases(t), t.TempDir()
	copyDir(t, "../models/sticker", filepath.Join(dir, "sticker"))
	copyDir(t, "../testdata/sticker", filepath.Join(dir, "check"))
	server := startServer(t, "..", "-models", dir)
	page := startBrowser(t).Open(server.URL + "/embed.html")
	eval[bool](page, `import('/flamingo.js').then(async ({ load }) => {
		const model = await load('/models/sticker/', {})
		const file = async (name) => (await fetch('/models/check/' + name)).blob()
		const one = async ({ file: name, files, question }) => {
			const media = files ? { video: await Promise.all(files.map(file)) } : await file(name)
			return (await (question ? model.ask(media, question) : model.caption(media))).text
		}
		globalThis.each = async (cases) => {
			const said = []
			for (const c of cases) said.push(await one(c))
			return said
		}
		globalThis.together = async (cases) => {
			const said = []
			for await (const { result, error } of model.captions(await Promise.all(cases.map((c) => file(c.file))))) {
				if (error) throw error
				said.push(result.text)
			}
			return said
		}
		return true
	})`)
	for _, c := range []struct {
		kind, how string
		list      []stickerCase
	}{
		{"pictures in shared passes", "together", cases.Pictures},
		{"pictures", "each", cases.Pictures[:20]},
		{"videos", "each", cases.Videos},
		{"questions", "each", cases.Questions},
	} {
		asked, err := json.Marshal(c.list)
		if err != nil {
			t.Fatal(err)
		}
		said := evalWithin[[]string](page, 20*time.Minute, fmt.Sprintf("%s(%s)", c.how, asked))
		if len(said) != len(c.list) {
			t.Fatalf("%d answers for %d %s", len(said), len(c.list), c.kind)
		}
		differ := 0
		for i, want := range c.list {
			if said[i] != want.Said {
				differ++
				t.Logf("%+v: got %q", want, said[i])
			}
		}
		t.Logf("%d of %d %s as PyTorch has them", len(c.list)-differ, len(c.list), c.kind)
		if 40*differ > len(c.list) {
			t.Errorf("%d of %d %s differ from PyTorch, want at most 1 in 40", differ, len(c.list), c.kind)
		}
	}
}
