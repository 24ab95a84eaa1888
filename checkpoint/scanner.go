package checkpoint

import (
	"bytes"
	"fmt"
	"io"
)

const windowBytes = 64 << 10

// A scanner reads forward through a file and holds a window of it.
type scanner struct {
	r         io.ReaderAt
	size, pos int64
	window    []byte
	start     int64 // of the window
}

func newScanner(r io.ReaderAt, size int64) *scanner { return &scanner{r: r, size: size} }

// peek gives the next n bytes, at most windowBytes, or what is left of the file. They are valid
// until the next call.
func (s *scanner) peek(n int) ([]byte, error) {
	n = int(min(int64(n), s.size-s.pos))
	if s.pos < s.start || s.pos+int64(n) > s.start+int64(len(s.window)) {
		if s.window == nil {
			s.window = make([]byte, 0, min(windowBytes, s.size))
		}
		s.start = s.pos
		s.window = s.window[:min(int64(cap(s.window)), s.size-s.pos)]
		if err := readFull(s.r, s.window, s.start); err != nil {
			s.window = s.window[:0]
			return nil, err
		}
	}
	return s.window[s.pos-s.start:][:n], nil
}

// take reads n bytes, at most windowBytes.
func (s *scanner) take(n int) ([]byte, error) {
	p, err := s.peek(n)
	if err == nil && len(p) < n {
		err = s.tooShort(uint64(n))
	}
	if err != nil {
		return nil, err
	}
	s.pos += int64(n)
	return p, nil
}

// skip passes over n bytes without reading them and says where they are.
func (s *scanner) skip(n uint64) (at int64, err error) {
	if n > uint64(s.size-s.pos) {
		return 0, s.tooShort(n)
	}
	at = s.pos
	s.pos += int64(n)
	return at, nil
}

func (s *scanner) tooShort(n uint64) error {
	return fmt.Errorf("%d bytes are needed at %d and %d are left; the file is cut off", n, s.pos, s.size-s.pos)
}

// line reads up to a line feed, which it drops.
func (s *scanner) line() (string, error) {
	p, err := s.peek(windowBytes)
	if err != nil {
		return "", err
	}
	i := bytes.IndexByte(p, '\n')
	if i < 0 {
		return "", fmt.Errorf("the line at %d does not end within %d bytes; save with protocol 2 or later", s.pos, len(p))
	}
	s.pos += int64(i) + 1
	return string(p[:i]), nil
}
