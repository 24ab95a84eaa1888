package checkpoint

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// opcodes are what a pickle may do. Those that are missing or refused make objects of any class,
// use a registry of the process that wrote the pickle, or take buffers from beside the file.
var opcodes = [256]func(m *machine) error{
	'(':  (*machine).mark,
	'0':  (*machine).discard,
	'1':  marked(func(*machine, tuple) error { return nil }),
	'2':  (*machine).duplicate,
	'N':  func(m *machine) error { return m.push(nil) },
	0x88: func(m *machine) error { return m.push(true) },
	0x89: func(m *machine) error { return m.push(false) },
	'K':  number(1, func(p []byte) any { return int64(p[0]) }),
	'M':  number(2, func(p []byte) any { return int64(binary.LittleEndian.Uint16(p)) }),
	'J':  number(4, func(p []byte) any { return int64(int32(binary.LittleEndian.Uint32(p))) }),
	'G':  number(8, func(p []byte) any { return math.Float64frombits(binary.BigEndian.Uint64(p)) }),
	'I':  line(func(m *machine, s string) error { return m.pushParsed(parseInt(s)) }),
	'L':  line(func(m *machine, s string) error { return m.pushParsed(parseLong(strings.TrimSuffix(s, "L"))) }),
	'F':  line(func(m *machine, s string) error { return m.pushParsed(strconv.ParseFloat(s, 64)) }),
	0x8a: sized(1, (*machine).long),
	0x8b: sized(4, (*machine).long),

	'X':  sized(4, (*machine).unicode),
	0x8c: sized(1, (*machine).unicode),
	0x8d: sized(8, (*machine).unicode),
	'B':  sized(4, (*machine).bytes),
	'C':  sized(1, (*machine).bytes),
	0x8e: sized(8, (*machine).bytes),
	0x96: sized(8, (*machine).bytes), // a bytearray
	'T':  sized(4, (*machine).bytesOfPython2),
	'U':  sized(1, (*machine).bytesOfPython2),
	'S':  line((*machine).quoted),
	'V':  line((*machine).unicodeLine),

	')':  func(m *machine) error { return m.push(tuple{}) },
	0x85: last(1, func(m *machine, items tuple) error { return m.push(items) }),
	0x86: last(2, func(m *machine, items tuple) error { return m.push(items) }),
	0x87: last(3, func(m *machine, items tuple) error { return m.push(items) }),
	't':  marked(func(m *machine, items tuple) error { return m.push(items) }),
	']':  func(m *machine) error { return m.push(&list{}) },
	0x8f: func(m *machine) error { return m.push(&list{}) }, // a set
	'l':  marked(func(m *machine, items tuple) error { return m.push(&list{items}) }),
	0x91: marked(func(m *machine, items tuple) error { return m.push(&list{items}) }), // a frozenset
	'a':  last(1, (*machine).extend),
	'e':  marked((*machine).extend),
	0x90: marked((*machine).extend),
	'}':  func(m *machine) error { return m.push(&dict{}) },
	'd':  marked((*machine).dictOf),
	's':  last(2, (*machine).setItems),
	'u':  marked((*machine).setItems),

	'p':  line(func(m *machine, s string) error { return numbered(s, m.put) }),
	'q':  sized(1, func(m *machine, n uint64) error { return m.put(int64(n)) }),
	'r':  sized(4, func(m *machine, n uint64) error { return m.put(int64(n)) }),
	0x94: func(m *machine) error { return m.put(int64(len(m.memo))) },
	'g':  line(func(m *machine, s string) error { return numbered(s, m.get) }),
	'h':  sized(1, func(m *machine, n uint64) error { return m.get(int64(n)) }),
	'j':  sized(4, func(m *machine, n uint64) error { return m.get(int64(n)) }),

	0x80: sized(1, (*machine).protocol),
	0x95: sized(8, (*machine).frame),
	'c':  line((*machine).global),
	0x93: last(2, (*machine).stackGlobal),
	'R':  last(2, (*machine).reduce),
	0x81: last(2, (*machine).reduce), // cls.__new__(cls, *args)
	'b':  last(1, (*machine).build),
	'Q':  last(1, (*machine).persistentID),

	'i':  refuse("makes an object of any class"),
	'o':  refuse("makes an object of any class"),
	0x92: refuse("makes an object of any class"),
	0x82: refuse("calls an extension that its writer had registered"),
	0x83: refuse("calls an extension that its writer had registered"),
	0x84: refuse("calls an extension that its writer had registered"),
	0x97: refuse("takes a buffer from beside the file"),
	0x98: refuse("takes a buffer from beside the file"),
	'P':  refuse("refers to what only its writer knows"),
}

// The next functions give operations their operands: what follows them in the file, or what they
// take from the stack.

func number(n int, value func(p []byte) any) func(*machine) error {
	return func(m *machine) error {
		p, err := m.in.take(n)
		if err != nil {
			return err
		}
		return m.push(value(p))
	}
}

// sized reads an unsigned number of n bytes.
func sized(n int, do func(m *machine, v uint64) error) func(*machine) error {
	return func(m *machine) error {
		p, err := m.in.take(n)
		if err != nil {
			return err
		}
		var v [8]byte
		copy(v[:], p)
		return do(m, binary.LittleEndian.Uint64(v[:]))
	}
}

func line(do func(m *machine, s string) error) func(*machine) error {
	return func(m *machine) error {
		s, err := m.in.line()
		if err != nil {
			return err
		}
		return do(m, s)
	}
}

func last(n int, do func(m *machine, items tuple) error) func(*machine) error {
	return func(m *machine) error {
		items, err := m.popN(n)
		if err != nil {
			return err
		}
		return do(m, items)
	}
}

func marked(do func(m *machine, items tuple) error) func(*machine) error {
	return func(m *machine) error {
		items, err := m.popMark()
		if err != nil {
			return err
		}
		return do(m, items)
	}
}

func refuse(what string) func(*machine) error {
	return func(*machine) error {
		return fmt.Errorf("it %s, which is refused; nothing was executed", what)
	}
}

func numbered(s string, do func(n int64) error) error {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return fmt.Errorf("memo number: got %.40q, want at least 0", s)
	}
	return do(n)
}

func (m *machine) mark() error {
	if len(m.marks) == maxMarks {
		return fmt.Errorf("more than %d marks", maxMarks)
	}
	m.marks = append(m.marks, len(m.stack))
	return nil
}

func (m *machine) discard() error {
	if len(m.marks) > 0 && m.floor() == len(m.stack) {
		m.marks = m.marks[:len(m.marks)-1]
		return nil
	}
	_, err := m.pop()
	return err
}

func (m *machine) duplicate() error {
	v, err := m.top()
	if err != nil {
		return err
	}
	return m.push(v)
}

func (m *machine) put(n int64) error {
	v, err := m.top()
	if err != nil {
		return err
	}
	if _, ok := m.memo[n]; !ok && len(m.memo) == maxMemo {
		return fmt.Errorf("more than %d values in the memo", maxMemo)
	}
	m.memo[n] = v
	return nil
}

func (m *machine) get(n int64) error {
	v, ok := m.memo[n]
	if !ok {
		return fmt.Errorf("the memo has no number %d", n)
	}
	return m.push(v)
}

func (m *machine) extend(items tuple) error {
	v, err := m.top()
	if err != nil {
		return err
	}
	to, ok := v.(*list)
	if !ok {
		return fmt.Errorf("got %s, want a list to append to", kindName(v))
	}
	to.items = append(to.items, items...)
	return nil
}

func (m *machine) dictOf(items tuple) error {
	if err := m.push(&dict{}); err != nil {
		return err
	}
	return m.setItems(items)
}

// setItems puts keys and values, in turn, into the dict on the stack.
func (m *machine) setItems(items tuple) error {
	v, err := m.top()
	if err != nil {
		return err
	}
	d, ok := v.(*dict)
	if !ok || len(items)%2 != 0 {
		return fmt.Errorf("got %s and %d keys and values, want a dict and pairs", kindName(v), len(items))
	}
	for i := 0; i < len(items); i += 2 {
		if err := m.set(d, items[i], items[i+1]); err != nil {
			return err
		}
	}
	return nil
}

func (m *machine) protocol(n uint64) error {
	if n > 5 {
		return fmt.Errorf("protocol: got %d, want at most 5", n)
	}
	return nil
}

// frame ignores where a frame ends, beyond that it does: it matters to buffered readers only.
func (m *machine) frame(n uint64) error {
	if n > uint64(m.in.size-m.in.pos) {
		return m.in.tooShort(n)
	}
	return nil
}

func (m *machine) persistentID(items tuple) error {
	if m.persistent == nil {
		return errors.New("got a reference to a storage outside this pickle, want arrays inside it; the file may be damaged")
	}
	v, err := m.persistent(items[0])
	if err != nil {
		return err
	}
	return m.push(v)
}
