//go:build !js

package loader

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"flamingo/tensor"
)

func TestLoadFromDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tiny")
	m := writeModel(t, dir, 1)
	for _, location := range []string{dir, filepath.Join(dir, ManifestName)} {
		g := newGatherer(t)
		v := visit{sink: g.sink}
		r, err := v.run(t.Context(), location)
		if err != nil {
			t.Fatal(err)
		}
		g.check(1)
		if r.FromNetwork != m.Bytes() || r.FromCache != 0 || r.Cached {
			t.Errorf("result %+v, want %d bytes from the source and nothing cached", r, m.Bytes())
		}
	}
	if n := len(m.Files); n < 2 {
		t.Errorf("%d shards, the test wants several", n)
	}
}

func TestSecondVisitNeedsNoServer(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tiny")
	m := writeModel(t, dir, 1)
	s := newSite(t, dir)
	location := s.URL + "/models/tiny/"
	store := openDir(t)

	if c, err := IsCached(t.Context(), store, location); err != nil || c != (CacheState{}) {
		t.Errorf("before: %+v, %v", c, err)
	}
	g := newGatherer(t)
	r, err := (&visit{store: store, sink: g.sink}).run(t.Context(), location)
	if err != nil || !r.Cached || len(r.Notices) > 0 {
		t.Fatalf("first visit: %+v, %v", r, err)
	}
	total := m.Bytes() + m.Tokenizer.Bytes
	if c, err := IsCached(t.Context(), store, location+ManifestName); err != nil || c != (CacheState{true, total, total}) {
		t.Errorf("after: %+v, %v; want all %d bytes", c, err, total)
	}

	s.reset()
	g = newGatherer(t)
	r, err = (&visit{store: store, sink: g.sink}).run(t.Context(), location)
	if err != nil || r.FromCache != m.Bytes() || r.FromNetwork != 0 || !r.Cached {
		t.Errorf("second visit: %+v, %v", r, err)
	}
	g.check(1)
	if n := s.requests(); n != 1 {
		t.Errorf("second visit made %d requests, want 1 for the manifest", n)
	}

	s.Close()
	g = newGatherer(t)
	v := visit{store: store, sink: g.sink}
	r, err = v.run(t.Context(), location)
	if err != nil || r.FromCache != m.Bytes() || !v.fetched.FromCache || v.fetched.Notice == "" {
		t.Errorf("server gone: %+v, %+v, %v", r, v.fetched, err)
	}
	g.check(1)
	if _, err := (&visit{store: store, offline: true, sink: newGatherer(t).sink}).run(t.Context(), location); err != nil {
		t.Errorf("offline: %v", err)
	}

	freed, err := ClearCache(t.Context(), store, location)
	if err != nil || freed != total {
		t.Errorf("clear freed %d, %v; want %d", freed, err, total)
	}
	if left := append(records(t, store, "*"), records(t, store, "chunk")...); len(left) > 0 {
		t.Errorf("clear left %v", left)
	}
	_, err = (&visit{store: store, offline: true}).run(t.Context(), location)
	if !errors.Is(err, ErrOffline) {
		t.Errorf("offline after clear: %v", err)
	}
}

func TestDamagedChunkAloneIsFetchedAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tiny")
	m := writeModel(t, dir, 1)
	s := newSite(t, dir)
	store := openDir(t)
	if _, err := (&visit{store: store, sink: newGatherer(t).sink}).run(t.Context(), s.URL); err != nil {
		t.Fatal(err)
	}
	damages := map[string]func(name string, p []byte) error{
		"bit flip":  func(name string, p []byte) error { p[len(p)/2] ^= 1; return os.WriteFile(name, p, 0o644) },
		"zero tail": func(name string, p []byte) error { clear(p[len(p)/2:]); return os.WriteFile(name, p, 0o644) },
		"truncated": func(name string, p []byte) error { return os.WriteFile(name, p[:len(p)-1], 0o644) },
		"empty":     func(name string, p []byte) error { return os.WriteFile(name, nil, 0o644) },
		"gone":      func(name string, p []byte) error { return os.Remove(name) },
	}
	for what, damage := range damages {
		for _, f := range []File{m.Files[0], m.Files[len(m.Files)-1]} {
			i := len(f.Chunks) - 1
			size := f.Bytes - int64(i)*m.ChunkBytes
			name, _ := store.file(chunkKey(f.Chunks[i].SHA256, size))
			if err := damage(name, mustRead(t, name)); err != nil {
				t.Fatal(err)
			}
			s.reset()
			g := newGatherer(t)
			r, err := (&visit{store: store, sink: g.sink}).run(t.Context(), s.URL)
			if err != nil || !r.Cached || r.FromNetwork != size || s.weightBytes() != size {
				t.Errorf("%s: %+v, %v, %d bytes sent; want %d", what, r, err, s.weightBytes(), size)
			}
			if want := 1; what != "gone" && len(r.Notices) != want {
				t.Errorf("%s: notices %q", what, r.Notices)
			}
			g.check(1)
		}
	}
}

func TestInterruptedLoadResumes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tiny")
	m := writeModel(t, dir, 1)
	s := newSite(t, dir)
	store := openDir(t)
	for _, stop := range []int64{1, m.Bytes() / 3, m.Bytes() * 2 / 3} {
		var seen int64
		stopped := errors.New("stopped")
		_, err := (&visit{store: store, sink: func(p Piece) error {
			if seen += int64(p.Data.Len()); seen >= stop {
				return stopped
			}
			return nil
		}}).run(t.Context(), s.URL)
		if err != stopped {
			t.Fatalf("got %v, want the sink's own error", err)
		}
		if c, err := IsCached(t.Context(), store, s.URL); err != nil || c.Cached || c.Bytes < stop || c.Bytes >= c.Total {
			t.Errorf("stopped after %d: %+v, %v", stop, c, err)
		}
	}
	_, err := Load(t.Context(), LoadOptions{Manifest: m, Store: store, Offline: true}, newGatherer(t).sink)
	if !errors.Is(err, ErrOffline) || !strings.Contains(err.Error(), fmt.Sprint(m.Bytes())) {
		t.Errorf("offline: %v", err)
	}
	before, _ := IsCached(t.Context(), store, s.URL)
	missing := before.Total - before.Bytes
	s.reset()
	g := newGatherer(t)
	r, err := (&visit{store: store, sink: g.sink}).run(t.Context(), s.URL)
	if err != nil || !r.Cached || r.FromNetwork != missing || s.weightBytes() != missing {
		t.Fatalf("%+v, %v, %d bytes sent; want the missing %d", r, err, s.weightBytes(), missing)
	}
	g.check(1)
}

func TestNewRevisionReplacesOld(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tiny")
	writeModel(t, dir, 1)
	s := newSite(t, dir)
	store := openDir(t)
	if _, err := (&visit{store: store, sink: newGatherer(t).sink}).run(t.Context(), s.URL); err != nil {
		t.Fatal(err)
	}
	other := newSite(t, dir)
	if _, err := (&visit{store: store, sink: newGatherer(t).sink}).run(t.Context(), other.URL); err != nil {
		t.Fatal(err)
	}
	if n := other.weightBytes(); n != 0 {
		t.Errorf("the same content under another address was sent again: %d bytes", n)
	}
	if _, err := ClearCache(t.Context(), store, other.URL); err != nil {
		t.Fatal(err)
	}
	if c, _ := IsCached(t.Context(), store, s.URL); !c.Cached {
		t.Error("clearing one address removed chunks another one shares")
	}

	m := writeModel(t, dir, 2)
	s.setFault(func(w http.ResponseWriter, r *http.Request, _ int) bool {
		if strings.HasSuffix(r.URL.Path, ".safetensors") {
			http.Error(w, "gone", http.StatusForbidden)
			return true
		}
		return false
	})
	if _, err := (&visit{store: store, sink: newGatherer(t).sink}).run(t.Context(), s.URL); !errors.Is(err, ErrNetwork) {
		t.Errorf("got %v, want ErrNetwork", err)
	}
	g := newGatherer(t)
	if _, err := (&visit{store: store, offline: true, sink: g.sink}).run(t.Context(), s.URL); err != nil {
		t.Errorf("the old revision was given up before the new one was complete: %v", err)
	}
	g.check(1)

	s.setFault(nil)
	g = newGatherer(t)
	if _, err := (&visit{store: store, sink: g.sink}).run(t.Context(), s.URL); err != nil {
		t.Fatal(err)
	}
	g.check(2)
	if n, want := len(records(t, store, "chunk")), len(needs(m)); n != want {
		t.Errorf("%d chunks are stored, want the %d of the new revision", n, want)
	}
	if p := records(t, store, "pending"); len(p) != 0 {
		t.Errorf("left behind: %v", p)
	}
}

// limited is a store that fails from the nth Put on.
type limited struct {
	Store
	puts atomic.Int64
	err  error
}

func (l *limited) Put(ctx context.Context, key string, data tensor.Bytes, durable bool) error {
	if l.puts.Add(-1) < 0 {
		return l.err
	}
	return l.Store.Put(ctx, key, data, durable)
}

func TestFailingStoreCostsOnlyTheCache(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tiny")
	m := writeModel(t, dir, 1)
	s := newSite(t, dir)
	for _, fail := range []error{fmt.Errorf("store: %w", ErrQuota), errors.New("the disk is on fire")} {
		for _, n := range []int64{0, 1, 2, 3, 9, int64(len(needs(m))), int64(len(needs(m)) + 1)} {
			store := &limited{Store: openDir(t), err: fail}
			store.puts.Store(n)
			g := newGatherer(t)
			r, err := (&visit{store: store, sink: g.sink}).run(t.Context(), s.URL)
			if err != nil || r.Cached || len(r.Notices) != 1 {
				t.Errorf("%v after %d: %+v, %v", fail, n, r, err)
			}
			g.check(1)
			if c, err := IsCached(t.Context(), store, s.URL); err != nil || c.Cached {
				t.Errorf("%v after %d: %+v, %v", fail, n, c, err)
			}
			store.puts.Store(1 << 30)
			g = newGatherer(t)
			if r, err := (&visit{store: store, sink: g.sink}).run(t.Context(), s.URL); err != nil || !r.Cached {
				t.Errorf("room again: %+v, %v", r, err)
			}
			g.check(1)
		}
	}
}

func TestProgressOnlyMovesForward(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tiny")
	m := writeModel(t, dir, 1)
	s := newSite(t, dir)
	s.setFault(func(w http.ResponseWriter, r *http.Request, nth int) bool {
		if nth > 0 || !strings.HasSuffix(r.URL.Path, ".safetensors") {
			return false
		}
		return cut(w, r, s.dir, 300)
	})
	var last Progress
	calls := 0
	v := visit{store: openDir(t), sink: newGatherer(t).sink, progress: func(p Progress) {
		if calls++; p.Loaded < last.Loaded || p.FromCache < last.FromCache || p.Total != m.Bytes() || p.Loaded > p.Total || p.Phase != PhaseFetch {
			t.Errorf("%+v after %+v", p, last)
		}
		last = p
	}}
	for _, cached := range []int64{0, m.Bytes()} {
		last, calls = Progress{}, 0
		if _, err := v.run(t.Context(), s.URL); err != nil {
			t.Fatal(err)
		}
		if last.Loaded != m.Bytes() || last.FromCache != cached || calls < len(m.Files[0].Chunks) {
			t.Errorf("the last of %d is %+v, want all of %d, %d of it cached", calls, last, m.Bytes(), cached)
		}
		v.sink = newGatherer(t).sink
	}
}

// crowd is a source that counts reads under way and chunks not yet consumed.
type crowd struct {
	Source
	now, most atomic.Int64
}

func (c *crowd) Read(ctx context.Context, path string, from, to int64, got func(int)) (tensor.Bytes, error) {
	if path != ManifestName && !strings.HasPrefix(path, "tokenizer") {
		n := c.now.Add(1)
		for m := c.most.Load(); n > m && !c.most.CompareAndSwap(m, n); m = c.most.Load() {
		}
	}
	return c.Source.Read(ctx, path, from, to, got)
}

func TestFewChunksAreAlive(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tiny")
	m := writeModel(t, dir, 1)
	for parallel := 1; parallel <= 4; parallel++ {
		c := &crowd{Source: DirSource(dir)}
		chunks := map[int64]bool{}
		_, err := Load(t.Context(), LoadOptions{Manifest: m, Source: c, Parallel: parallel}, func(p Piece) error {
			at := (p.Tensor.Offset+p.Offset)/m.ChunkBytes + int64(p.Tensor.File)<<32
			if !chunks[at] && len(chunks) > 0 {
				c.now.Add(-1) // the chunk before has been let go
			}
			chunks[at] = true
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		// One more is let go before its successor's first piece is seen here.
		if most := c.most.Load(); most > int64(parallel)+1 {
			t.Errorf("Parallel %d: %d chunks were alive", parallel, most)
		}
	}
	if _, err := Load(t.Context(), LoadOptions{Manifest: m, Source: DirSource(dir), Parallel: 5}, nil); err == nil {
		t.Error("Parallel 5 was accepted")
	}
}

// silent is a source whose server takes the request and never answers.
type silent struct{ Source }

func (silent) Read(ctx context.Context, _ string, _, _ int64, _ func(int)) (tensor.Bytes, error) {
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

func TestStoredModelDoesNotWaitForASilentServer(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tiny")
	writeModel(t, dir, 1)
	store := openDir(t)
	if _, err := (&visit{store: store, sink: newGatherer(t).sink}).run(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		f, err := FetchManifest(t.Context(), dir, FetchOptions{Source: silent{DirSource(dir)}, Store: store})
		if err != nil || !f.FromCache || !strings.Contains(f.Notice, "no answer") {
			t.Errorf("%+v, %v", f, err)
		}
		if d := time.Since(began); d != staleAfter {
			t.Errorf("it took %v, want %v", d, staleAfter)
		}
	})
}
