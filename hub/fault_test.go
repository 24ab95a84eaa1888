//go:build !js

package hub

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

type spoiler func(w http.ResponseWriter, r *http.Request, data []byte, nth int) bool

// first spoils the first n answers.
func first(n int, f func(w http.ResponseWriter, r *http.Request, data []byte)) spoiler {
	return func(w http.ResponseWriter, r *http.Request, data []byte, nth int) bool {
		if nth < n {
			f(w, r, data)
			return true
		}
		return false
	}
}

const always = 1 << 30

func status(code int) func(http.ResponseWriter, *http.Request, []byte) {
	return func(w http.ResponseWriter, _ *http.Request, _ []byte) { w.WriteHeader(code) }
}

// send is a whole answer without a length.
func send(p []byte) func(http.ResponseWriter, *http.Request, []byte) {
	return func(w http.ResponseWriter, _ *http.Request, _ []byte) {
		w.(http.Flusher).Flush()
		w.Write(p)
	}
}

func cut(n int) func(http.ResponseWriter, *http.Request, []byte) {
	return func(w http.ResponseWriter, r *http.Request, data []byte) { cutAfter(w, r, data, n) }
}

func TestFaults(t *testing.T) {
	half := 350_000
	wrong := noise(7, 700_001)
	for _, row := range []struct {
		name   string
		spoil  spoiler
		want   string // in the error; "": it succeeds all the same
		waits  int
		asked  int    // of the storage
		resume string // the range of the last request
	}{
		{name: "none", asked: 1},
		{name: "cut", spoil: first(1, cut(half)), waits: 1, asked: 2, resume: "bytes=350000-"},
		{name: "cut at once", spoil: first(1, cut(0)), waits: 1, asked: 2},
		{name: "cut seven times, a little further each time", spoil: first(7, cut(10)), waits: 7, asked: 8, resume: "bytes=70-"},
		{name: "always cut at once", spoil: first(always, cut(0)), waits: 5, asked: 6, want: "tried 6 times"},
		{name: "short without a length", spoil: first(1, func(w http.ResponseWriter, _ *http.Request, data []byte) { send(data[:half])(w, nil, nil) }),
			waits: 1, asked: 2, resume: "bytes=350000-"},
		{name: "range ignored", spoil: func(w http.ResponseWriter, r *http.Request, data []byte, nth int) bool {
			if nth == 0 {
				cutAfter(w, r, data, half)
			}
			r.Header.Del("Range")
			return false
		}, waits: 1, asked: 2, resume: "bytes=350000-"},
		{name: "range ignored, always cut", spoil: func(w http.ResponseWriter, r *http.Request, data []byte, nth int) bool {
			r.Header.Del("Range")
			cutAfter(w, r, data, half-nth%2)
			return true
		}, waits: 5, asked: 6, resume: "bytes=350000-", want: "tried 6 times"},
		{name: "range refused", spoil: func(w http.ResponseWriter, r *http.Request, data []byte, nth int) bool {
			switch nth {
			case 0:
				cutAfter(w, r, data, half)
			case 1:
				w.WriteHeader(416)
				return true
			}
			return false
		}, waits: 2, asked: 3},
		{name: "other range", spoil: func(w http.ResponseWriter, r *http.Request, data []byte, nth int) bool {
			if nth == 0 {
				cutAfter(w, r, data, half)
			}
			if nth == 1 {
				r.Header.Set("Range", "bytes=349999-")
			}
			return false
		}, waits: 2, asked: 3, resume: "bytes=350000-"},
		{name: "range of a longer file", spoil: first(always, func(w http.ResponseWriter, _ *http.Request, data []byte) {
			w.Header().Set("Content-Range", "bytes 0-700001/700002")
			w.WriteHeader(206)
			w.Write(append(data, 0))
		}), waits: 5, asked: 6, want: `got Content-Range "bytes 0-700001/700002", want bytes 0-700000/700001`},
		{name: "too long by its length", spoil: first(always, func(w http.ResponseWriter, _ *http.Request, data []byte) {
			w.Header().Set("Content-Length", "700002")
			w.Write(append(data, 0))
		}), waits: 5, asked: 6, want: "got 700002 bytes, want 700001"},
		{name: "endless", spoil: first(always, func(w http.ResponseWriter, r *http.Request, data []byte) {
			w.Write(data)
			for p := make([]byte, 1<<16); r.Context().Err() == nil; {
				w.Write(p)
			}
		}), asked: 1},
		{name: "wrong once", spoil: first(1, send(wrong)), asked: 2},
		{name: "wrong always", spoil: first(always, send(wrong)), asked: 2,
			want: "got sha256:" + sha256Of(wrong) + ", want sha256:" + sha256Of(noise(1, 700_001)) + ", twice"},
		{name: "wrong before a cut", spoil: func(w http.ResponseWriter, r *http.Request, data []byte, nth int) bool {
			if nth == 0 {
				cutAfter(w, r, wrong, half)
			}
			return false
		}, waits: 1, asked: 3},
		{name: "web page after a cut", spoil: func(w http.ResponseWriter, r *http.Request, data []byte, nth int) bool {
			if nth == 0 {
				cutAfter(w, r, data, half)
			}
			if nth == 1 {
				w.Header().Set("Content-Type", "text/html; charset=utf-8")
				send([]byte("<!doctype html><title>Sign in</title>"))(w, r, nil)
			}
			return nth == 1
		}, waits: 2, asked: 3, resume: "bytes=350000-"},
		{name: "compressed", spoil: first(1, func(w http.ResponseWriter, _ *http.Request, data []byte) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			z.Write(data)
			z.Close()
		}), waits: 1, asked: 2},
		{name: "500 a few times", spoil: first(5, status(500)), waits: 5, asked: 6},
		{name: "500 always", spoil: first(always, status(500)), waits: 5, asked: 6, want: "status 500"},
		{name: "429", spoil: first(1, status(429)), waits: 1, asked: 2},
		{name: "signature expired", spoil: first(1, status(403)), waits: 1, asked: 2},
		{name: "no storage", spoil: first(always, status(404)), waits: 5, asked: 6, want: "the storage behind the hub says status 404"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			h := newFakeHub(t)
			c, waits := h.client()
			r, dir := h.repo(c), t.TempDir()
			h.spoil = row.spoil
			err := c.Download(t.Context(), r, []string{bigPath}, dir, nil)
			if row.want == "" && err != nil || row.want != "" && (!errors.Is(err, ErrHub) || !strings.Contains(err.Error(), row.want)) {
				t.Errorf("got error %v, want %q", err, row.want)
			}
			if err == nil {
				h.check(dir, commitA, bigPath)
			} else if _, missing := os.Stat(filepath.Join(dir, bigPath)); missing == nil {
				t.Error("the file has its name though the download failed")
			} else if strings.Contains(err.Error(), "Signature") {
				t.Errorf("the signature is shown: %v", err)
			}
			var last asked
			n := 0
			for _, a := range h.requests() {
				if "http://"+a.host == h.storage.URL {
					n, last = n+1, a
				}
			}
			if n != row.asked || last.rng != row.resume || len(*waits) != row.waits {
				t.Errorf("asked %d times, last for %q, after waits %v; want %d, %q, %d waits", n, last.rng, *waits, row.asked, row.resume, row.waits)
			}
		})
	}
}

func TestServerGoneInBetween(t *testing.T) {
	h := newFakeHub(t)
	c, waits := h.client()
	r := h.repo(c)
	h.hub.Close()
	err := c.Download(t.Context(), r, []string{tinyPath}, t.TempDir(), nil)
	if !errors.Is(err, ErrHub) || !strings.Contains(err.Error(), "connection refused") || len(*waits) != 5 {
		t.Errorf("got %v after %v", err, *waits)
	}
	for i, w := range *waits {
		if low := time.Second << i; w < low || w > low*3/2 {
			t.Errorf("wait %d is %v, want %v to %v", i, w, low, low*3/2)
		}
	}
}

func TestSmallFileWrong(t *testing.T) {
	h := newFakeHub(t)
	c, _ := h.client()
	r, dir := h.repo(c), t.TempDir()
	h.spoil = first(always, send([]byte("[]\n")))
	err := c.Download(t.Context(), r, []string{tinyPath}, dir, nil)
	if want := "got blob:" + blobOf([]byte("[]\n")) + ", want blob:" + blobOf([]byte("{}\n")); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q in it", err, want)
	}
	for _, name := range []string{"", partEnding, noteEnding} {
		if _, err := os.Stat(filepath.Join(dir, tinyPath+name)); err == nil {
			t.Errorf("%s%s is left", tinyPath, name)
		}
	}
}

// TestChangedRevision shows that parts of two revisions never become one file.
func TestChangedRevision(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(h *fakeHub, part string) error
		resume string
	}{
		{"same commit", func(h *fakeHub, _ string) error { return nil }, "bytes=350000-"},
		{"other content", func(h *fakeHub, _ string) error { h.main = commitB; return nil }, ""},
		{"other commit, same content", func(h *fakeHub, _ string) error {
			h.main, h.files[commitB][bigPath] = commitB, h.files[commitA][bigPath]
			return nil
		}, "bytes=350000-"},
		{"other tag, so If-Range fails", func(h *fakeHub, _ string) error { h.tag = `"two"`; return nil }, "bytes=350000-"},
		{"note gone", func(_ *fakeHub, part string) error {
			return os.Remove(strings.TrimSuffix(part, partEnding) + noteEnding)
		}, ""},
		{"note spoilt", func(_ *fakeHub, part string) error {
			return os.WriteFile(strings.TrimSuffix(part, partEnding)+noteEnding, []byte("{"), 0o644)
		}, ""},
		{"part too long", func(_ *fakeHub, part string) error { return os.WriteFile(part, noise(1, 700_002), 0o644) }, ""},
		{"part gone", func(_ *fakeHub, part string) error { return os.Remove(part) }, ""},
		{"part complete", func(h *fakeHub, part string) error { return os.WriteFile(part, h.files[commitA][bigPath], 0o644) }, "none"},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := newFakeHub(t)
			c, _ := h.client()
			r, dir := h.repo(c), t.TempDir()
			h.spoil = func(w http.ResponseWriter, r *http.Request, data []byte, nth int) bool {
				if nth == 0 {
					cutAfter(w, r, data, 350_000)
				}
				return false
			}
			ctx, cancel := context.WithCancel(t.Context())
			pause := c.pause
			c.pause = func(ctx context.Context, d time.Duration) error { cancel(); return pause(ctx, d) }
			if err := c.Download(ctx, r, []string{bigPath}, dir, nil); !errors.Is(err, context.Canceled) {
				t.Fatalf("got %v, want a cancellation during the wait after the cut", err)
			}
			if err := row.change(h, filepath.Join(dir, bigPath+partEnding)); err != nil {
				t.Fatal(err)
			}
			r = h.repo(c)
			need := map[string]int64{"": 700_001, "bytes=350000-": 350_001}[row.resume]
			c.free = func(string) (int64, bool) { return need - 1, true }
			if err := c.Download(t.Context(), r, []string{bigPath}, dir, nil); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("want %d;", need)) {
				t.Errorf("on a full disk: %v, want the need of %d bytes in it", err, need)
			}
			c.free = func(string) (int64, bool) { return need, true }
			if err := c.Download(t.Context(), r, []string{bigPath}, dir, nil); err != nil {
				t.Fatal(err)
			}
			h.check(dir, h.main, bigPath)
			got := "none"
			if len(h.requests()) > 0 {
				got = h.requests()[len(h.requests())-1].rng
			}
			if got != row.resume || len(h.requests()) > 2 {
				t.Errorf("asked %+v, want one range %q", h.requests(), row.resume)
			}
		})
	}
}

func TestIfRange(t *testing.T) {
	for tag, want := range map[string]string{`"one"`: `"one"`, `W/"one"`: "", "": ""} {
		h := newFakeHub(t)
		h.tag = tag
		c, _ := h.client()
		r, dir := h.repo(c), t.TempDir()
		h.spoil = first(1, cut(350_000))
		if err := c.Download(t.Context(), r, []string{bigPath}, dir, nil); err != nil {
			t.Error(err)
		}
		all := h.requests()
		if last := all[len(all)-1]; last.rng != "bytes=350000-" || last.ifRange != want {
			t.Errorf("tag %s: resumed with range %q if %q, want if %q", tag, last.rng, last.ifRange, want)
		}
	}
}

// TestHubContradictsItself: commit and sum are compared where the hub names them again.
func TestHubContradictsItself(t *testing.T) {
	h := newFakeHub(t)
	c, _ := h.client()
	r := h.repo(c)
	real := h.hub.Config.Handler
	for _, row := range []struct{ header, value, path, want string }{
		{"X-Repo-Commit", commitB, tinyPath, "got commit bbbb"},
		{"X-Linked-ETag", `W/"` + strings.Repeat("0", 64) + `"`, bigPath, "got a link to sha256:0000"},
	} {
		h.hub.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			real.ServeHTTP(&overrule{w, row.header, row.value}, r)
		})
		dir := t.TempDir()
		if err := c.Download(t.Context(), r, []string{row.path}, dir, nil); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: got %v, want %q in it", row.header, err, row.want)
		}
		if info, err := os.Stat(filepath.Join(dir, row.path+partEnding)); err != nil || info.Size() != 0 {
			t.Errorf("%s: bytes were taken: %v", row.header, fmt.Sprint(info, err))
		}
	}
}

type overrule struct {
	http.ResponseWriter
	header, value string
}

func (o *overrule) WriteHeader(status int) {
	o.Header().Set(o.header, o.value)
	o.ResponseWriter.WriteHeader(status)
}
