package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
)

// fileHandler serves files from two directories. It reads the disk at every
// request, so an edited file needs a reload and nothing else.
type fileHandler struct {
	web, models *os.Root // models is nil when the directory does not exist
	policy      string   // Content-Security-Policy
	slow, fail  int64
	ranges      atomic.Int64 // range requests so far
}

// newHandler serves web at / and o.models at /models/.
func newHandler(web string, o options) (http.Handler, error) {
	if o.slow < 0 || o.fail < 0 {
		return nil, fmt.Errorf("-slow %d -fail %d: want no negative numbers", o.slow, o.fail)
	}
	policy, err := contentPolicy(o.connect)
	if err != nil {
		return nil, err
	}
	h := &fileHandler{policy: policy, slow: o.slow, fail: o.fail}
	if h.web, err = os.OpenRoot(web); err != nil {
		return nil, fmt.Errorf("%w; start in the directory that holds it", err)
	}
	// A root keeps symbolic links from leading out of the directory.
	if h.models, err = os.OpenRoot(o.models); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return h, nil
}

// contentPolicy lets a page run its own scripts and WebAssembly and talk to
// itself and to the origins in connect.
func contentPolicy(connect string) (string, error) {
	origins := strings.Fields(connect)
	for _, o := range origins {
		if strings.ContainsAny(o, ";,'\"") {
			return "", fmt.Errorf("-connect: %q is not an origin; want one such as https://example.org", o)
		}
	}
	return strings.Join([]string{
		"default-src 'none'",
		"script-src 'self' 'wasm-unsafe-eval'",
		"style-src 'self'",
		strings.TrimSpace("connect-src 'self' blob: data: " + strings.Join(origins, " ")),
		"worker-src 'self'",
		"img-src 'self' blob: data:",
		"media-src 'self' blob:",
		"manifest-src 'self'",
		"base-uri 'none'",
		"form-action 'none'",
		"frame-ancestors 'self'",
	}, "; "), nil
}

// mimeTypes are the types we serve. The system's own table is not asked: it
// differs from machine to machine, and a wrong type stops wasm and modules.
var mimeTypes = map[string]string{
	".html":        "text/html; charset=utf-8",
	".js":          "text/javascript; charset=utf-8",
	".mjs":         "text/javascript; charset=utf-8",
	".css":         "text/css; charset=utf-8",
	".json":        "application/json",
	".webmanifest": "application/manifest+json",
	".wasm":        "application/wasm",
	".wgsl":        "text/plain; charset=utf-8",
	".ts":          "text/plain; charset=utf-8",
	".txt":         "text/plain; charset=utf-8",
	".md":          "text/plain; charset=utf-8",
	".svg":         "image/svg+xml",
	".png":         "image/png",
	".jpg":         "image/jpeg",
	".jpeg":        "image/jpeg",
	".gif":         "image/gif",
	".webp":        "image/webp",
	".avif":        "image/avif",
	".ico":         "image/x-icon",
	".mp4":         "video/mp4",
	".webm":        "video/webm",
	".safetensors": "application/octet-stream",
}

func (h *fileHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Access-Control-Allow-Origin", "*")
	head.Set("Access-Control-Expose-Headers", "Content-Range, Content-Length, ETag, Accept-Ranges")
	head.Set("Cross-Origin-Resource-Policy", "cross-origin")
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodOptions:
		head.Set("Access-Control-Allow-Methods", "GET, HEAD")
		head.Set("Access-Control-Allow-Headers", "Range, If-Range, If-None-Match, If-Modified-Since")
		w.WriteHeader(http.StatusNoContent)
		return
	default:
		head.Set("Allow", "GET, HEAD, OPTIONS")
		http.Error(w, "this server only gives files: use GET or HEAD", http.StatusMethodNotAllowed)
		return
	}
	root, name := h.place(r.URL.Path)
	if root == nil {
		notFound(w, r)
		return
	}
	f, info := open(root, name)
	if f == nil {
		notFound(w, r)
		return
	}
	defer f.Close()
	h.serveFile(w, r, root, name, f, info)
}

func (h *fileHandler) serveFile(w http.ResponseWriter, r *http.Request, root *os.Root, name string, f *os.File, info fs.FileInfo) {
	head, ext := w.Header(), path.Ext(name)
	head.Set("Content-Type", mimeTypes[ext])
	if mimeTypes[ext] == "" {
		head.Set("Content-Type", "application/octet-stream")
	}
	head.Set("Cache-Control", cacheControl(name))
	switch ext {
	case ".html", ".svg", ".js", ".mjs":
		// A worker takes its policy from its own script, not from the page.
		head.Set("Content-Security-Policy", h.policy)
		head.Set("Referrer-Policy", "no-referrer")
	}

	if strings.Contains(r.Header.Get("Range"), ",") {
		// Several ranges may be asked for to be given more than the file.
		r.Header.Del("Range")
	}
	ranged := r.Header.Get("Range") != ""
	if ranged && h.fail > 0 && h.ranges.Add(1)%h.fail == 0 {
		head.Set("Cache-Control", "no-store")
		head.Set("Retry-After", "1")
		http.Error(w, "refused on purpose (-fail)", http.StatusServiceUnavailable)
		return
	}

	etag := fmt.Sprintf("%x-%x", info.ModTime().UnixNano(), info.Size())
	modified := info.ModTime()
	if compressible(ext) {
		head.Set("Vary", "Accept-Encoding")
		// A range counts bytes of the file itself, never of a compressed one.
		if enc := chooseEncoding(r.Header.Get("Accept-Encoding")); enc != "" && !ranged {
			if z, zinfo := open(root, name+encodings[enc]); z != nil {
				defer z.Close()
				if !zinfo.ModTime().Before(info.ModTime()) {
					f, etag = z, etag+"-"+enc
					head.Set("Content-Encoding", enc)
					head.Set("Content-Length", strconv.FormatInt(zinfo.Size(), 10))
				}
			}
		}
	}
	head.Set("ETag", `"`+etag+`"`)
	http.ServeContent(newPacedWriter(w, h.slow), r, name, modified, f)
}

// place maps a URL path to a file below one of the roots. It returns nil for
// every path that no ordinary file has.
func (h *fileHandler) place(urlPath string) (*os.Root, string) {
	name, ok := strings.CutPrefix(urlPath, "/")
	if !ok || strings.ContainsAny(name, "\\\x00") {
		return nil, ""
	}
	if name == "" || strings.HasSuffix(name, "/") {
		name += "index.html"
	}
	for _, part := range strings.Split(name, "/") {
		if part == "" || strings.HasPrefix(part, ".") {
			return nil, ""
		}
	}
	if rest, ok := strings.CutPrefix(name, "models/"); ok {
		return h.models, rest
	}
	return h.web, name
}

// open returns nil unless name is a regular file that can be read.
func open(root *os.Root, name string) (*os.File, fs.FileInfo) {
	f, err := root.Open(name)
	if err != nil {
		return nil, nil
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, nil
	}
	return f, info
}

func notFound(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	msg := "no such file"
	switch r.URL.Path {
	case "/flamingo.wasm", "/wasm_exec.js":
		msg = r.URL.Path[1:] + " has not been built: run `make`"
	}
	http.Error(w, msg, http.StatusNotFound)
}

var hashedName = regexp.MustCompile(`[.-][0-9a-f]{8,64}\.[a-z0-9]+$`)

// cacheControl: weights never change under a name and must arrive byte for
// byte; files with a hash in their name never change; all else is asked for again.
func cacheControl(name string) string {
	switch {
	case path.Ext(name) == ".safetensors":
		return "public, max-age=31536000, immutable, no-transform"
	case hashedName.MatchString(path.Base(name)):
		return "public, max-age=31536000, immutable"
	}
	return "no-cache"
}

func compressible(ext string) bool {
	switch ext {
	case ".html", ".js", ".mjs", ".css", ".json", ".webmanifest", ".wasm", ".svg":
		return true
	}
	return false
}

// encodings are the content encodings we may have a file's sibling for.
var encodings = map[string]string{"br": ".br", "gzip": ".gz"}

// chooseEncoding returns br or gzip if the Accept-Encoding header takes it, br
// where it takes both, and "" for neither.
func chooseEncoding(accept string) string {
	takes := map[string]bool{}
	for _, part := range strings.Split(accept, ",") {
		name, param, _ := strings.Cut(part, ";")
		takes[strings.ToLower(strings.TrimSpace(name))] = !zeroWeight(param)
	}
	for _, enc := range []string{"br", "gzip"} {
		if ok, named := takes[enc]; ok || !named && takes["*"] {
			return enc
		}
	}
	return ""
}

func zeroWeight(param string) bool {
	q, ok := strings.CutPrefix(strings.ReplaceAll(param, " ", ""), "q=")
	v, err := strconv.ParseFloat(q, 64)
	return ok && err == nil && v == 0
}
