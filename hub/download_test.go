//go:build !js

package hub

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestDownload(t *testing.T) {
	h := newFakeHub(t)
	c, _ := h.client()
	r := h.repo(c)
	dir := filepath.Join(t.TempDir(), "new", "dir")
	all := []string{bigPath, tinyPath, "README.md", "empty", tinyPath}
	last := map[string][2]int64{}
	calls := 0
	progress := func(repo, path string, done, total int64) {
		calls++
		if repo != testID || done < last[path][0] || done > total {
			t.Errorf("progress of %s of %s: %d of %d after %d", path, repo, done, total, last[path][0])
		}
		last[path] = [2]int64{done, total}
	}
	if err := c.Download(t.Context(), r, all, dir, progress); err != nil {
		t.Fatal(err)
	}
	for _, path := range all {
		h.check(dir, commitA, path)
		if n := int64(len(h.files[commitA][path])); last[path] != [2]int64{n, n} {
			t.Errorf("progress of %s ends with %v, want %d", path, last[path], n)
		}
	}
	if calls < 7 {
		t.Errorf("%d calls of progress, want several for the large file", calls)
	}
	if h.requests()[0].path != "/"+testID+"/resolve/"+commitA+"/weights/model%201.bin" {
		t.Errorf("asked for %s", h.requests()[0].path)
	}
	before := len(h.requests())
	if err := c.Download(t.Context(), r, all, dir, nil); err != nil || len(h.requests()) != before {
		t.Errorf("again: %v, %d requests, want none", err, len(h.requests())-before)
	}
}

func TestFilesThatAreThere(t *testing.T) {
	for _, row := range []struct {
		name    string
		change  func(file, remembered string) error
		fetched int
	}{
		{"untouched", func(file, _ string) error { return nil }, 0},
		{"touched", func(file, _ string) error { return os.Chtimes(file, time.Time{}, time.Unix(1e9, 0)) }, 0},
		{"nothing remembered", func(_, remembered string) error { return os.Remove(remembered) }, 0},
		{"nonsense remembered", func(_, remembered string) error { return os.WriteFile(remembered, []byte("null"), 0o644) }, 0},
		{"removed", func(file, _ string) error { return os.Remove(file) }, 1},
		{"other bytes", func(file, _ string) error { return os.WriteFile(file, noise(3, 700_001), 0o644) }, 1},
		{"more bytes after the right ones", func(file, _ string) error { return os.WriteFile(file, append(noise(1, 700_001), 0), 0o644) }, 1},
		{"fewer bytes", func(file, _ string) error { return os.WriteFile(file, noise(1, 700_000), 0o644) }, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := newFakeHub(t)
			c, _ := h.client()
			r := h.repo(c)
			dir := t.TempDir()
			if err := c.Download(t.Context(), r, []string{bigPath}, dir, nil); err != nil {
				t.Fatal(err)
			}
			h.repo(c)
			if err := row.change(filepath.Join(dir, bigPath), filepath.Join(dir, verifiedName)); err != nil {
				t.Fatal(err)
			}
			if err := c.Download(t.Context(), r, []string{bigPath}, dir, nil); err != nil {
				t.Fatal(err)
			}
			h.check(dir, commitA, bigPath)
			if n := h.served(h.storage); n != row.fetched {
				t.Errorf("fetched %d times, want %d", n, row.fetched)
			}
		})
	}
}

// TestRememberedIsBelieved shows that a remembered file is not hashed: what only a hash could find
// stays.
func TestRememberedIsBelieved(t *testing.T) {
	h := newFakeHub(t)
	c, _ := h.client()
	r, dir := h.repo(c), t.TempDir()
	file := filepath.Join(dir, bigPath)
	if err := c.Download(t.Context(), r, []string{bigPath}, dir, nil); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(file, noise(9, 700_001), 0o644), os.Chtimes(file, time.Time{}, info.ModTime())); err != nil {
		t.Fatal(err)
	}
	h.repo(c)
	if err := c.Download(t.Context(), r, []string{bigPath}, dir, nil); err != nil || len(h.requests()) != 0 {
		t.Errorf("%v, %d requests, want none", err, len(h.requests()))
	}
}

func TestTokenStaysHome(t *testing.T) {
	h := newFakeHub(t)
	c, _ := h.client()
	c.Token = "hf_secret"
	c.UserAgent = "flamingo/test"
	r := h.repo(c)
	if err := c.Download(t.Context(), r, []string{bigPath, tinyPath}, t.TempDir(), nil); err != nil {
		t.Fatal(err)
	}
	for _, a := range h.requests() {
		want := "Bearer hf_secret"
		if "http://"+a.host == h.storage.URL {
			want = ""
		}
		if a.token != want {
			t.Errorf("%s%s: token %q, want %q", a.host, a.path, a.token, want)
		}
	}
	if h.served(h.storage) != 1 || h.served(h.hub) != 2 {
		t.Errorf("asked %+v", h.requests())
	}
	hub := c.Base
	for _, row := range []struct {
		base, to string
		sent     bool
	}{
		{hub, hub + "/x", true}, {"https://hub.example", "https://HUB.example:443/x", true},
		{"https://hub.example", "http://hub.example/x", false}, {"https://hub.example", "https://cdn.hub.example/x", false},
		{"https://hub.example", "https://hub.example:8443/x", false}, {"https://hub.example:8443", "http://hub.example:8443/x", false}, {"https://hub.example", "https://hub.example.evil/x", false},
	} {
		base, err := parseBase(row.base)
		if err != nil {
			t.Fatal(err)
		}
		got := "none"
		next := transport(func(r *http.Request) { got = r.Header.Get("Authorization") })
		req, _ := http.NewRequest("GET", row.to, nil)
		if _, err := (bearer{base, "t", next}).RoundTrip(req); err != nil || (got == "Bearer t") != row.sent || req.Header.Get("Authorization") != "" {
			t.Errorf("%s to %s: sent %q, want it sent: %v", row.base, row.to, got, row.sent)
		}
	}
}

type transport func(*http.Request)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { f(r); return nil, nil }

func TestRedirects(t *testing.T) {
	for _, row := range []struct {
		from, to string
		ok       bool
	}{
		{"https://a/", "https://b/", true}, {"http://a/", "http://b/", true}, {"http://a/", "https://b/", true},
		{"https://a/", "http://a/", false}, {"http://a/", "ftp://b/", false},
	} {
		from, _ := http.NewRequest("GET", row.from, nil)
		to, _ := http.NewRequest("GET", row.to, nil)
		if err := checkRedirect(to, []*http.Request{from}); (err == nil) != row.ok {
			t.Errorf("%s to %s: %v", row.from, row.to, err)
		}
	}
}

func TestPathsStayInside(t *testing.T) {
	h := newFakeHub(t)
	c, _ := h.client()
	parent := t.TempDir()
	dir := filepath.Join(parent, "dir")
	for _, p := range []string{"../x", "a/../../x", "/etc/x", "", ".", "a//b", "a/./b", "a/", `..\x`, `a\b`, "a\x00b", "a\nb", "a\xff",
		"x.part", "x.part.json", verifiedName} {
		r := &Repo{ID: testID, Commit: commitA, Files: []RemoteFile{{Path: p, Size: 3, BlobSHA1: blobOf([]byte("{}\n"))}}}
		if err := c.Download(t.Context(), r, []string{p}, dir, nil); !errors.Is(err, ErrHub) || !strings.Contains(err.Error(), "path: got") {
			t.Errorf("%q: %v", p, err)
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(parent, filepath.Join(dir, "weights")); err != nil {
		t.Skip(err)
	}
	if err := c.Download(t.Context(), h.repo(c), []string{bigPath}, dir, nil); err == nil {
		t.Error("followed a link out of the directory")
	}
	if entries, _ := os.ReadDir(parent); len(entries) != 1 {
		t.Errorf("something escaped: %v", entries)
	}
}

func TestDownloadRefuses(t *testing.T) {
	h := newFakeHub(t)
	c, _ := h.client()
	good := h.repo(c)
	file := func(f RemoteFile) *Repo { return &Repo{ID: testID, Commit: commitA, Files: []RemoteFile{f}} }
	for _, row := range []struct {
		name string
		repo *Repo
		path string
		free int64
		want string
	}{
		{"unknown path", good, "other.bin", 1 << 40, "not among the 4 files"},
		{"no sum", file(RemoteFile{Path: "x"}), "x", 1 << 40, "cannot be verified"},
		{"negative size", file(RemoteFile{Path: "x", Size: -1, BlobSHA1: commitA}), "x", 1 << 40, "got a size of -1 bytes"},
		{"no commit", &Repo{ID: testID, Commit: "main"}, "x", 1 << 40, `commit: got "main"`},
		{"no repository", &Repo{ID: "../..", Commit: commitA}, "x", 1 << 40, "repository: got"},
		{"full disk", good, bigPath, 700_000, "got 700000 bytes of free disk space, want 700001"},
		{"gone from the hub", file(RemoteFile{Path: "gone", Size: 1, BlobSHA1: commitA}), "gone", 1 << 40, "no such file in this commit"},
	} {
		c.free = func(string) (int64, bool) { return row.free, true }
		if err := c.Download(t.Context(), row.repo, []string{row.path}, t.TempDir(), nil); !errors.Is(err, ErrHub) || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: got %v, want %q in it", row.name, err, row.want)
		}
	}
	if n := h.served(h.storage); n != 0 {
		t.Errorf("%d files fetched, want none", n)
	}
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, tinyPath), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := c.Download(t.Context(), good, []string{tinyPath}, dir, nil); err == nil || !strings.Contains(err.Error(), "in the way") {
		t.Errorf("a directory in the way: %v", err)
	}
}

func TestFreeBytes(t *testing.T) {
	if n, known := freeBytes(t.TempDir()); known && n <= 0 {
		t.Errorf("%d bytes free", n)
	}
	if n, known := freeBytes(filepath.Join(t.TempDir(), "none")); known {
		t.Errorf("%d bytes free where nothing is", n)
	}
}

func TestCancelKeepsThePart(t *testing.T) {
	h := newFakeHub(t)
	c, waits := h.client()
	r, dir := h.repo(c), t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	block := make(chan struct{})
	defer close(block)
	h.spoil = func(w http.ResponseWriter, _ *http.Request, data []byte, nth int) bool {
		if nth > 0 {
			return false
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		w.Write(data[:500_000])
		w.(http.Flusher).Flush()
		<-block
		return true
	}
	progress := func(_, _ string, done, _ int64) {
		if done > 0 {
			cancel()
		}
	}
	err := c.Download(ctx, r, []string{bigPath, tinyPath}, dir, progress)
	if !errors.Is(err, context.Canceled) || !errors.Is(err, ErrHub) || len(*waits) != 0 {
		t.Fatalf("got %v after %v, want a cancellation", err, *waits)
	}
	part, err := os.ReadFile(filepath.Join(dir, bigPath+partEnding))
	if err != nil || len(part) < 256<<10 || !bytes.HasPrefix(h.files[commitA][bigPath], part) {
		t.Fatalf("%d bytes are kept, %v", len(part), err)
	}
	c.free = func(string) (int64, bool) { return int64(700_001 - len(part)), true }
	if err := c.Download(t.Context(), r, []string{bigPath}, dir, nil); err != nil {
		t.Fatal(err)
	}
	h.check(dir, commitA, bigPath)
	want := []string{fmt.Sprintf("bytes=%d-", len(part)), h.tag}
	if a := h.requests()[len(h.requests())-1]; !slices.Equal([]string{a.rng, a.ifRange}, want) {
		t.Errorf("resumed with %+v, want %v", a, want)
	}
	cancelled, stop := context.WithCancel(t.Context())
	stop()
	if err := c.Download(cancelled, r, []string{tinyPath}, dir, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, verifiedName)); err != nil {
		t.Fatal(err)
	}
	if err := c.Download(cancelled, r, []string{bigPath}, dir, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled while hashing: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, tinyPath)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is there: %v", tinyPath, err)
	}
}
