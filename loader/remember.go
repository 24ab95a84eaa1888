package loader

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"flamingo/tensor"
)

// FetchOptions are the options of FetchManifest and LoadFile. Source is required unless Offline.
type FetchOptions struct {
	Source  Source
	Store   Store // nil keeps nothing
	Offline bool
	Backoff time.Duration // before the first retry; 0 is 500 ms
}

// Fetched is a manifest and how it was come by.
type Fetched struct {
	Manifest  *Manifest
	FromCache bool   // the network was not used, or failed
	Notice    string // why the stored manifest is used although the network was tried
}

// staleAfter bounds the wait for a server when a stored manifest could be used instead.
const staleAfter = 5 * time.Second

// FetchManifest reads the manifest of the model at location, the address of its directory or of
// the manifest itself: from the network, or when that fails from the store. Its errors wrap
// ErrNetwork, ErrCORS, ErrOffline or ErrManifest.
func FetchManifest(ctx context.Context, location string, o FetchOptions) (Fetched, error) {
	url, name := splitLocation(location)
	stored, complete, err := storedManifest(ctx, o.Store, url)
	if err != nil {
		return Fetched{}, err
	}
	if o.Offline || o.Source == nil {
		if stored == nil {
			return Fetched{}, fmt.Errorf("loader: %s: %w: nothing of this model is stored; connect to the network once to fetch it", url, ErrOffline)
		}
		return Fetched{Manifest: stored, FromCache: true}, nil
	}
	r := reading{source: o.Source, path: name, label: ManifestName, backoff: o.Backoff}
	wait := ctx
	if complete {
		r.tries = 1
		var cancel context.CancelFunc
		wait, cancel = context.WithTimeoutCause(ctx, staleAfter, fmt.Errorf("%w: no answer in %v", ErrNetwork, staleAfter))
		defer cancel()
	}
	data, err := r.whole(wait)
	if ctx.Err() != nil {
		return Fetched{}, context.Cause(ctx)
	}
	if err != nil {
		if complete && errors.Is(err, ErrNetwork) {
			return Fetched{Manifest: stored, FromCache: true, Notice: fmt.Sprintf("The stored model is used: %v", err)}, nil
		}
		return Fetched{}, err
	}
	raw := make([]byte, data.Len())
	data.CopyTo(raw)
	m, err := ParseManifest(raw)
	if err != nil {
		return Fetched{}, fmt.Errorf("%w (from %s)", err, o.Source.Locate(name))
	}
	m.origin = origin{url: url, raw: raw, kept: complete && bytes.Equal(raw, stored.origin.raw)}
	if o.Store != nil && !m.origin.kept {
		// Without this record a sweep in another tab would take our chunks for garbage. When it
		// cannot be written, neither can they, and Load will say so.
		_ = o.Store.Put(ctx, pendingPrefix+url, sealed(raw), false)
	}
	return Fetched{Manifest: m}, ctx.Err()
}

// LoadFile returns a small file that the manifest names, such as its tokenizer, from the store or
// the source, checked against its SHA-256 either way.
func LoadFile(ctx context.Context, f FileRef, o FetchOptions) ([]byte, error) {
	if f.Bytes < 1 || f.Bytes > maxWhole {
		return nil, fmt.Errorf("loader: %s: %w: %d bytes, want 1 to %d", f.Path, ErrManifest, f.Bytes, maxWhole)
	}
	key := chunkKey(f.SHA256, f.Bytes)
	check := func(b tensor.Bytes) error {
		got, err := sha256Hex(ctx, b)
		if err == nil && got != f.SHA256 {
			err = fmt.Errorf("%w: sha256 is %s, want %s; the file changed or was damaged on its way: reload", ErrIntegrity, got, f.SHA256)
		}
		return err
	}
	if o.Store != nil {
		data, err := o.Store.Get(ctx, key)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err == nil && data != nil && check(data) == nil {
			return copied(data), nil
		}
	}
	if o.Offline || o.Source == nil {
		return nil, fmt.Errorf("loader: %s: %w: its %d bytes are not stored; connect to the network once to fetch them", f.Path, ErrOffline, f.Bytes)
	}
	r := reading{source: o.Source, path: f.Path, label: f.Path, backoff: o.Backoff}
	data, err := r.verified(ctx, 0, f.Bytes, check)
	if err != nil {
		return nil, err
	}
	if o.Store != nil {
		// A file that cannot be kept is fetched again next time; Load reports a store that is full.
		_ = o.Store.Put(ctx, key, data, false)
	}
	return copied(data), ctx.Err()
}

func copied(b tensor.Bytes) []byte {
	p := make([]byte, b.Len())
	b.CopyTo(p)
	return p
}

// complete records that all of a model is stored, which makes it usable without the network, and
// removes what earlier revisions left behind.
func (l *load) complete(ctx context.Context) {
	m := l.Manifest
	if !l.caching || ctx.Err() != nil {
		return
	}
	if t := m.Tokenizer; t != nil && !l.present[chunkKey(t.SHA256, t.Bytes)] && !l.Offline {
		if _, err := LoadFile(ctx, *t, FetchOptions{Source: l.Source, Store: l.Store, Backoff: l.Backoff}); err != nil {
			l.giveUpCaching(err)
			return
		}
	}
	keys, err := l.Store.Keys(ctx, chunkPrefix)
	if err != nil {
		l.giveUpCaching(err)
		return
	}
	if missing := missingBytes(m, keys); missing > 0 {
		l.giveUpCaching(fmt.Errorf("%d bytes were lost from the store", missing))
		return
	}
	l.result.Cached = true
	url := m.origin.url
	if url == "" || m.origin.kept {
		return
	}
	if err := l.Store.Put(ctx, manifestPrefix+url, sealed(m.origin.raw), true); err != nil {
		l.result.Cached = false
		l.giveUpCaching(err)
		return
	}
	if pending, _ := unsealed(ctx, l.Store, pendingPrefix+url); bytes.Equal(pending, m.origin.raw) {
		_ = l.Store.Delete(ctx, pendingPrefix+url)
	}
	if _, err := sweep(ctx, l.Store); err != nil && ctx.Err() == nil {
		l.result.Notices = append(l.result.Notices, fmt.Sprintf("Old revisions could not be removed from the store: %v", err))
	}
}

// CacheState says how much of a model is stored.
type CacheState struct {
	Cached bool  // all of it: it can be used without the network
	Bytes  int64 // stored
	Total  int64 // 0 when nothing is known of the model
}

// IsCached reports how much of the model at location the store holds. It uses no network.
func IsCached(ctx context.Context, s Store, location string) (CacheState, error) {
	url, _ := splitLocation(location)
	m, complete, err := storedManifest(ctx, s, url)
	if err != nil || m == nil {
		return CacheState{}, err
	}
	keys, err := s.Keys(ctx, chunkPrefix)
	if err != nil {
		return CacheState{}, err
	}
	var c CacheState
	for _, n := range needs(m) {
		c.Total += n
	}
	c.Bytes = c.Total - missingBytes(m, keys)
	c.Cached = complete && c.Bytes == c.Total
	return c, nil
}

// ClearCache removes the model at location, or with "" everything, from the store and returns the
// bytes freed. Chunks that another stored model shares stay.
func ClearCache(ctx context.Context, s Store, location string) (int64, error) {
	if s == nil {
		return 0, nil
	}
	if location != "" {
		url, _ := splitLocation(location)
		if err := s.Delete(ctx, manifestPrefix+url, pendingPrefix+url); err != nil {
			return 0, err
		}
		return sweep(ctx, s)
	}
	keys, err := s.Keys(ctx, "")
	if err != nil {
		return 0, err
	}
	var n int64
	for _, k := range keys {
		n += chunkKeyBytes(k)
	}
	return n, s.Delete(ctx, keys...)
}

// sweep removes chunks that no stored manifest names and returns their size.
func sweep(ctx context.Context, s Store) (int64, error) {
	named := map[string]bool{}
	for _, prefix := range []string{manifestPrefix, pendingPrefix} {
		keys, err := s.Keys(ctx, prefix)
		if err != nil {
			return 0, err
		}
		for _, k := range keys {
			raw, err := unsealed(ctx, s, k)
			if err != nil {
				return 0, err
			}
			if raw == nil {
				continue
			}
			m, err := ParseManifest(raw)
			if err != nil {
				// Perhaps a later version of this program wrote it: then its chunks are not ours to judge.
				return 0, err
			}
			for c := range needs(m) {
				named[c] = true
			}
		}
	}
	keys, err := s.Keys(ctx, chunkPrefix)
	if err != nil {
		return 0, err
	}
	var garbage []string
	var n int64
	for _, k := range keys {
		if !named[k] {
			garbage = append(garbage, k)
			n += chunkKeyBytes(k)
		}
	}
	if len(garbage) == 0 {
		return 0, nil
	}
	return n, s.Delete(ctx, garbage...)
}

// needs maps the key of every record a model consists of to its size.
func needs(m *Manifest) map[string]int64 {
	keys := map[string]int64{}
	for _, f := range m.Files {
		for i, c := range f.Chunks {
			n := min(m.ChunkBytes, f.Bytes-int64(i)*m.ChunkBytes)
			keys[chunkKey(c.SHA256, n)] = n
		}
	}
	if t := m.Tokenizer; t != nil {
		keys[chunkKey(t.SHA256, t.Bytes)] = t.Bytes
	}
	return keys
}

func missingBytes(m *Manifest, present []string) int64 {
	missing := needs(m)
	for _, k := range present {
		delete(missing, k)
	}
	var n int64
	for _, size := range missing {
		n += size
	}
	return n
}

// storedManifest returns the stored manifest of a model, preferably one that is complete.
func storedManifest(ctx context.Context, s Store, url string) (m *Manifest, complete bool, err error) {
	if s == nil {
		return nil, false, nil
	}
	for _, prefix := range []string{manifestPrefix, pendingPrefix} {
		raw, err := unsealed(ctx, s, prefix+url)
		if ctx.Err() != nil {
			return nil, false, context.Cause(ctx)
		}
		if err != nil || raw == nil {
			continue
		}
		if m, err := ParseManifest(raw); err == nil {
			complete = prefix == manifestPrefix
			m.origin = origin{url: url, raw: raw, kept: complete}
			return m, complete, nil
		}
	}
	return nil, false, nil
}

// sealed puts a checksum in front of a record that has no other.
func sealed(raw []byte) tensor.Bytes {
	return tensor.GoBytes(fmt.Appendf(nil, "%08x\n%s", crc32.Checksum(raw, castagnoli), raw))
}

// unsealed reads such a record; nil when it is absent or damaged.
func unsealed(ctx context.Context, s Store, key string) ([]byte, error) {
	data, err := s.Get(ctx, key)
	if err != nil || data == nil || data.Len() < 9 || data.Len() > MaxManifest+9 {
		return nil, err
	}
	p := copied(data)
	if string(p[:9]) != fmt.Sprintf("%08x\n", crc32.Checksum(p[9:], castagnoli)) {
		return nil, nil
	}
	return p[9:], nil
}
