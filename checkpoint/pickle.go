package checkpoint

import (
	"errors"
	"fmt"
	"math/big"
)

// The bounds of a pickle. A tensor of torch.save takes about 40 operations, so the first allows
// some 50000 tensors, with what an optimizer keeps for each.
const (
	maxOps   = 1 << 21
	maxStack = 1 << 18
	maxMarks = 1 << 12
	maxMemo  = 1 << 20
	maxShort = 4 << 10  // a longer string is not kept but remembered by its place
	maxText  = 64 << 20 // all strings that are kept, in bytes
)

// The values of a pickle are nil, bool, int64, float64, string and these. Lists and dicts may
// contain themselves: nothing here prints or walks a value without a bound.
type (
	tuple []any

	list struct{ items []any }

	// dict keeps what stands under text; keys of other types name no tensors.
	dict struct {
		keys   []string // in order
		values map[string]any
	}

	// blob is bytes in the file, or a string of Python 2, which may be either bytes or text.
	blob struct {
		storage
		fromPython2 bool
	}

	// longText is a string that is not kept: UTF-8 in the file.
	longText struct {
		storage
		latin1 *blob // once it was encoded
	}

	// function is a callable of the allow-list.
	function struct {
		name string
		call func(m *machine, args tuple) (any, error)
	}
)

// A machine interprets one pickle: the opcodes of protocols 0 to 5, of which those that reach
// arbitrary classes are refused. What a pickle calls is looked up in an allow-list.
type machine struct {
	in    *scanner
	stack []any
	marks []int // heights of the stack
	memo  map[int64]any
	ops   int // operations, or what takes as long as one
	text  int // bytes of the strings kept
	// persistent resolves the references of torch.save to storages; nil where there are none.
	persistent func(id any) (any, error)
}

// run interprets the pickle at the scanner's position up to its end and returns its value.
func (m *machine) run() (any, error) {
	m.memo = map[int64]any{}
	for ; m.ops < maxOps; m.ops++ {
		at := m.in.pos
		p, err := m.in.take(1)
		if err != nil {
			return nil, fmt.Errorf("pickle: %w", err)
		}
		op := p[0]
		if op == '.' {
			v, err := m.pop()
			return v, place(at, op, err)
		}
		if opcodes[op] == nil {
			return nil, place(at, op, errors.New("this operation is not part of any pickle of weights; the file may be damaged or no pickle"))
		}
		if err := opcodes[op](m); err != nil {
			return nil, place(at, op, err)
		}
	}
	return nil, fmt.Errorf("pickle: more than %d operations; save the weights without other data", maxOps)
}

func place(at int64, op byte, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("pickle: operation %#02x at byte %d: %w", op, at, err)
}

func (m *machine) push(v any) error {
	if len(m.stack) == maxStack {
		return fmt.Errorf("more than %d values on the stack", maxStack)
	}
	m.stack = append(m.stack, v)
	return nil
}

// floor is where the values after the last mark begin.
func (m *machine) floor() int {
	if len(m.marks) == 0 {
		return 0
	}
	return m.marks[len(m.marks)-1]
}

func (m *machine) top() (any, error) {
	if len(m.stack) <= m.floor() {
		return nil, errors.New("the stack is empty")
	}
	return m.stack[len(m.stack)-1], nil
}

func (m *machine) pop() (any, error) {
	v, err := m.top()
	if err == nil {
		m.stack = m.stack[:len(m.stack)-1]
	}
	return v, err
}

// popN takes the last n values, in their order.
func (m *machine) popN(n int) (tuple, error) {
	from := len(m.stack) - n
	if from < m.floor() {
		return nil, errors.New("the stack is empty")
	}
	items := append(tuple{}, m.stack[from:]...)
	m.stack = m.stack[:from]
	return items, nil
}

// popMark takes the values after the last mark, and the mark.
func (m *machine) popMark() (tuple, error) {
	if len(m.marks) == 0 {
		return nil, errors.New("there is no mark")
	}
	items, err := m.popN(len(m.stack) - m.floor())
	m.marks = m.marks[:len(m.marks)-1]
	return items, err
}

// keep counts a string against the bound of all.
func (m *machine) keep(s string) (string, error) {
	if m.text += len(s); m.text > maxText {
		return "", fmt.Errorf("more than %d bytes of strings", maxText)
	}
	return s, nil
}

// textOf gives a short string as text.
func (m *machine) textOf(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case *blob:
		if !v.fromPython2 || v.size > maxShort {
			return "", false
		}
		p := make([]byte, v.size)
		if err := v.read(p, 0); err != nil {
			return "", false
		}
		s, err := m.keep(string(p))
		return s, err == nil
	}
	return "", false
}

// set puts a value into a dict.
func (m *machine) set(d *dict, key, value any) error {
	name, ok := m.textOf(key)
	if !ok {
		if _, long := key.(*longText); long {
			return fmt.Errorf("a key is longer than %d bytes", maxShort)
		}
		return nil
	}
	if _, ok := d.values[name]; ok {
		return fmt.Errorf("key %q appears twice", name)
	}
	if d.values == nil {
		d.values = map[string]any{}
	}
	d.keys = append(d.keys, name)
	d.values[name] = value
	return nil
}

// kindName says what a value is, for messages.
func kindName(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool, int64, float64, *big.Int:
		return fmt.Sprintf("the number %v", v)
	case string, *longText:
		return "a string"
	case *blob:
		return "bytes"
	case tuple:
		return "a tuple"
	case *list:
		return "a list"
	case *dict:
		return "a dict"
	case *view:
		return "a tensor"
	case function:
		return v.name
	}
	return "an object"
}
