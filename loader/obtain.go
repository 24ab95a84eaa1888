package loader

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"flamingo/tensor"
)

const (
	maxTries    = 6
	maxBadSums  = 3        // tries at a chunk that arrives whole but wrong
	progressMin = 64 << 10 // bytes a try must bring for the count of tries to start again
	maxDelay    = 30 * time.Second
)

// A TemporaryError is a failed read that is worth another try.
type TemporaryError struct {
	Err   error
	After time.Duration // how long the server asked us to wait; 0 leaves it to the caller
	Tries int           // fewer tries than usual; 0 is the usual number
}

func (e *TemporaryError) Error() string { return e.Err.Error() }
func (e *TemporaryError) Unwrap() error { return e.Err }

// obtain returns chunk i, checked, from the store or else the source.
func (l *load) obtain(ctx context.Context, i int) (tensor.Bytes, error) {
	c := &l.chunks[i]
	if l.present[c.key] {
		data, err := l.recall(ctx, c)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err == nil {
			l.meter.finish(i, c.bytes, true)
			l.mu.Lock()
			l.result.FromCache += c.bytes
			l.mu.Unlock()
			return data, nil
		}
		l.discard(ctx, c, err)
	}
	if l.Offline {
		return nil, l.offline(c.bytes)
	}
	r := reading{source: l.Source, path: l.Manifest.Files[c.file].Path, backoff: l.Backoff, label: c.label}
	r.progress = func(n int64) { l.meter.partial(i, n) }
	data, err := r.verified(ctx, c.offset, c.offset+c.bytes, func(b tensor.Bytes) error {
		return verify(ctx, b, c.sums)
	})
	if err != nil {
		return nil, err
	}
	l.keep(ctx, c, data)
	l.meter.finish(i, c.bytes, false)
	l.mu.Lock()
	l.result.FromNetwork += c.bytes
	l.mu.Unlock()
	return data, nil
}

// recall reads a stored chunk. No browser checks what it reads back from IndexedDB, so we do.
func (l *load) recall(ctx context.Context, c *chunk) (tensor.Bytes, error) {
	data, err := l.Store.Get(ctx, c.key)
	if err != nil {
		return nil, err
	}
	if data == nil {
		return nil, errors.New("it is gone")
	}
	if int64(data.Len()) != c.bytes {
		return nil, fmt.Errorf("got %d bytes, want %d", data.Len(), c.bytes)
	}
	if got := crcs.sum(data); got != c.sums.CRC32C {
		return nil, fmt.Errorf("crc32c is %08x, want %08x", got, c.sums.CRC32C)
	}
	return data, nil
}

// discard removes a stored chunk that cannot be used.
func (l *load) discard(ctx context.Context, c *chunk, why error) {
	l.mu.Lock()
	l.result.Notices = append(l.result.Notices, fmt.Sprintf("%s was damaged in the store and is fetched again: %v", c.label, why))
	l.mu.Unlock()
	if err := l.Store.Delete(ctx, c.key); err != nil && ctx.Err() == nil {
		l.giveUpCaching(err)
	}
}

func (l *load) keep(ctx context.Context, c *chunk, data tensor.Bytes) {
	l.mu.Lock()
	caching := l.caching
	l.mu.Unlock()
	if !caching {
		return
	}
	if err := l.Store.Put(ctx, c.key, data, false); err != nil && ctx.Err() == nil {
		l.giveUpCaching(err)
	}
}

// reading is a read of one file's bytes with retries.
type reading struct {
	source   Source
	path     string
	label    string // names the bytes in messages
	backoff  time.Duration
	tries    int         // 0 is maxTries
	progress func(int64) // bytes that have arrived, may fall after a failed try
}

// verified reads [from,to) until it arrives whole and passes check. Bytes that came before a
// failure are kept and only the rest is asked for again.
func (r *reading) verified(ctx context.Context, from, to int64, check func(tensor.Bytes) error) (tensor.Bytes, error) {
	var parts []tensor.Bytes
	have, tries, bad := from, 0, 0
	for {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		data, err := r.read(ctx, have, to, have-from)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		tries++
		if data != nil && data.Len() > 0 {
			parts = append(parts, data)
			have += int64(data.Len())
			if data.Len() >= progressMin {
				tries = min(tries, 1)
			}
		}
		if have == to {
			whole := join(parts)
			if err = check(whole); err == nil {
				return whole, nil
			}
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			parts, have = nil, from
			if bad++; bad < maxBadSums && errors.Is(err, ErrIntegrity) {
				err = &TemporaryError{Err: err}
			}
		} else if err == nil {
			err = &TemporaryError{Err: fmt.Errorf("%w: got %d bytes, want %d", ErrNetwork, have-from, to-from)}
		}
		if err := r.wait(ctx, tries, err); err != nil {
			return nil, err
		}
	}
}

// whole reads a file of unknown size.
func (r *reading) whole(ctx context.Context) (tensor.Bytes, error) {
	for tries := 1; ; tries++ {
		data, err := r.read(ctx, 0, -1, 0)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err == nil {
			return data, nil
		}
		if err := r.wait(ctx, tries, err); err != nil {
			return nil, err
		}
	}
}

func (r *reading) read(ctx context.Context, from, to, before int64) (tensor.Bytes, error) {
	var got func(int)
	if r.progress != nil {
		got = func(n int) {
			before += int64(n)
			r.progress(before)
		}
	}
	return r.source.Read(ctx, r.path, from, to, got)
}

// wait returns nil when the read that failed with err shall be tried again, after the due delay.
func (r *reading) wait(ctx context.Context, tries int, err error) error {
	limit := r.tries
	if limit == 0 {
		limit = maxTries
	}
	var temporary *TemporaryError
	retry := errors.As(err, &temporary)
	if retry && temporary.Tries > 0 {
		limit = min(limit, temporary.Tries)
	}
	if !retry || tries >= limit {
		if tries > 1 {
			return fmt.Errorf("loader: %s: %w (tried %d times)", r.label, err, tries)
		}
		return fmt.Errorf("loader: %s: %w", r.label, err)
	}
	delay := r.backoff
	if delay == 0 {
		delay = 500 * time.Millisecond
	}
	delay <<= tries - 1
	delay += time.Duration(rand.Int64N(int64(delay)/2 + 1))
	delay = min(max(delay, temporary.After), maxDelay)
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
