//go:build !js

package loader

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"flamingo/tensor"
)

// weightsOf are tensors of every dtype, some of odd sizes, filled from a seed.
func weightsOf(seed uint64) []Weight {
	shapes := []struct {
		name  string
		dtype tensor.DType
		shape tensor.Shape
	}{
		{"stem.weight", tensor.F32, tensor.Shape{4, 3, 3, 3}},
		{"stem.gain", tensor.F32, tensor.Shape{}},
		{"norm.weight", tensor.F16, tensor.Shape{7}},
		{"a.weight", tensor.Q8, tensor.Shape{3, 32}},
		{"b.weight", tensor.Q4, tensor.Shape{65, 96}},
		{"index", tensor.I32, tensor.Shape{5}},
		{"long.weight", tensor.F16, tensor.Shape{63, 65}},
		{"c.weight", tensor.Q8, tensor.Shape{31, 64}},
		{"tail.bias", tensor.F32, tensor.Shape{1}},
	}
	var out []Weight
	for i, s := range shapes {
		out = append(out, Weight{s.name, s.dtype, s.shape, func() ([]byte, error) {
			n, err := s.dtype.Bytes(s.shape)
			p := make([]byte, n)
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			used := n
			if s.dtype == tensor.F16 {
				used = s.shape.Len() * 2
			} else if s.dtype.Quantised() {
				used = s.dtype.Quants(s.shape) + s.shape.Len()/tensor.BlockLen*2
			}
			for j := range p[:used] {
				p[j] = byte(r.Uint32())
			}
			return p, err
		}})
	}
	return out
}

func writeModel(t testing.TB, dir string, seed uint64) *Manifest {
	t.Helper()
	return writeShards(t, dir, seed, 8<<10)
}

func writeShards(t testing.TB, dir string, seed uint64, shardBytes int64) *Manifest {
	t.Helper()
	m, err := Write(WriteOptions{
		Dir: dir, Replace: true, Name: "tiny", Config: json.RawMessage(`{"dim":4}`), Tokenizer: []byte(`{"model":{}}`),
		Licences: []Licence{{"weights", "MIT", "https://example.org/licence"}}, Selftest: json.RawMessage(`{"ids":[1,2]}`),
		ShardBytes: shardBytes, ChunkBytes: 1 << 10,
	}, weightsOf(seed))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// gatherer is a sink that puts tensors together and checks the order of the pieces.
type gatherer struct {
	t    testing.TB
	got  map[string][]byte
	last int
}

func newGatherer(t testing.TB) *gatherer { return &gatherer{t: t, got: map[string][]byte{}} }

func (g *gatherer) sink(p Piece) error {
	if have := int64(len(g.got[p.Tensor.Name])); have != p.Offset {
		g.t.Errorf("%s: a piece at %d, want %d", p.Tensor.Name, p.Offset, have)
	}
	if p.Offset%4 != 0 || p.Data.Len()%4 != 0 || p.Data.Len() == 0 {
		g.t.Errorf("%s: a piece [%d,+%d) off the 4-byte grid", p.Tensor.Name, p.Offset, p.Data.Len())
	}
	if p.Index < g.last {
		g.t.Errorf("%s arrives after a later tensor", p.Tensor.Name)
	}
	g.last = p.Index
	g.got[p.Tensor.Name] = append(g.got[p.Tensor.Name], copied(p.Data)...)
	return nil
}

// check fails unless exactly the tensors of the seed have arrived.
func (g *gatherer) check(seed uint64) {
	g.t.Helper()
	weights := weightsOf(seed)
	if len(g.got) != len(weights) {
		g.t.Errorf("%d tensors arrived, want %d", len(g.got), len(weights))
	}
	for _, w := range weights {
		want, _ := w.Data()
		if !bytes.Equal(g.got[w.Name], want) {
			g.t.Errorf("%s: %d bytes arrived, not the %d that were written", w.Name, len(g.got[w.Name]), len(want))
		}
	}
}

// site serves a model directory and lets a test spoil single answers.
type site struct {
	*httptest.Server
	t     testing.TB
	dir   string
	fault func(w http.ResponseWriter, r *http.Request, nth int) bool // true: answered

	active sync.WaitGroup // answers under way, also those nobody waits for any more

	mu    sync.Mutex
	nth   map[string]int   // requests by path and end of range
	sent  map[string]int64 // body bytes by path
	total int
}

func newSite(t testing.TB, dir string) *site {
	s := &site{t: t, dir: dir, nth: map[string]int{}, sent: map[string]int64{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.active.Add(1)
	defer s.active.Done()
	_, end, _ := strings.Cut(r.Header.Get("Range"), "-") // a resumed read starts elsewhere
	key := r.URL.Path + " " + end
	s.mu.Lock()
	nth, fault := s.nth[key], s.fault
	s.nth[key]++
	s.total++
	s.mu.Unlock()
	for h := range r.Header {
		if h != "Referer" && h != "Range" && h != "User-Agent" && h != "Accept-Encoding" {
			s.t.Errorf("request header %s: would cost a preflight across origins", h)
		}
	}
	if fault != nil && fault(w, r, nth) {
		return
	}
	http.ServeFile(&counting{w, s, r.URL.Path}, r, filepath.Join(s.dir, filepath.Base(r.URL.Path)))
}

func (s *site) setFault(f func(http.ResponseWriter, *http.Request, int) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// reset forgets what was counted. It closes the connections of loads that were given up first, and
// lets requests that are on their way already arrive, so that they are not counted afterwards.
func (s *site) reset() {
	s.CloseClientConnections()
	time.Sleep(50 * time.Millisecond)
	s.active.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nth, s.sent, s.total = map[string]int{}, map[string]int64{}, 0
}

// weightBytes is the body bytes of shards sent since reset.
func (s *site) weightBytes() (n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for path, k := range s.sent {
		if strings.HasSuffix(path, ".safetensors") {
			n += k
		}
	}
	return n
}

func (s *site) requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}

type counting struct {
	http.ResponseWriter
	s    *site
	path string
}

func (c *counting) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.s.mu.Lock()
	c.s.sent[c.path] += int64(n)
	c.s.mu.Unlock()
	return n, err
}

// visit does what a page does: manifest, tokenizer, weights.
type visit struct {
	source   Source
	store    Store
	offline  bool
	sink     func(Piece) error
	progress func(Progress)
	fetched  Fetched
}

const quick = time.Millisecond // backoff in tests

func (v *visit) run(ctx context.Context, location string) (Result, error) {
	if v.source == nil && !v.offline {
		src, err := NewSource(location)
		if err != nil {
			return Result{}, err
		}
		if h, ok := src.(*HTTPSource); ok {
			h.Stall = 2 * time.Second
		}
		v.source = src
	}
	o := FetchOptions{Source: v.source, Store: v.store, Offline: v.offline, Backoff: quick}
	var err error
	if v.fetched, err = FetchManifest(ctx, location, o); err != nil {
		return Result{}, err
	}
	m := v.fetched.Manifest
	if tok, err := LoadFile(ctx, *m.Tokenizer, o); err != nil {
		return Result{}, err
	} else if string(tok) != `{"model":{}}` {
		return Result{}, fmt.Errorf("tokenizer: got %q", tok)
	}
	return Load(ctx, LoadOptions{Manifest: m, Source: v.source, Store: v.store, Offline: v.offline,
		Backoff: quick, Progress: v.progress}, v.sink)
}

func openDir(t testing.TB) *DirStore {
	t.Helper()
	s, err := OpenDir(filepath.Join(t.TempDir(), "cache"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// records lists the files of a directory store under a kind.
func records(t testing.TB, s *DirStore, kind string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(s.dir, kind, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func mustRead(t testing.TB, name string) []byte {
	t.Helper()
	p, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
