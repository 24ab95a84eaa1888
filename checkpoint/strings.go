package checkpoint

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

const maxLong = 256 // bytes of an integer

// pushParsed pushes what a line held.
func (m *machine) pushParsed(v any, err error) error {
	if err != nil {
		return fmt.Errorf("number: %w", err)
	}
	return m.push(v)
}

// parseInt reads the integers of protocol 0, whose booleans are 00 and 01.
func parseInt(s string) (any, error) {
	switch s {
	case "00":
		return false, nil
	case "01":
		return true, nil
	}
	return parseLong(s)
}

func parseLong(s string) (any, error) {
	if len(s) > 2*maxLong {
		return nil, fmt.Errorf("got %d digits, want at most %d", len(s), 2*maxLong)
	}
	n, ok := new(big.Int).SetString(s, 10)
	if !ok {
		return nil, fmt.Errorf("got %.40q, want an integer", s)
	}
	return integer(n), nil
}

// integer is an int64 where one suffices.
func integer(n *big.Int) any {
	if n.IsInt64() {
		return n.Int64()
	}
	return n
}

// long reads an integer of n bytes, little endian, in two's complement.
func (m *machine) long(n uint64) error {
	if n > maxLong {
		return fmt.Errorf("got an integer of %d bytes, want at most %d", n, maxLong)
	}
	p, err := m.in.take(int(n))
	if err != nil {
		return err
	}
	v := new(big.Int).SetBytes(reversed(p))
	if n > 0 && p[n-1] >= 0x80 {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(8*n)))
	}
	return m.push(integer(v))
}

// reversed turns little endian bytes into the order of big.Int.
func reversed(p []byte) []byte {
	p = slices.Clone(p)
	slices.Reverse(p)
	return p
}

func (m *machine) unicode(n uint64) error {
	if n > maxShort {
		at, err := m.in.skip(n)
		if err != nil {
			return err
		}
		return m.push(&longText{storage: storage{m.in.r, at, int64(n)}})
	}
	p, err := m.in.take(int(n))
	if err != nil {
		return err
	}
	return m.pushText(string(p))
}

func (m *machine) pushText(s string) error {
	s, err := m.keep(s)
	if err != nil {
		return err
	}
	return m.push(s)
}

// bytes leaves a byte string in the file, where a tensor may read parts of it.
func (m *machine) bytes(n uint64) error {
	at, err := m.in.skip(n)
	if err != nil {
		return err
	}
	return m.push(&blob{storage: storage{m.in.r, at, int64(n)}})
}

func (m *machine) bytesOfPython2(n uint64) error {
	at, err := m.in.skip(n)
	if err != nil {
		return err
	}
	return m.push(&blob{storage{m.in.r, at, int64(n)}, true})
}

// inMemory is a byte string that does not stand in the file as it is.
func (m *machine) inMemory(s string) (*blob, error) {
	s, err := m.keep(s)
	return &blob{storage: storage{strings.NewReader(s), 0, int64(len(s))}}, err
}

// quoted reads a string of Python 2 as it stands in source code.
func (m *machine) quoted(s string) error {
	s = strings.TrimRight(s, " \r")
	if len(s) < 2 || s[0] != s[len(s)-1] || (s[0] != '\'' && s[0] != '"') {
		return fmt.Errorf("string: got %.40q, want quotes around it", s)
	}
	s, err := unescape(s[1:len(s)-1], pythonEscapes)
	if err != nil {
		return err
	}
	b, err := m.inMemory(s)
	if err != nil {
		return err
	}
	b.fromPython2 = true
	return m.push(b)
}

// unicodeLine reads the text of protocol 0: Latin-1, and escapes for what lies beyond.
func (m *machine) unicodeLine(s string) error {
	var wide strings.Builder
	for _, b := range []byte(s) {
		wide.WriteRune(rune(b))
	}
	s, err := unescape(wide.String(), unicodeEscapes)
	if err != nil {
		return err
	}
	if len(s) > maxShort {
		b, err := m.inMemory(s)
		if err != nil {
			return err
		}
		return m.push(&longText{storage: b.storage})
	}
	return m.pushText(s)
}

// An escape turns the hexadecimal digits after a backslash and a letter into bytes.
type escape struct {
	digits int
	bytes  func(n uint64) string
}

var pythonEscapes = map[byte]escape{'x': {2, func(n uint64) string { return string([]byte{byte(n)}) }}}

var unicodeEscapes = map[byte]escape{'u': {4, runeOf}, 'U': {8, runeOf}}

func runeOf(n uint64) string { return string(rune(n)) }

// plainEscapes need no digits. Only repr() of Python 2 writes them.
var plainEscapes = map[byte]string{'n': "\n", 't': "\t", 'r': "\r", '\\': "\\", '\'': "'", '"': `"`}

func unescape(s string, escapes map[byte]escape) (string, error) {
	var out strings.Builder
	for {
		before, after, found := strings.Cut(s, `\`)
		out.WriteString(before)
		if !found {
			return out.String(), nil
		}
		if after == "" {
			return "", errors.New("string: it ends in a backslash")
		}
		letter := after[0]
		if e, ok := escapes[letter]; ok {
			if len(after) <= e.digits {
				return "", fmt.Errorf(`string: \%c: want %d hexadecimal digits`, letter, e.digits)
			}
			n, err := strconv.ParseUint(after[1:1+e.digits], 16, 32)
			if err != nil {
				return "", fmt.Errorf(`string: \%c: %w`, letter, err)
			}
			out.WriteString(e.bytes(n))
			s = after[1+e.digits:]
			continue
		}
		plain, ok := plainEscapes[letter]
		if _, unicode := escapes['u']; unicode || !ok {
			plain = after[:1] // a lone backslash stands for itself
			out.WriteByte('\\')
		}
		out.WriteString(plain)
		s = after[1:]
	}
}
