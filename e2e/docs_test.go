//go:build e2e

package e2e

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A snippet is a block of JavaScript that some documentation shows.
type snippet struct {
	where    string // file:line
	language string
	model    string // "asks" behind ```js wants a model with a template for questions
	code     string
}

var (
	fence   = regexp.MustCompile("^ *\\*? ?```")
	comment = regexp.MustCompile(`^ *\* ?`)
)

// snippets finds the blocks of one file, also in comments.
func snippets(t *testing.T, path string) (list []snippet) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var open *snippet
	for i, line := range strings.Split(string(data), "\n") {
		words := append(strings.Fields(fence.ReplaceAllString(line, "")), "")
		switch {
		case !fence.MatchString(line):
			if open != nil {
				open.code += comment.ReplaceAllString(line, "") + "\n"
			}
		case open != nil:
			list = append(list, *open)
			open = nil
		default:
			open = &snippet{where: fmt.Sprintf("%s:%d", filepath.Base(path), i+1), language: words[0], model: words[min(1, len(words)-1)]}
		}
	}
	return slices.DeleteFunc(list, func(s snippet) bool { return s.language != "js" })
}

// module makes a snippet a module whose default export runs it.
func (s snippet) module() string {
	var imports, body []string
	for _, line := range strings.Split(s.code, "\n") {
		if strings.HasPrefix(line, "import ") {
			imports = append(imports, line)
		} else {
			body = append(body, line)
		}
	}
	return strings.Join(imports, "\n") + "\nexport default async () => {\n" + strings.Join(body, "\n") + "\n}\n"
}

// site copies the page, built, beside files of a test's own.
func site(t *testing.T, files map[string]string) (dir string) {
	t.Helper()
	below := map[string]string{}
	for name, text := range files {
		below["web/"+name] = text
	}
	dir = static(t, below)
	if err := os.CopyFS(filepath.Join(dir, "web"), os.DirFS("../web")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// record makes a WebM of two seconds, in the browser.
func record(p *Page) []byte {
	p.t.Helper()
	clip, err := base64.StdEncoding.DecodeString(eval[string](p, `(async () => {
		const canvas = Object.assign(document.createElement('canvas'), { width: 64, height: 64 })
		const draw = canvas.getContext('2d')
		const recorder = new MediaRecorder(canvas.captureStream(), { mimeType: 'video/webm' })
		const parts = []
		recorder.ondataavailable = (e) => parts.push(e.data)
		const ended = new Promise((end) => { recorder.onstop = end })
		recorder.start()
		for (let i = 0; i < 20; i++) {
			draw.fillStyle = 'hsl(' + 18 * i + ' 90% 50%)'
			draw.fillRect(0, 0, 64, 64)
			await new Promise((next) => setTimeout(next, 100))
		}
		recorder.stop()
		await ended
		const bytes = new Uint8Array(await new Blob(parts).arrayBuffer())
		return btoa(Array.from(bytes, (b) => String.fromCharCode(b)).join(''))
	})()`))
	if err != nil {
		p.t.Fatal(err)
	}
	return clip
}

// TestSnippets runs every snippet of docs/ and flamingo.d.ts as it stands, in a page that has what
// they speak of: a model, files, an element to write into.
func TestSnippets(t *testing.T) {
	promptModels(t)
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	files, list := map[string]string{}, []snippet{}
	for _, page := range append(pages, "../web/flamingo.d.ts") {
		found := snippets(t, page)
		if len(found) == 0 && strings.HasSuffix(page, ".ts") {
			t.Errorf("%s has no snippet", page)
		}
		list = append(list, found...)
	}
	for i, s := range list {
		files[fmt.Sprintf("snippet-%d.js", i)] = s.module()
	}
	for i, name := range []string{"cat.jpg", "dog.jpg", "horse.jpg"} {
		data, err := os.ReadFile(picturePath(expected(t)[i]))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(data)
	}
	dir := site(t, files)
	server := startServer(t, dir, "-models", models(t))
	page := startBrowser(t, "use-fake-device-for-media-stream", "use-fake-ui-for-media-stream").Open(server.URL + "/embed.html")
	if err := os.WriteFile(filepath.Join(dir, "web", "walk.webm"), record(page), 0o644); err != nil {
		t.Fatal(err)
	}
	eval[bool](page, `import('/flamingo.js').then(async ({ load }) => {
		const files = await Promise.all(['cat.jpg', 'dog.jpg', 'horse.jpg'].map(async (name) => new File([await (await fetch(name)).blob()], name)))
		const models = { '': await load('./models/nano/'), asks: await load('./models/nano-asks/') }
		globalThis.play = async (i, name) => {
			const output = document.createElement('output')
			const video = Object.assign(document.createElement('video'), { src: 'walk.webm', muted: true, preload: 'auto' })
			document.body.replaceChildren(output, video)
			await new Promise((loaded, failed) => Object.assign(video, { onloadeddata: loaded, onerror: () => failed(video.error) }))
			const said = []
			Object.assign(globalThis, { files, flamingo: models[name], output, video })
			;[globalThis.file, globalThis.before, globalThis.after] = files
			globalThis.session = flamingo.session({ maxTokens: 8 })
			await session.add({ image: file }, 'Output:')
			console.log = (...words) => void said.push(words.join(' '))
			await (await import('/snippet-' + i + '.js')).default()
			return [...said, output.textContent.trim()].join('\n').trim()
		}
		return true
	})`)
	for i, s := range list {
		t.Run(s.where, func(t *testing.T) {
			got := eval[string](page, fmt.Sprintf("play(%d, %q).catch((e) => 'Error: ' + e.message + ' ' + e.hint)", i, s.model))
			speaks := strings.Contains(s.code, "console.log(") || strings.Contains(s.code, "output.")
			if strings.HasPrefix(got, "Error: ") || speaks && got == "" {
				t.Errorf("%q, from\n%s", got, s.code)
			} else {
				t.Log(strings.ReplaceAll(got, "\n", " | "))
			}
		})
	}
	if errors := page.ConsoleErrors(); len(errors) > 0 {
		t.Errorf("the console says %q", errors)
	}
}
