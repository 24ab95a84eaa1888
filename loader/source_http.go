package loader

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"flamingo/tensor"
)

// HTTPSource fetches a model's files by range. Only simple requests are made, so that a server of
// another origin needs no more than Access-Control-Allow-Origin. A server that ignores ranges is
// read as a stream.
type HTTPSource struct {
	// Stall is how long a connection may bring nothing before it is given up; 0 is 30 s.
	Stall time.Duration

	base     string // address of the directory, with its final slash
	manifest string // address of the manifest, which alone keeps a query

	mu      sync.Mutex
	streams map[string]*stream // files whose server ignores ranges
}

// NewHTTPSource is a source for the model at an http or https address, either of its directory or
// of its manifest.
func NewHTTPSource(location string) (*HTTPSource, error) {
	if !strings.HasPrefix(location, "http://") && !strings.HasPrefix(location, "https://") {
		return nil, fmt.Errorf("loader: address of the model: got %.200q, want http://… or https://…", location)
	}
	manifest, _ := splitLocation(location)
	path, _, _ := strings.Cut(manifest, "?")
	return &HTTPSource{
		base:     path[:strings.LastIndexByte(path, '/')+1],
		manifest: manifest,
		streams:  map[string]*stream{},
	}, nil
}

// Locate is part of Source.
func (s *HTTPSource) Locate(path string) string {
	url := s.base + path
	if before, _, _ := strings.Cut(s.manifest, "?"); before == url {
		return s.manifest
	}
	return url
}

// response is what a platform's open returns once the headers are there.
type response struct {
	status       int
	contentType  string
	contentRange string // "" also when the browser hides it
	retryAfter   string
	body         body
}

// body hands out what has arrived, then io.EOF. It ends when the context it was opened with does.
type body interface {
	next() (tensor.Bytes, error)
	close()
}

var errStalled = errors.New("the connection brought nothing")

// connection is a response whose body is watched for stalls.
type connection struct {
	*response
	url    string
	stall  time.Duration
	timer  *time.Timer
	ctx    context.Context
	cancel context.CancelCauseFunc
}

func (s *HTTPSource) connect(ctx context.Context, url, ranges string) (*connection, error) {
	c := &connection{url: url, stall: s.Stall}
	if c.stall == 0 {
		c.stall = 30 * time.Second
	}
	c.ctx, c.cancel = context.WithCancelCause(ctx)
	c.timer = time.AfterFunc(c.stall, func() { c.cancel(errStalled) })
	var err error
	c.response, err = openURL(c.ctx, url, ranges)
	c.timer.Stop()
	if err != nil {
		err = c.explain(err)
		c.cancel(nil)
		return nil, err
	}
	return c, nil
}

func (c *connection) close() {
	c.timer.Stop()
	c.body.close()
	c.cancel(nil)
}

// next is io.EOF at the end and otherwise a *TemporaryError.
func (c *connection) next() (tensor.Bytes, error) {
	c.timer.Reset(c.stall)
	data, err := c.body.next()
	c.timer.Stop()
	if err != nil && err != io.EOF {
		err = c.explain(err)
	}
	return data, err
}

func (c *connection) explain(err error) error {
	if context.Cause(c.ctx) == errStalled {
		err = fmt.Errorf("%w for %v", errStalled, c.stall)
	}
	tries := 0
	if errors.Is(err, ErrCORS) {
		tries = 2
	} else {
		err = fmt.Errorf("%w: %w", ErrNetwork, err)
	}
	return &TemporaryError{Err: fmt.Errorf("%s: %w", c.url, err), Tries: tries}
}

// Read is part of Source.
func (s *HTTPSource) Read(ctx context.Context, path string, from, to int64, got func(int)) (tensor.Bytes, error) {
	url := s.Locate(path)
	if to < 0 {
		c, err := s.connect(ctx, url, "")
		if err != nil {
			return nil, err
		}
		defer c.close()
		if err := c.refuse(); err != nil {
			return nil, err
		}
		if c.status != 200 {
			return nil, fmt.Errorf("%s: %w: got status %d, want 200", url, ErrNetwork, c.status)
		}
		return c.drain(maxWhole, got)
	}
	if st := s.stream(path, false); st != nil {
		return st.read(ctx, s, from, to, got)
	}
	c, err := s.connect(ctx, url, fmt.Sprintf("bytes=%d-%d", from, to-1))
	if err != nil {
		return nil, err
	}
	if err := c.refuse(); err != nil {
		c.close()
		return nil, err
	}
	if c.status == 200 {
		st := s.stream(path, true)
		st.offer(c)
		return st.read(ctx, s, from, to, got)
	}
	defer c.close()
	if err := c.checkRange(from, to); err != nil {
		return nil, err
	}
	return c.take(to-from, got)
}

// refuse turns an answer that cannot be the file into an error.
func (c *connection) refuse() error {
	kind, _, _ := strings.Cut(c.contentType, ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	switch {
	case c.status == 200 || c.status == 206:
		if kind == "text/html" {
			return &TemporaryError{Tries: 2, Err: fmt.Errorf("%s: %w: got text/html, a web page, want the file; check the address, or sign in to this network", c.url, ErrNetwork)}
		}
		if kind == "multipart/byteranges" {
			return &TemporaryError{Err: fmt.Errorf("%s: %w: got multipart/byteranges, want one range", c.url, ErrNetwork)}
		}
		return nil
	case c.status == 416:
		return fmt.Errorf("%s: %w: status 416: the file is shorter than its manifest says; reload, and if it stays, upload the model again", c.url, ErrIntegrity)
	case c.status == 408 || c.status == 425 || c.status == 429 || c.status >= 500:
		return &TemporaryError{
			Err:   fmt.Errorf("%s: %w: status %d; try again later", c.url, ErrNetwork, c.status),
			After: retryAfter(c.retryAfter),
		}
	default:
		return fmt.Errorf("%s: %w: status %d; check the address and that the file is public", c.url, ErrNetwork, c.status)
	}
}

// checkRange compares the range a 206 brings with the one asked for, where the browser shows it.
func (c *connection) checkRange(from, to int64) error {
	if c.contentRange == "" {
		return nil
	}
	if first, last, ok := parseRange(c.contentRange); !ok || first != from || last > to-1 || last < first {
		return &TemporaryError{Err: fmt.Errorf("%s: %w: got Content-Range %.80q, want bytes %d-%d", c.url, ErrNetwork, c.contentRange, from, to-1)}
	}
	return nil
}

// parseRange reads "bytes FIRST-LAST/LENGTH".
func parseRange(s string) (first, last int64, ok bool) {
	s, ok = strings.CutPrefix(s, "bytes ")
	s, _, slash := strings.Cut(s, "/")
	from, to, dash := strings.Cut(s, "-")
	first, err := strconv.ParseInt(from, 10, 64)
	last, err2 := strconv.ParseInt(to, 10, 64)
	return first, last, ok && slash && dash && err == nil && err2 == nil
}

// take reads up to n bytes and cuts what goes beyond.
func (c *connection) take(n int64, got func(int)) (tensor.Bytes, error) {
	var parts []tensor.Bytes
	for n > 0 {
		data, err := c.next()
		if data != nil && data.Len() > 0 {
			if int64(data.Len()) > n {
				data = data.Slice(0, int(n))
			}
			parts = append(parts, data)
			n -= int64(data.Len())
			if got != nil {
				got(data.Len())
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return join(parts), err
		}
	}
	return join(parts), nil
}

// drain reads to the end.
func (c *connection) drain(limit int64, got func(int)) (tensor.Bytes, error) {
	data, err := c.take(limit+1, got)
	if err == nil && int64(data.Len()) > limit {
		err = fmt.Errorf("%s: %w: more than %d bytes, want a smaller file; check the address", c.url, ErrNetwork, limit)
	}
	return data, err
}

func retryAfter(header string) time.Duration {
	seconds, err := strconv.Atoi(strings.TrimSpace(header))
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(min(seconds, 3600))*time.Second, maxDelay)
}
