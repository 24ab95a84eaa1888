package loader

import (
	"context"
	"fmt"
	"io"
	"slices"

	"flamingo/tensor"
)

// stream reads a file whose server answers a range with the whole file. One connection is kept
// across reads, which take turns; only a read of something that has long gone by opens another.
type stream struct {
	path string

	turn   chan struct{} // holds one token, with which the rest goes
	conn   *connection
	at     int64 // of the next byte of conn
	behind []run // the last of what was skipped, because parallel reads get their turns in any order
}

// run is bytes and their place in the file.
type run struct {
	at   int64
	data tensor.Bytes
}

func (r run) end() int64 { return r.at + int64(r.data.Len()) }

// maxBehind is how many skipped bytes are kept: four chunks of the usual length, the most that are
// read at once.
const maxBehind = 16 << 20

func (s *HTTPSource) stream(path string, create bool) *stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.streams[path]
	if st == nil && create {
		st = &stream{path: path, turn: make(chan struct{}, 1)}
		st.turn <- struct{}{}
		s.streams[path] = st
	}
	return st
}

// offer gives the stream a connection at the start of the file, which is closed when it has one.
func (st *stream) offer(c *connection) {
	select {
	case <-st.turn:
		if st.conn == nil {
			st.conn, st.at, c = c, 0, nil
		}
		st.turn <- struct{}{}
	default:
	}
	if c != nil {
		c.close()
	}
}

func (st *stream) read(ctx context.Context, s *HTTPSource, from, to int64, got func(int)) (tensor.Bytes, error) {
	select {
	case <-st.turn:
		defer func() { st.turn <- struct{}{} }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if data := st.recall(from, to); data != nil {
		if got != nil {
			got(data.Len())
		}
		return data, nil
	}
	if st.conn != nil && (st.at > from || st.conn.ctx.Err() != nil) {
		st.drop()
	}
	if st.conn == nil {
		c, err := s.connect(ctx, s.Locate(st.path), "")
		if err != nil {
			return nil, err
		}
		if err := c.refuse(); err != nil {
			c.close()
			return nil, err
		}
		if c.status != 200 {
			c.close()
			return nil, &TemporaryError{Err: fmt.Errorf("%s: %w: got status %d, want 200", c.url, ErrNetwork, c.status)}
		}
		st.conn, st.at = c, 0
	}
	data, err := st.advance(from, to, got)
	if err != nil {
		st.drop()
	}
	return data, err
}

func (st *stream) drop() {
	st.conn.close()
	st.conn, st.behind = nil, nil
}

// skip keeps what a read has passed over, for the read of an earlier chunk that was slower to start.
func (st *stream) skip(r run) {
	st.behind = append(st.behind, r)
	first := 0
	for st.at-st.behind[first].at > maxBehind && first < len(st.behind)-1 {
		first++
	}
	st.behind = slices.Delete(st.behind, 0, first)
}

// recall returns [from,to) when all of it was skipped and kept, else nil.
func (st *stream) recall(from, to int64) tensor.Bytes {
	var parts []tensor.Bytes
	at := from
	for _, r := range st.behind {
		if r.at <= at && at < min(r.end(), to) {
			parts = append(parts, r.data.Slice(int(at-r.at), int(min(r.end(), to)-r.at)))
			at = min(r.end(), to)
		}
	}
	if at < to || len(parts) == 0 {
		return nil
	}
	st.behind = slices.DeleteFunc(st.behind, func(r run) bool { return from <= r.at && r.end() <= to })
	return join(parts)
}

// advance skips to from and collects up to to.
func (st *stream) advance(from, to int64, got func(int)) (tensor.Bytes, error) {
	var parts []tensor.Bytes
	for st.at < to {
		data, err := st.conn.next()
		if data != nil && data.Len() > 0 {
			n := int64(data.Len())
			low, high := min(max(from-st.at, 0), n), min(to-st.at, n)
			if low > 0 {
				st.skip(run{st.at, data.Slice(0, int(low))})
			}
			if low < high {
				parts = append(parts, data.Slice(int(low), int(high)))
				if got != nil {
					got(int(high - low))
				}
			}
			if high < n {
				st.conn.body = &pushedBack{body: st.conn.body, first: data.Slice(int(high), int(n))}
				n = high
			}
			st.at += n
		}
		if err == io.EOF {
			if st.at < to {
				return join(parts), &TemporaryError{Err: fmt.Errorf("%s: %w: the file ends after %d bytes, want %d", st.conn.url, ErrNetwork, st.at, to)}
			}
			return join(parts), nil
		}
		if err != nil {
			return join(parts), err
		}
	}
	return join(parts), nil
}

// pushedBack is a body that starts with bytes already taken from it.
type pushedBack struct {
	body
	first tensor.Bytes
}

func (p *pushedBack) next() (tensor.Bytes, error) {
	if first := p.first; first != nil {
		p.first = nil
		return first, nil
	}
	return p.body.next()
}
