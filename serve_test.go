package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// site lays out a small web/ and models/ with a secret beside them, and serves it.
func site(t *testing.T, o options) http.Handler {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{
		"secret.txt":              "secret",
		"web/index.html":          "<title>page</title>",
		"web/engine.js":           "export {}",
		"web/engine.js.br":        "brotli of engine",
		"web/engine.js.gz":        "gzip of engine",
		"web/flamingo.wasm":       "\x00asm",
		"web/only.js":             "let x",
		"web/only.js.gz":          "gzip of only",
		"web/old.js":              "let newer",
		"web/old.js.br":           "brotli of an older one",
		"web/app.1f3a5b7c9d.js":   "hashed",
		"web/site.webmanifest":    "{}",
		"web/icon.svg":            "<svg/>",
		"web/.hidden":             "secret",
		"web/.git/config":         "secret",
		"web/sub/page.html":       "sub",
		"models/nano/weights.bin": "0123456789",
		"models/nano/model-00001-of-00001.safetensors": "0123456789",
		"models/nano/flamingo.json":                    "{}",
	}
	now := time.Now()
	for name, text := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		// A sibling counts only when it is not older than its file.
		if err := os.Chtimes(p, now, now); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{
		"web/leak.txt": "../secret.txt", "web/out": "..", "models/leak": dir, "web/again.js": "engine.js",
	} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	past := now.Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(dir, "web/old.js.br"), past, past); err != nil {
		t.Fatal(err)
	}
	o.models = filepath.Join(dir, "models")
	h, err := newHandler(filepath.Join(dir, "web"), o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// ask sends one request; header lines are "Name: value".
func ask(h http.Handler, method, target string, header ...string) *http.Response {
	r := httptest.NewRequest(method, "/", nil)
	r.URL.Path = target
	for _, line := range header {
		k, v, _ := strings.Cut(line, ": ")
		r.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestTypesAndCaching(t *testing.T) {
	h := site(t, options{})
	const (
		fresh  = "no-cache"
		forged = "public, max-age=31536000, immutable"
	)
	for _, c := range []struct{ path, mime, cache string }{
		{"/", "text/html; charset=utf-8", fresh},
		{"/index.html", "text/html; charset=utf-8", fresh},
		{"/sub/page.html", "text/html; charset=utf-8", fresh},
		{"/engine.js", "text/javascript; charset=utf-8", fresh},
		{"/again.js", "text/javascript; charset=utf-8", fresh},
		{"/flamingo.wasm", "application/wasm", fresh},
		{"/site.webmanifest", "application/manifest+json", fresh},
		{"/icon.svg", "image/svg+xml", fresh},
		{"/app.1f3a5b7c9d.js", "text/javascript; charset=utf-8", forged},
		{"/models/nano/flamingo.json", "application/json", fresh},
		{"/models/nano/weights.bin", "application/octet-stream", fresh},
		{"/models/nano/model-00001-of-00001.safetensors", "application/octet-stream", forged + ", no-transform"},
	} {
		r := ask(h, "GET", c.path)
		if r.StatusCode != 200 {
			t.Errorf("%s: status %d, want 200", c.path, r.StatusCode)
		}
		for name, want := range map[string]string{
			"Content-Type": c.mime, "Cache-Control": c.cache, "X-Content-Type-Options": "nosniff",
			"Access-Control-Allow-Origin":   "*",
			"Access-Control-Expose-Headers": "Content-Range, Content-Length, ETag, Accept-Ranges",
			"Cross-Origin-Resource-Policy":  "cross-origin", "Accept-Ranges": "bytes",
		} {
			if got := r.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", c.path, name, got, want)
			}
		}
	}
}

func TestContentPolicy(t *testing.T) {
	const want = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; " +
		"connect-src 'self' blob: data: https://models.example; worker-src 'self'; img-src 'self' blob: data:; " +
		"media-src 'self' blob:; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
	h := site(t, options{connect: "https://models.example"})
	for path, policy := range map[string]string{"/": want, "/engine.js": want, "/icon.svg": want, "/flamingo.wasm": ""} {
		if got := ask(h, "GET", path).Header.Get("Content-Security-Policy"); got != policy {
			t.Errorf("%s: policy\n got %s\nwant %s", path, got, policy)
		}
	}
	if _, err := contentPolicy("https://a.example;script-src *"); err == nil {
		t.Error("an origin with a semicolon was accepted: it would add a directive")
	}
}

func TestNothingOutside(t *testing.T) {
	h := site(t, options{})
	ups := []string{"..", ".", "...", ".\x00.", "..\\", "%2e%2e", "%252e%252e", "\uff0e\uff0e", "..;", "out", "leak"}
	tails := []string{"secret.txt", "web/secret.txt", "go.mod", "etc/passwd", ".git/config", ".hidden", ""}
	heads := []string{"/", "/models/", "/models/nano/", "/sub/", "//", "/./", "", "/models", "\\"}
	paths := []string{"/.hidden", "/.git/config", "/leak.txt", "/sub", "/sub/", "/models", "/models/", "/models/nano", "/models/nano/",
		"/engine.js/", "/index.html/", "/engine.js\x00.html", "/nope.js", "C:/secret.txt", "/C:\\secret.txt", "/web/index.html", "/out/secret.txt"}
	for _, head := range heads {
		for _, tail := range tails {
			for _, up := range ups {
				for _, depth := range []int{1, 2, 5} {
					paths = append(paths, head+strings.Repeat(up+"/", depth)+tail, head+strings.Repeat(up+"\\", depth)+tail)
				}
			}
		}
	}
	for _, method := range []string{"GET", "HEAD"} {
		for _, p := range paths {
			r := ask(h, method, p)
			if text := body(t, r); r.StatusCode != 404 || strings.Contains(text, "secret") {
				t.Errorf("%s %q: status %d, body %.40q; want 404", method, p, r.StatusCode, text)
			}
		}
	}
	if len(paths) < 1000 {
		t.Errorf("only %d paths tried", len(paths))
	}
}

func TestMethods(t *testing.T) {
	h := site(t, options{})
	for _, m := range []string{"POST", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "PROPFIND"} {
		r := ask(h, m, "/engine.js")
		if r.StatusCode != 405 || r.Header.Get("Allow") == "" {
			t.Errorf("%s: status %d, Allow %q; want 405 and a list", m, r.StatusCode, r.Header.Get("Allow"))
		}
	}
	r := ask(h, "OPTIONS", "/models/nano/weights.bin", "Access-Control-Request-Headers: range")
	if r.StatusCode != 204 || !strings.Contains(r.Header.Get("Access-Control-Allow-Headers"), "Range") {
		t.Errorf("OPTIONS: status %d, allowed headers %q", r.StatusCode, r.Header.Get("Access-Control-Allow-Headers"))
	}
}

func TestRanges(t *testing.T) {
	h := site(t, options{})
	const path = "/models/nano/model-00001-of-00001.safetensors"
	etag := ask(h, "HEAD", path).Header.Get("ETag")
	if len(etag) < 10 || !strings.HasPrefix(etag, `"`) {
		t.Fatalf("ETag %s is not a strong one", etag)
	}
	for _, c := range []struct {
		header       string // more than one line: separated by |
		status       int
		body, ranges string
	}{
		{"Range: bytes=0-3", 206, "0123", "bytes 0-3/10"},
		{"Range: bytes=4-", 206, "456789", "bytes 4-9/10"},
		{"Range: bytes=-2", 206, "89", "bytes 8-9/10"},
		{"Range: bytes=5-1000", 206, "56789", "bytes 5-9/10"},
		{"Range: bytes=9-9", 206, "9", "bytes 9-9/10"},
		{"Range: bytes=10-", 416, "", "bytes */10"},
		{"Range: bytes=5-2", 416, "", ""},
		{"Range: bytes=x", 416, "", ""},
		{"Range: lines=1-2", 416, "", ""},
		{"Range: bytes=0-1,4-5", 200, "0123456789", ""},
		{"Range: bytes=" + strings.Repeat("0-9,", 300) + "0-9", 200, "0123456789", ""},
		{"Range: bytes=0-3|If-Range: " + etag, 206, "0123", "bytes 0-3/10"},
		{`Range: bytes=0-3|If-Range: "other"`, 200, "0123456789", ""},
		{"Range: bytes=0-3|Accept-Encoding: br, gzip", 206, "0123", "bytes 0-3/10"},
		{"If-None-Match: " + etag, 304, "", ""},
		{`If-None-Match: "other"`, 200, "0123456789", ""},
	} {
		r := ask(h, "GET", path, strings.Split(c.header, "|")...)
		text := body(t, r)
		if r.StatusCode != c.status || c.status != 416 && text != c.body {
			t.Errorf("%.60s: status %d, body %.20q; want %d, %q", c.header, r.StatusCode, text, c.status, c.body)
		}
		if got := r.Header.Get("Content-Range"); got != c.ranges {
			t.Errorf("%.60s: Content-Range %q, want %q", c.header, got, c.ranges)
		}
	}
}

func TestEncodings(t *testing.T) {
	h := site(t, options{})
	for _, c := range []struct{ path, accept, encoding, body string }{
		{"/engine.js", "gzip, deflate, br", "br", "brotli of engine"},
		{"/engine.js", "gzip", "gzip", "gzip of engine"},
		{"/engine.js", "*", "br", "brotli of engine"},
		{"/engine.js", "br;q=0, gzip;q=0.5", "gzip", "gzip of engine"},
		{"/engine.js", "br; q=0.0, gzip;q=0, *", "", "export {}"},
		{"/engine.js", "", "", "export {}"},
		{"/engine.js", "identity", "", "export {}"},
		{"/only.js", "br", "", "let x"},
		{"/old.js", "br", "", "let newer"},
		{"/models/nano/weights.bin", "br, gzip", "", "0123456789"},
	} {
		r := ask(h, "GET", c.path, "Accept-Encoding: "+c.accept)
		text := body(t, r)
		if got := r.Header.Get("Content-Encoding"); got != c.encoding || text != c.body {
			t.Errorf("%s for %q: encoding %q, body %q; want %q, %q", c.path, c.accept, got, text, c.encoding, c.body)
		}
		if got := r.Header.Get("Content-Length"); got != fmt.Sprint(len(c.body)) {
			t.Errorf("%s for %q: Content-Length %s, want %d", c.path, c.accept, got, len(c.body))
		}
		if got, want := r.Header.Get("Vary"), strings.HasSuffix(c.path, ".js"); (got == "Accept-Encoding") != want {
			t.Errorf("%s for %q: Vary %q", c.path, c.accept, got)
		}
	}
	plain, br := ask(h, "GET", "/engine.js"), ask(h, "GET", "/engine.js", "Accept-Encoding: br")
	if plain.Header.Get("ETag") == br.Header.Get("ETag") {
		t.Error("the file and its brotli sibling have the same ETag")
	}
	if r := ask(h, "GET", "/engine.js", "Accept-Encoding: br", "If-None-Match: "+br.Header.Get("ETag")); r.StatusCode != 304 {
		t.Errorf("the brotli sibling's own ETag: status %d, want 304", r.StatusCode)
	}
	if r := ask(h, "GET", "/engine.js", "Accept-Encoding: br", "Range: bytes=0-5"); r.StatusCode != 206 || body(t, r) != "export" {
		t.Errorf("a range of a compressible file: status %d; want 206 with bytes of the file itself", r.StatusCode)
	}
}

func TestETagFollowsContent(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.js")
	h, err := newHandler(dir, options{models: filepath.Join(dir, "none")})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for i, text := range []string{"one", "two", "longer"} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(time.Duration(i) * time.Minute)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
		r := ask(h, "GET", "/a.js")
		if tag := r.Header.Get("ETag"); seen[tag] || body(t, r) != text {
			t.Errorf("after writing %q: ETag %s, seen before: %v", text, tag, seen[tag])
		}
		seen[r.Header.Get("ETag")] = true
	}
}

func TestHosts(t *testing.T) {
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {})
	for _, c := range []struct {
		bound, host string
		want        int
	}{
		{"127.0.0.1", "127.0.0.1:8080", 200}, {"127.0.0.1", "localhost:8080", 200}, {"127.0.0.1", "LOCALHOST", 200},
		{"127.0.0.1", "app.localhost:1", 200}, {"127.0.0.1", "127.0.0.2", 200}, {"::1", "[::1]:8080", 200},
		{"127.0.0.1", "evil.example", 403}, {"127.0.0.1", "evil.example:8080", 403}, {"127.0.0.1", "localhost.evil.example", 403},
		{"127.0.0.1", "127.0.0.1.evil.example", 403}, {"127.0.0.1", "192.168.0.7:8080", 403}, {"127.0.0.1", "", 403},
		{"::1", "evil.example", 403}, {"0.0.0.0", "box.example", 200}, {"192.168.0.7", "192.168.0.7", 200},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = c.host
		w := httptest.NewRecorder()
		allowHosts(c.bound, page).ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("bound to %s, asked as %q: status %d, want %d", c.bound, c.host, w.Code, c.want)
		}
	}
}

func TestFailEachNth(t *testing.T) {
	h := site(t, options{fail: 3})
	var got []int
	for range 7 {
		got = append(got, ask(h, "GET", "/models/nano/weights.bin", "Range: bytes=0-1").StatusCode)
		if s := ask(h, "GET", "/").StatusCode; s != 200 {
			t.Errorf("a request without a range: status %d, want 200", s)
		}
	}
	if want := "[206 206 503 206 206 503 206]"; fmt.Sprint(got) != want {
		t.Errorf("range requests: %v, want %s", got, want)
	}
}

// A slow answer is still the same bytes, in steps no larger than the rate allows.
func TestSlowSendsInSteps(t *testing.T) {
	var steps stepRecorder
	steps.ResponseRecorder = httptest.NewRecorder()
	data := bytes.Repeat([]byte("x"), 40)
	n, err := newPacedWriter(&steps, 200).Write(data)
	if n != len(data) || err != nil || !bytes.Equal(steps.Body.Bytes(), data) {
		t.Fatalf("wrote %d, %v; want all %d bytes", n, err, len(data))
	}
	if steps.count != 4 || steps.largest != 10 {
		t.Errorf("%d steps, the largest of %d bytes; want 4 of 10", steps.count, steps.largest)
	}
}

type stepRecorder struct {
	*httptest.ResponseRecorder
	count, largest int
}

func (s *stepRecorder) Write(b []byte) (int, error) {
	s.count++
	s.largest = max(s.largest, len(b))
	return s.ResponseRecorder.Write(b)
}

func TestLog(t *testing.T) {
	var out strings.Builder
	h := logRequests(&out, site(t, options{}))
	ask(h, "GET", "/")
	ask(h, "GET", "/models/nano/weights.bin", "Range: bytes=0-1")
	ask(h, "HEAD", "/a b")
	const want = "GET / - 200\nGET /models/nano/weights.bin bytes=0-1 206\nHEAD /a%20b - 404\n"
	if out.String() != want {
		t.Errorf("log is\n%swant\n%s", out.String(), want)
	}
}

func TestBadFlags(t *testing.T) {
	dir := t.TempDir()
	for name, err := range map[string]error{
		"negative slow":    second(newHandler(dir, options{slow: -1})),
		"negative fail":    second(newHandler(dir, options{fail: -1})),
		"no web directory": second(newHandler(filepath.Join(dir, "none"), options{})),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func second(_ http.Handler, err error) error { return err }
