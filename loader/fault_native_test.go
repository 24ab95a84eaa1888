//go:build !js

package loader

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// slice is the bytes a request asks for, and their place.
func slice(r *http.Request, dir string) (p []byte, from, size int) {
	p, _ = os.ReadFile(filepath.Join(dir, filepath.Base(r.URL.Path)))
	size = len(p)
	var to int
	if n, _ := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to); n == 2 {
		p = p[from:min(to+1, size)]
	}
	return p, from, size
}

func partial(w http.ResponseWriter, p []byte, from, size int) {
	w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, from+len(p)-1, size))
	w.Header().Set("Content-Length", strconv.Itoa(len(p)))
	w.WriteHeader(http.StatusPartialContent)
}

// cut breaks the connection after n bytes of the body.
func cut(w http.ResponseWriter, r *http.Request, dir string, n int) bool {
	p, from, size := slice(r, dir)
	partial(w, p, from, size)
	w.Write(p[:min(n, len(p)-1)])
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

type faultRow struct {
	name   string
	answer func(w http.ResponseWriter, r *http.Request, dir string, nth int) bool // true: answered
	want   error                                                                  // nil: the load succeeds all the same
	text   string                                                                 // in the error
	extra  int64                                                                  // most bytes sent beyond the model's
}

// once spoils the first answer for each range.
func once(f func(w http.ResponseWriter, r *http.Request, dir string)) func(http.ResponseWriter, *http.Request, string, int) bool {
	return func(w http.ResponseWriter, r *http.Request, dir string, nth int) bool {
		if nth > 0 {
			return false
		}
		f(w, r, dir)
		return true
	}
}

func always(f func(w http.ResponseWriter, r *http.Request, dir string)) func(http.ResponseWriter, *http.Request, string, int) bool {
	return func(w http.ResponseWriter, r *http.Request, dir string, _ int) bool {
		f(w, r, dir)
		return true
	}
}

func status(code int) func(http.ResponseWriter, *http.Request, string) {
	return func(w http.ResponseWriter, _ *http.Request, _ string) { w.WriteHeader(code) }
}

func html(w http.ResponseWriter, _ *http.Request, _ string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	io.WriteString(w, "<!doctype html><title>Sign in</title>")
}

func flipped(w http.ResponseWriter, r *http.Request, dir string) {
	p, from, size := slice(r, dir)
	partial(w, p, from, size)
	p[len(p)/3] ^= 0x10
	w.Write(p)
}

func whole(w http.ResponseWriter, r *http.Request, dir string) {
	p, _ := os.ReadFile(filepath.Join(dir, filepath.Base(r.URL.Path)))
	w.Header().Set("Content-Length", strconv.Itoa(len(p)))
	w.Write(p)
}

func faults() []faultRow {
	return []faultRow{
		{name: "cut after 0", answer: once(func(w http.ResponseWriter, r *http.Request, dir string) { cut(w, r, dir, 0) })},
		{name: "cut after 100", answer: once(func(w http.ResponseWriter, r *http.Request, dir string) { cut(w, r, dir, 100) })},
		{name: "always cut after 100", answer: always(func(w http.ResponseWriter, r *http.Request, dir string) { cut(w, r, dir, 100) }), want: ErrNetwork, text: "tried 6 times"},
		{name: "short without a length", answer: once(func(w http.ResponseWriter, r *http.Request, dir string) {
			p, from, size := slice(r, dir)
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, from+len(p)-1, size))
			w.WriteHeader(206)
			w.Write(p[:len(p)/2])
			w.(http.Flusher).Flush()
		})},
		{name: "longer than asked", answer: always(func(w http.ResponseWriter, r *http.Request, dir string) {
			p, _, _ := slice(r, dir)
			w.Header().Set("Content-Length", strconv.Itoa(len(p)+4))
			w.WriteHeader(206)
			w.Write(append(bytes.Clone(p), "more"...))
		})},
		{name: "flipped bit once", answer: once(flipped)},
		{name: "flipped bit always", answer: always(flipped), want: ErrIntegrity, text: "sha256"},
		{name: "zeros", answer: always(func(w http.ResponseWriter, r *http.Request, dir string) {
			p, from, size := slice(r, dir)
			partial(w, p, from, size)
			clear(p)
			w.Write(p)
		}), want: ErrIntegrity, text: "chunk 1 of"},
		{name: "web page once", answer: once(html)},
		{name: "web page always", answer: always(html), want: ErrNetwork, text: "got text/html"},
		{name: "empty 200", answer: always(status(200)), want: ErrNetwork, text: "ends after 0 bytes"},
		{name: "other range", answer: once(func(w http.ResponseWriter, r *http.Request, dir string) {
			p, from, size := slice(r, dir)
			partial(w, p, from+1, size)
			w.Write(p)
		})},
		{name: "other range always", answer: always(func(w http.ResponseWriter, r *http.Request, dir string) {
			p, from, size := slice(r, dir)
			partial(w, p, from+1, size)
			w.Write(p)
		}), want: ErrNetwork, text: "Content-Range"},
		{name: "multipart", answer: always(func(w http.ResponseWriter, r *http.Request, dir string) {
			w.Header().Set("Content-Type", "multipart/byteranges; boundary=x")
			w.WriteHeader(206)
		}), want: ErrNetwork, text: "multipart"},
		{name: "200 for a range", answer: always(whole), extra: 1 << 20},
		{name: "200 for a range, cut", answer: func(w http.ResponseWriter, r *http.Request, dir string, nth int) bool {
			p, _ := os.ReadFile(filepath.Join(dir, filepath.Base(r.URL.Path)))
			if r.Header.Get("Range") == "" && nth == 0 {
				w.Header().Set("Content-Length", strconv.Itoa(len(p)))
				w.Write(p[:len(p)/2])
				w.(http.Flusher).Flush()
				panic(http.ErrAbortHandler)
			}
			whole(w, r, dir)
			return true
		}, extra: 1 << 20},
		{name: "416", answer: always(status(416)), want: ErrIntegrity, text: "416"},
		{name: "503 once", answer: once(status(503))},
		{name: "503 with Retry-After", answer: once(func(w http.ResponseWriter, r *http.Request, dir string) {
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(503)
		})},
		{name: "429 always", answer: always(status(429)), want: ErrNetwork, text: "429"},
		{name: "500 always", answer: always(status(500)), want: ErrNetwork, text: "500"},
		{name: "404", answer: always(status(404)), want: ErrNetwork, text: "404"},
		{name: "403", answer: always(status(403)), want: ErrNetwork, text: "403"},
		{name: "204", answer: always(status(204)), want: ErrNetwork, text: "204"},
		{name: "redirect", answer: func(w http.ResponseWriter, r *http.Request, dir string, _ int) bool {
			if r.URL.Query().Get("again") != "" {
				return false
			}
			http.Redirect(w, r, r.URL.Path+"?again=1", http.StatusFound)
			return true
		}},
		{name: "redirect for ever", answer: always(func(w http.ResponseWriter, r *http.Request, dir string) {
			http.Redirect(w, r, r.URL.Path, http.StatusFound)
		}), want: ErrNetwork, text: "redirects"},
		{name: "garbage", answer: always(func(w http.ResponseWriter, r *http.Request, dir string) {
			conn, _, _ := http.NewResponseController(w).Hijack()
			io.WriteString(conn, "HTP/9 what\r\n\r\n")
			conn.Close()
		}), want: ErrNetwork},
	}
}

func TestFaults(t *testing.T) {
	for _, row := range faults() {
		t.Run(row.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "tiny")
			m := writeModel(t, dir, 1)
			s := newSite(t, dir)
			store := openDir(t)
			s.setFault(func(w http.ResponseWriter, r *http.Request, nth int) bool {
				return strings.HasSuffix(r.URL.Path, ".safetensors") && row.answer(w, r, dir, nth)
			})
			g := newGatherer(t)
			r, err := (&visit{store: store, sink: g.sink}).run(t.Context(), s.URL)
			if row.want == nil {
				if err != nil || !r.Cached || r.FromNetwork != m.Bytes() {
					t.Fatalf("%+v, %v", r, err)
				}
				g.check(1)
				if sent := s.weightBytes(); sent > m.Bytes()+row.extra {
					t.Errorf("%d bytes were sent, want at most %d + %d", sent, m.Bytes(), row.extra)
				}
			} else if !errors.Is(err, row.want) || !strings.Contains(err.Error(), row.text) {
				t.Fatalf("got %v, want %v with %q", err, row.want, row.text)
			} else if !strings.Contains(err.Error(), "chunk") || (row.want == ErrNetwork && !strings.Contains(err.Error(), s.URL)) {
				t.Errorf("the error does not say where: %v", err)
			}

			s.setFault(nil)
			g = newGatherer(t)
			if r, err := (&visit{store: store, sink: g.sink}).run(t.Context(), s.URL); err != nil || !r.Cached || len(r.Notices) > 0 {
				t.Fatalf("after the fault: %+v, %v", r, err)
			}
			g.check(1)
		})
	}
}

// A server without ranges is read once through, not once for each chunk.
func TestNoRangesIsReadAsStream(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tiny")
	m := writeShards(t, dir, 1, 1<<20)
	s := newSite(t, dir)
	var gets atomic.Int64
	s.setFault(func(w http.ResponseWriter, r *http.Request, _ int) bool {
		if !strings.HasSuffix(r.URL.Path, ".safetensors") {
			return false
		}
		gets.Add(1)
		whole(w, r, dir)
		return true
	})
	if n := len(m.Files[0].Chunks); n < 12 {
		t.Fatalf("%d chunks, want more for this test", n)
	}
	for range 20 {
		gets.Store(0)
		g := newGatherer(t)
		if _, err := (&visit{sink: g.sink}).run(t.Context(), s.URL); err != nil {
			t.Fatal(err)
		}
		g.check(1)
		// Reads that start before the first answer ask for ranges too.
		if n := gets.Load(); n > 4 {
			t.Errorf("%d requests for one file, want at most 4", n)
		}
	}
}

func TestManifestFaults(t *testing.T) {
	rows := []struct {
		name   string
		answer func(http.ResponseWriter, *http.Request, string)
		want   error
		text   string
		stored bool // a stored model is used instead
	}{
		{"web page", html, ErrNetwork, "text/html", true},
		{"404", status(404), ErrNetwork, "404", true},
		{"500", status(500), ErrNetwork, "500", true},
		{"cut", func(w http.ResponseWriter, r *http.Request, dir string) { cut(w, r, dir, 50) }, ErrNetwork, "", true},
		{"206 unasked", func(w http.ResponseWriter, r *http.Request, dir string) { w.WriteHeader(206) }, ErrNetwork, "206", true},
		{"other format", func(w http.ResponseWriter, r *http.Request, dir string) {
			io.WriteString(w, `{"format":"flamingo/2"}`)
		}, ErrManifest, "flamingo/2", false},
		{"truncated JSON", func(w http.ResponseWriter, r *http.Request, dir string) {
			io.WriteString(w, `{"format":"flamingo/1","na`)
		}, ErrManifest, "too early", false},
	}
	dir := filepath.Join(t.TempDir(), "tiny")
	writeModel(t, dir, 1)
	s := newSite(t, dir)
	store := openDir(t)
	if _, err := (&visit{store: store, sink: newGatherer(t).sink}).run(t.Context(), s.URL); err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		s.setFault(func(w http.ResponseWriter, r *http.Request, _ int) bool {
			if !strings.HasSuffix(r.URL.Path, ManifestName) {
				return false
			}
			row.answer(w, r, dir)
			return true
		})
		_, err := (&visit{store: openDir(t)}).run(t.Context(), s.URL)
		if !errors.Is(err, row.want) || !strings.Contains(err.Error(), row.text) || !strings.Contains(err.Error(), s.URL) {
			t.Errorf("%s: got %v, want %v with %q", row.name, err, row.want, row.text)
		}
		g := newGatherer(t)
		v := visit{store: store, sink: g.sink}
		_, err = v.run(t.Context(), s.URL)
		if row.stored {
			if err != nil || !v.fetched.FromCache {
				t.Errorf("%s, with a stored model: %v", row.name, err)
			}
			g.check(1)
		} else if !errors.Is(err, row.want) {
			t.Errorf("%s, with a stored model: got %v, want %v", row.name, err, row.want)
		}
	}
}

// A file replaced while it is read must not give a mixture.
func TestChangedFile(t *testing.T) {
	dir, other := filepath.Join(t.TempDir(), "tiny"), filepath.Join(t.TempDir(), "other")
	writeModel(t, dir, 1)
	writeModel(t, other, 2)
	s := newSite(t, dir)
	store := openDir(t)
	var n atomic.Int64
	s.setFault(func(w http.ResponseWriter, r *http.Request, _ int) bool {
		if n.Add(1) < 8 {
			return false
		}
		http.ServeFile(w, r, filepath.Join(other, filepath.Base(r.URL.Path)))
		return true
	})
	_, err := (&visit{store: store, sink: func(Piece) error { return nil }}).run(t.Context(), s.URL)
	if !errors.Is(err, ErrIntegrity) {
		t.Errorf("got %v, want ErrIntegrity", err)
	}
	g := newGatherer(t)
	if _, err := (&visit{store: store, sink: g.sink}).run(t.Context(), s.URL); err != nil {
		t.Fatal(err)
	}
	g.check(2)
}

func TestStall(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tiny")
	writeModel(t, dir, 1)
	s := newSite(t, dir)
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	stall := func(bytes int) func(http.ResponseWriter, *http.Request, int) bool {
		return func(w http.ResponseWriter, r *http.Request, nth int) bool {
			if nth > 0 || !strings.HasSuffix(r.URL.Path, ".safetensors") {
				return false
			}
			if bytes >= 0 {
				p, from, size := slice(r, dir)
				partial(w, p, from, size)
				w.Write(p[:min(bytes, len(p)-1)])
				w.(http.Flusher).Flush()
			}
			select {
			case <-release:
			case <-r.Context().Done():
			}
			return true
		}
	}
	for _, bytes := range []int{-1, 0, 200} {
		s.reset()
		s.setFault(stall(bytes))
		src, _ := NewHTTPSource(s.URL)
		src.Stall = 50 * time.Millisecond
		g := newGatherer(t)
		if _, err := (&visit{source: src, sink: g.sink}).run(t.Context(), s.URL); err != nil {
			t.Errorf("stalled once after %d bytes: %v", bytes, err)
		}
		g.check(1)
	}
	s.setFault(func(w http.ResponseWriter, r *http.Request, nth int) bool { return stall(100)(w, r, 0) })
	src, _ := NewHTTPSource(s.URL)
	src.Stall = 20 * time.Millisecond
	if _, err := (&visit{source: src, sink: func(Piece) error { return nil }}).run(t.Context(), s.URL); !errors.Is(err, ErrNetwork) || !strings.Contains(err.Error(), "brought nothing") {
		t.Errorf("stalled for ever: %v", err)
	}
}

func TestCancel(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tiny")
	writeModel(t, dir, 1)
	s := newSite(t, dir)
	why := errors.New("the person pressed stop")
	for name, answer := range map[string]func(w http.ResponseWriter, r *http.Request, cancel func()) bool{
		"while a body stalls": func(w http.ResponseWriter, r *http.Request, cancel func()) bool {
			p, from, size := slice(r, dir)
			partial(w, p, from, size)
			w.(http.Flusher).Flush()
			cancel()
			<-r.Context().Done()
			return true
		},
		"before headers": func(w http.ResponseWriter, r *http.Request, cancel func()) bool {
			cancel()
			<-r.Context().Done()
			return true
		},
		"while waiting to retry": func(w http.ResponseWriter, r *http.Request, cancel func()) bool {
			w.Header().Set("Retry-After", "30")
			w.WriteHeader(503)
			time.AfterFunc(20*time.Millisecond, cancel)
			return true
		},
		"in a stream": func(w http.ResponseWriter, r *http.Request, cancel func()) bool {
			w.Write(make([]byte, 100))
			w.(http.Flusher).Flush()
			cancel()
			<-r.Context().Done()
			return true
		},
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		s.setFault(func(w http.ResponseWriter, r *http.Request, _ int) bool {
			return strings.HasSuffix(r.URL.Path, ".safetensors") && answer(w, r, func() { cancel(why) })
		})
		_, err := (&visit{store: openDir(t), sink: func(Piece) error { return nil }}).run(ctx, s.URL)
		if err != why {
			t.Errorf("%s: got %v, want the cause", name, err)
		}
		cancel(nil)
	}
}
