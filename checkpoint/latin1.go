package checkpoint

import (
	"errors"
	"fmt"
	"sync"
	"unicode/utf8"
)

// latin1Step is how many characters apart their places are remembered.
const latin1Step = 32 << 10

// A latin1 gives bytes that a pickle holds as text, one character a byte: protocol 2 has no byte
// strings. Since a character is one or two bytes of UTF-8, reading from the middle needs an index.
type latin1 struct {
	text  storage // UTF-8
	marks []int64 // where every latin1Step-th character begins
}

// encode is Python's _codecs.encode(text, "latin1").
func encode(m *machine, args tuple) (any, error) {
	if len(args) != 2 {
		return nil, fmt.Errorf("got %d arguments, want a text and latin1", len(args))
	}
	if name, _ := m.textOf(args[1]); name != "latin1" {
		return nil, fmt.Errorf("encoding: got %.40q, want latin1", name)
	}
	switch text := args[0].(type) {
	case string:
		p := make([]byte, 0, len(text))
		for _, c := range text {
			if c > 0xff {
				return nil, errors.New("the text has characters beyond latin1")
			}
			p = append(p, byte(c))
		}
		return m.inMemory(string(p))
	case *longText:
		if text.latin1 == nil {
			b, err := indexLatin1(text.storage)
			if err != nil {
				return nil, err
			}
			text.latin1 = b
		}
		return text.latin1, nil
	}
	return nil, fmt.Errorf("got %s, want a text", kindName(args[0]))
}

// indexLatin1 reads a text once: how many bytes it stands for is known only then.
func indexLatin1(text storage) (*blob, error) {
	l := &latin1{text: text}
	var n int64
	var at int64
	err := l.decode(0, func(b byte, width int) bool {
		if n%latin1Step == 0 {
			l.marks = append(l.marks, at)
		}
		n++
		at += int64(width)
		return true
	})
	return &blob{storage: storage{l, 0, n}}, err
}

// latin1Windows are buffers to read text with.
var latin1Windows = sync.Pool{New: func() any { return new([windowBytes]byte) }}

// decode hands out the bytes of the text from place at on, until it ends or each returns false.
func (l *latin1) decode(at int64, each func(b byte, width int) bool) error {
	window := latin1Windows.Get().(*[windowBytes]byte)
	defer latin1Windows.Put(window)
	for at < l.text.size {
		p := window[:min(windowBytes, l.text.size-at)]
		if err := l.text.read(p, at); err != nil {
			return err
		}
		whole := at+int64(len(p)) == l.text.size
		for len(p) > 0 && (whole || utf8.FullRune(p)) {
			c, width := utf8.DecodeRune(p)
			if c > 0xff { // as is what DecodeRune gives for bytes that are no UTF-8
				return fmt.Errorf("byte %d of the text is no character of latin1", at)
			}
			if !each(byte(c), width) {
				return nil
			}
			p = p[width:]
			at += int64(width)
		}
	}
	return nil
}

// ReadAt is io.ReaderAt over the bytes; the caller stays inside them.
func (l *latin1) ReadAt(p []byte, at int64) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	skip, n := at%latin1Step, 0
	err := l.decode(l.marks[at/latin1Step], func(b byte, _ int) bool {
		if skip > 0 {
			skip--
			return true
		}
		p[n] = b
		n++
		return n < len(p)
	})
	return n, err
}
