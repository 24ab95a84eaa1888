package loader

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"runtime"
	"slices"
	"strings"
	"syscall/js"
	"testing"

	"github.com/hack-pad/go-indexeddb/idb"

	"flamingo/tensor"
)

// served is a manifest for a file that the test server has anyway, the test binary, which is large
// and is served with ranges.
func served(t *testing.T) (*Manifest, Source, []byte) {
	t.Helper()
	here := js.Global().Get("location").Get("href").String()
	src, err := NewSource(here[:strings.LastIndexByte(here, '/')+1])
	if err != nil {
		t.Fatal(err)
	}
	data, err := src.Read(t.Context(), "test.wasm", 0, -1, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw := copied(data)
	const chunkBytes = 1 << 20
	f := File{Path: "test.wasm", Bytes: int64(len(raw)), SHA256: sumOf(raw)}
	for at := 0; at < len(raw); at += chunkBytes {
		p := raw[at:min(at+chunkBytes, len(raw))]
		f.Chunks = append(f.Chunks, Chunk{sumOf(p), crc32.Checksum(p, castagnoli)})
	}
	n := (len(raw) - 8) / 8
	m := &Manifest{
		Format: Format, Name: "served", Revision: sumOf(raw), Config: json.RawMessage(`{}`), ChunkBytes: chunkBytes, Files: []File{f},
		Tensors: []TensorEntry{
			{"a", tensor.F32, tensor.Shape{n}, 0, 8, int64(n) * 4},
			{"b", tensor.F32, tensor.Shape{n}, 0, 8 + int64(n)*4, int64(n) * 4},
		},
	}
	if err := m.Validate(); err != nil {
		t.Fatal(err)
	}
	if m.origin.raw, err = json.Marshal(m); err != nil {
		t.Fatal(err)
	}
	m.origin.url = here + "/" + ManifestName
	return m, src, raw
}

func sumOf(p []byte) string {
	sum := sha256.Sum256(p)
	return hex.EncodeToString(sum[:])
}

// loadServed loads and compares every byte.
func loadServed(t *testing.T, ctx context.Context, o LoadOptions, raw []byte) (Result, error) {
	t.Helper()
	return Load(ctx, o, func(p Piece) error {
		if _, ok := p.Data.(jsBytes); !ok {
			t.Errorf("a piece of %s is a %T, want it outside Go's memory", p.Tensor.Name, p.Data)
		}
		at := p.Tensor.Offset + p.Offset
		if !bytes.Equal(copied(p.Data), raw[at:at+int64(p.Data.Len())]) {
			t.Errorf("%s at %d: other bytes than the file's", p.Tensor.Name, p.Offset)
		}
		return nil
	})
}

func TestBrowserLoad(t *testing.T) {
	s := openStore(t)
	m, src, raw := served(t)
	o := LoadOptions{Manifest: m, Source: src, Store: s, Backoff: 1}

	// A first visit that is broken off.
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("closed the page")
	o.Progress = func(p Progress) {
		if p.Loaded > p.Total/2 {
			cancel(why)
		}
	}
	if r, err := loadServed(t, ctx, o, raw); err != why {
		t.Fatalf("%+v, %v; want it to stop half way", r, err)
	}
	o.Progress = nil
	state, err := IsCached(t.Context(), s, m.origin.url)
	kept := int64(0)
	for _, k := range keysOf(t, s, chunkPrefix) {
		kept += chunkKeyBytes(k)
	}
	if err != nil || state.Cached || kept == 0 || kept >= m.Bytes() {
		t.Fatalf("%+v, %v, %d of %d bytes kept", state, err, kept, m.Bytes())
	}

	r, err := loadServed(t, t.Context(), o, raw)
	if err != nil || !r.Cached || r.FromCache != kept || r.FromNetwork != m.Bytes()-kept {
		t.Fatalf("resumed: %+v, %v; %d bytes had been kept", r, err, kept)
	}
	if state, err := IsCached(t.Context(), s, m.origin.url); err != nil || !state.Cached || state.Bytes != m.Bytes() {
		t.Errorf("%+v, %v", state, err)
	}

	stored, err := FetchManifest(t.Context(), m.origin.url, FetchOptions{Store: s, Offline: true})
	if err != nil || !stored.FromCache {
		t.Fatal(err)
	}
	o.Manifest, o.Source, o.Offline = stored.Manifest, nil, true
	if r, err := loadServed(t, t.Context(), o, raw); err != nil || r.FromCache != m.Bytes() || len(r.Notices) > 0 {
		t.Errorf("offline: %+v, %v", r, err)
	}
	o.Manifest, o.Source, o.Offline = m, src, false

	// One flipped bit in one record.
	const at = 3
	key := chunkKey(m.Files[0].Chunks[at].SHA256, m.ChunkBytes)
	bad := slices.Clone(raw[at*m.ChunkBytes : (at+1)*m.ChunkBytes])
	bad[12345] ^= 4
	if err := s.Put(t.Context(), key, tensor.GoBytes(bad), false); err != nil {
		t.Fatal(err)
	}
	r, err = loadServed(t, t.Context(), o, raw)
	if err != nil || !r.Cached || r.FromNetwork != m.ChunkBytes || len(r.Notices) != 1 {
		t.Errorf("after a flipped bit: %+v, %v; want one chunk fetched", r, err)
	}
	if r, err := loadServed(t, t.Context(), o, raw); err != nil || r.FromNetwork != 0 || len(r.Notices) > 0 {
		t.Errorf("after the repair: %+v, %v", r, err)
	}

	if n, err := ClearCache(t.Context(), s, m.origin.url); err != nil || n != m.Bytes() {
		t.Errorf("clear freed %d, %v; want %d", n, err, m.Bytes())
	}
}

func TestFullBrowserStoreCostsOnlyTheCache(t *testing.T) {
	s := openStore(t)
	m, src, raw := served(t)
	failingPut(t, "QuotaExceededError")
	r, err := loadServed(t, t.Context(), LoadOptions{Manifest: m, Source: src, Store: s}, raw)
	if err != nil || r.Cached || len(r.Notices) != 1 || r.FromNetwork != m.Bytes() {
		t.Errorf("%+v, %v; want the model, one notice and nothing cached", r, err)
	}
}

// The store is emptied under a load, as a person does who clears the site's data.
func TestStoreVanishesDuringLoad(t *testing.T) {
	s := openStore(t)
	m, src, raw := served(t)
	factory, err := idb.WrapFactory(js.Global().Get("indexedDB"))
	if err != nil {
		t.Fatal(err)
	}
	calls := 0
	o := LoadOptions{Manifest: m, Source: src, Store: s, Progress: func(p Progress) {
		if calls++; calls == 40 {
			if _, err := factory.DeleteDatabase(DatabaseName); err != nil {
				t.Error(err)
			}
		}
	}}
	if r, err := loadServed(t, t.Context(), o, raw); err != nil {
		t.Errorf("%+v, %v", r, err)
	}
	o.Progress = nil
	if r, err := loadServed(t, t.Context(), o, raw); err != nil || !r.Cached {
		t.Errorf("the load after it: %+v, %v", r, err)
	}
}

func TestBrowserErrors(t *testing.T) {
	m, _, _ := served(t)
	for _, row := range []struct {
		location string
		want     error
	}{
		{js.Global().Get("location").Get("origin").String() + "/nothing-here/", ErrNetwork},
		{"http://127.0.0.1:1/", ErrCORS},
	} {
		src, err := NewSource(row.location)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Load(t.Context(), LoadOptions{Manifest: m, Source: src, Backoff: 1}, func(Piece) error { return nil })
		if !errors.Is(err, row.want) || !strings.Contains(err.Error(), row.location) {
			t.Errorf("%s: got %v, want %v", row.location, err, row.want)
		}
		_, err = FetchManifest(t.Context(), row.location, FetchOptions{Source: src, Backoff: 1})
		if !errors.Is(err, row.want) {
			t.Errorf("%s: got %v, want %v", row.location, err, row.want)
		}
	}
}

// endless makes a large model out of nothing, in JavaScript's memory.
type endless struct{ chunk js.Value }

func (e endless) Locate(path string) string { return path }

func (e endless) Read(_ context.Context, _ string, from, to int64, _ func(int)) (tensor.Bytes, error) {
	return newBytes(e.chunk.Call("slice", 0, int(to-from))), nil
}

func TestLargeModelStaysOutOfGoMemory(t *testing.T) {
	const total, limit = 48 << 20, 4 << 20
	s := openStore(t)
	p := pattern(DefaultChunk)
	src := endless{toJS(p)}
	sum := Chunk{sumOf(p), crc32.Checksum(p, castagnoli)}
	n := total / DefaultChunk
	m := &Manifest{Format: Format, Name: "large", Revision: sum.SHA256, Config: json.RawMessage(`{}`), ChunkBytes: DefaultChunk}
	m.Files = []File{{Path: "large", Bytes: total, SHA256: sum.SHA256, Chunks: slices.Repeat([]Chunk{sum}, n)}}
	for i := range 4 {
		size := int64(total/4 - 8)
		m.Tensors = append(m.Tensors, TensorEntry{fmt.Sprint(i), tensor.F32, tensor.Shape{int(size / 4)}, 0, 8 + int64(i)*size, size})
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 2 {
		r, err := Load(t.Context(), LoadOptions{Manifest: m, Source: src, Store: s}, func(Piece) error { return nil })
		if err != nil || !r.Cached {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	runtime.ReadMemStats(&after)
	grown := after.TotalAlloc - before.TotalAlloc
	t.Logf("Go allocated %d KiB for %d MiB fetched and as much read back", grown>>10, total>>20)
	if grown > limit {
		t.Errorf("Go allocated %d MiB, want at most %d: weights have passed through its memory", grown>>20, limit>>20)
	}
}
