package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// stage is one step of decoding: it takes tokens one by one, hands on what is certain, and at the end the rest.
type stage interface {
	push(token string, next func(string))
	flush(next func(string))
}

// spaceStage joins tokens with spaces, as the library does for a file without a decoder.
type spaceStage struct{ begun bool }

func (s *spaceStage) push(token string, next func(string)) {
	if s.begun {
		next(" ")
	}
	s.begun = true
	next(token)
}

func (s *spaceStage) flush(func(string)) {}

type replaceStage struct{ old, new string }

func (s replaceStage) push(token string, next func(string)) {
	next(strings.ReplaceAll(token, s.old, s.new))
}

func (s replaceStage) flush(func(string)) {}

// metaspaceStage turns marks into spaces and drops those of the first token.
type metaspaceStage struct {
	mark  string
	drop  bool
	begun bool
}

func (s *metaspaceStage) push(token string, next func(string)) {
	with := " "
	if s.drop && !s.begun {
		with = ""
	}
	s.begun = true
	next(strings.ReplaceAll(token, s.mark, with))
}

func (s *metaspaceStage) flush(func(string)) {}

// byteFallbackStage turns runs of <0x..> tokens into text: all of a run, or one U+FFFD a byte where it is not UTF-8.
type byteFallbackStage struct{ run []byte }

func (s *byteFallbackStage) push(token string, next func(string)) {
	if b, ok := byteToken(token); ok {
		s.run = append(s.run, b)
		return
	}
	s.flush(next)
	next(token)
}

func (s *byteFallbackStage) flush(next func(string)) {
	if len(s.run) == 0 {
		return
	}
	if utf8.Valid(s.run) {
		next(string(s.run))
	} else {
		for range s.run {
			next("\uFFFD")
		}
	}
	s.run = s.run[:0]
}

// byteToken reads <0x0A>.
func byteToken(token string) (b byte, ok bool) {
	if len(token) != 6 || token[:3] != "<0x" || token[5] != '>' {
		return 0, false
	}
	for _, c := range []byte(token[3:5]) {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		default:
			return 0, false
		}
		b = b<<4 | c
	}
	return b, true
}

// letterByte undoes byteLetter.
var letterByte = func() map[rune]byte {
	m := make(map[rune]byte, 256)
	for b, r := range byteLetter {
		m[r] = byte(b)
	}
	return m
}()

// byteLevelStage turns GPT-2's characters into bytes and bytes into text. A token with any other character in it
// stands for itself.
type byteLevelStage struct{ held []byte }

func (s *byteLevelStage) push(token string, next func(string)) {
	from := len(s.held)
	for _, r := range token {
		b, ok := letterByte[r]
		if !ok {
			s.held = append(s.held[:from], token...)
			break
		}
		s.held = append(s.held, b)
	}
	s.release(next, false)
}

func (s *byteLevelStage) flush(next func(string)) { s.release(next, true) }

// release hands on whole characters, one U+FFFD for each longest beginning of a character that does not go on, and at
// the end also for one that might have.
func (s *byteLevelStage) release(next func(string), end bool) {
	var text strings.Builder
	rest := s.held
	for len(rest) > 0 {
		r, size := utf8.DecodeRune(rest)
		if r == utf8.RuneError && size == 1 {
			if !end && !utf8.FullRune(rest) {
				break
			}
			for size < len(rest) && !utf8.FullRune(rest[:size+1]) {
				size++
			}
		}
		text.WriteRune(r)
		rest = rest[size:]
	}
	s.held = append(s.held[:0], rest...)
	if text.Len() > 0 {
		next(text.String())
	}
}

// stripStage takes up to start marks from the front and stop from the back: of the whole text where fused, else of
// each token.
type stripStage struct {
	mark        string
	start, stop int
	fused       bool
	left        int // marks that may still go from the front
	held        int // marks that may be the last
}

func (s *stripStage) push(token string, next func(string)) {
	if !s.fused {
		s.left, s.held = s.start, 0
	}
	for s.left > 0 && token != "" {
		rest, ok := strings.CutPrefix(token, s.mark)
		if !ok {
			s.left = 0
			break
		}
		s.left--
		token = rest
	}
	body := strings.TrimRight(token, s.mark)
	tail := (len(token) - len(body)) / len(s.mark)
	if body != "" {
		body = strings.Repeat(s.mark, s.held) + body
		s.held = 0
	}
	s.held += tail
	if out := s.held - s.stop; out > 0 {
		body += strings.Repeat(s.mark, out)
		s.held = s.stop
	}
	if body != "" {
		next(body)
	}
}

func (s *stripStage) flush(func(string)) {}
