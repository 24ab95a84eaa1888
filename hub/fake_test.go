//go:build !js

package hub

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	testID   = "owner/some-model"
	commitA  = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	commitB  = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	bigPath  = "weights/model 1.bin" // in large file storage
	tinyPath = "config.json"
)

// fakeHub plays the hub, and on a server of its own the storage behind it.
type fakeHub struct {
	t       *testing.T
	hub     *httptest.Server
	storage *httptest.Server

	mu    sync.Mutex
	files map[string]map[string][]byte // commit, path
	main  string                       // the commit of main
	pages int                          // files a page of the tree
	asked []asked
	// spoil answers the nth request for a file itself, if it returns true.
	spoil func(w http.ResponseWriter, r *http.Request, data []byte, nth int) bool
	nth   int
	tag   string // ETag of the storage
}

type asked struct{ host, path, query, rng, ifRange, token string }

// noise is n bytes that look like no others.
func noise(seed uint64, n int) []byte {
	p := make([]byte, n)
	r := rand.New(rand.NewPCG(seed, 1))
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	return p
}

func newFakeHub(t *testing.T) *fakeHub {
	h := &fakeHub{t: t, main: commitA, pages: 2, tag: `"one"`, files: map[string]map[string][]byte{
		commitA: {bigPath: noise(1, 700_001), tinyPath: []byte("{}\n"), "README.md": []byte("# A\n"), "empty": nil},
		commitB: {bigPath: noise(2, 700_001), tinyPath: []byte("{}\n"), "README.md": []byte("# B\n")},
	}}
	h.hub = httptest.NewServer(http.HandlerFunc(h.serveHub))
	h.storage = httptest.NewServer(http.HandlerFunc(h.serveStorage))
	t.Cleanup(h.hub.Close)
	t.Cleanup(h.storage.Close)
	return h
}

func (h *fakeHub) note(r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked = append(h.asked, asked{r.Host, r.URL.EscapedPath(), r.URL.RawQuery, r.Header.Get("Range"), r.Header.Get("If-Range"), r.Header.Get("Authorization")})
}

func (h *fakeHub) serveHub(w http.ResponseWriter, r *http.Request) {
	h.note(r)
	api := "/api/models/" + testID
	rest, isTree := strings.CutPrefix(r.URL.Path, api+"/tree/")
	if isTree {
		h.serveTree(w, r, rest)
		return
	}
	if revision, ok := strings.CutPrefix(r.URL.Path, api+"/revision/"); ok {
		if revision == "main" {
			revision = h.main
		}
		if h.files[revision] == nil {
			w.Header().Set("X-Error-Code", "RevisionNotFound")
			w.WriteHeader(404)
			return
		}
		fmt.Fprintf(w, `{"id":%q,"sha":%q,"cardData":{"license":"mit"},"siblings":[{"rfilename":"x"}]}`, testID, revision)
		return
	}
	rest, ok := strings.CutPrefix(r.URL.Path, "/"+testID+"/resolve/")
	commit, path, _ := strings.Cut(rest, "/")
	data, there := h.files[commit][path]
	if !ok || !there {
		w.Header().Set("X-Error-Code", "EntryNotFound")
		w.WriteHeader(404)
		return
	}
	w.Header().Set("X-Repo-Commit", commit)
	if path != bigPath {
		h.serveFile(w, r, data)
		return
	}
	w.Header().Set("X-Linked-ETag", `"`+sha256Of(data)+`"`)
	w.Header().Set("X-Linked-Size", fmt.Sprint(len(data)))
	http.Redirect(w, r, h.storage.URL+"/"+commit+"/"+url.PathEscape(path)+"?Signature=secret", http.StatusFound)
}

func (h *fakeHub) serveStorage(w http.ResponseWriter, r *http.Request) {
	h.note(r)
	commit, path, _ := strings.Cut(strings.Trim(r.URL.Path, "/"), "/")
	w.Header().Set("ETag", h.tag)
	h.serveFile(w, r, h.files[commit][path])
}

func (h *fakeHub) serveFile(w http.ResponseWriter, r *http.Request, data []byte) {
	h.mu.Lock()
	nth := h.nth
	h.nth++
	h.mu.Unlock()
	if h.spoil != nil && h.spoil(w, r, data, nth) {
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(data)))
}

func (h *fakeHub) serveTree(w http.ResponseWriter, r *http.Request, commit string) {
	paths := make([]string, 0, 8)
	for p := range h.files[commit] {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	var from int
	fmt.Sscan(r.URL.Query().Get("cursor"), &from)
	to := min(from+h.pages, len(paths))
	entries := []map[string]any{{"type": "directory", "path": fmt.Sprintf("dir%d", from), "oid": commit, "size": 0}}
	for _, p := range paths[from:to] {
		data := h.files[commit][p]
		e := map[string]any{"type": "file", "path": p, "size": len(data), "oid": blobOf(data)}
		if p == bigPath {
			e["oid"] = strings.Repeat("1", 40)
			e["lfs"] = map[string]any{"oid": sha256Of(data), "size": len(data), "pointerSize": 134}
		}
		entries = append(entries, e)
	}
	if to < len(paths) {
		// Another host, as where a mirror passes on the answers of the hub.
		w.Header().Set("Link", fmt.Sprintf(`<https://elsewhere.example/api/models/%s/tree/%s?recursive=true&cursor=%d>; rel="next"`, testID, commit, to))
	}
	json.NewEncoder(w).Encode(entries)
}

func sha256Of(p []byte) string {
	sum := sha256.Sum256(p)
	return hex.EncodeToString(sum[:])
}

func blobOf(p []byte) string {
	sum := sha1.Sum(fmt.Appendf(nil, "blob %d\x00%s", len(p), p))
	return hex.EncodeToString(sum[:])
}

// client is one whose waits take no time; waits has them.
func (h *fakeHub) client() (c *Client, waits *[]time.Duration) {
	h.t.Helper()
	c, err := New(h.hub.URL)
	if err != nil {
		h.t.Fatal(err)
	}
	waits = new([]time.Duration)
	c.pause = func(ctx context.Context, d time.Duration) error {
		*waits = append(*waits, d)
		return context.Cause(ctx)
	}
	return c, waits
}

func (h *fakeHub) repo(c *Client) *Repo {
	h.t.Helper()
	r, err := c.Repo(h.t.Context(), testID, "")
	if err != nil {
		h.t.Fatal(err)
	}
	h.mu.Lock()
	h.asked = nil
	h.mu.Unlock()
	return r
}

// requests are those since the last call of repo.
func (h *fakeHub) requests() []asked {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.asked)
}

// served is how often files were asked of the hub, or of the storage.
func (h *fakeHub) served(s *httptest.Server) (n int) {
	for _, a := range h.requests() {
		if "http://"+a.host == s.URL && !strings.HasPrefix(a.path, "/api/") {
			n++
		}
	}
	return n
}

// check compares a file in dir with that of a commit, and looks for leftovers.
func (h *fakeHub) check(dir, commit, path string) {
	h.t.Helper()
	got, err := os.ReadFile(filepath.Join(dir, path))
	if err != nil {
		h.t.Fatal(err)
	}
	if string(got) != string(h.files[commit][path]) {
		h.t.Errorf("%s: %d bytes that are not those of %.4s", path, len(got), commit)
	}
	for _, ending := range []string{partEnding, noteEnding} {
		if _, err := os.Stat(filepath.Join(dir, path+ending)); err == nil {
			h.t.Errorf("%s%s is left over", path, ending)
		}
	}
}

// cutAfter sends n bytes of what is asked and breaks the connection.
func cutAfter(w http.ResponseWriter, r *http.Request, data []byte, n int) {
	var from int
	fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from)
	w.Header().Set("Content-Length", fmt.Sprint(len(data)-from))
	if from > 0 {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(data)-1, len(data)))
		w.WriteHeader(206)
	}
	w.Write(data[from : from+n])
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}
