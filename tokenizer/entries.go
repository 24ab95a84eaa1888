package tokenizer

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A vocabulary and its merges hold a hundred thousand strings; encoding/json takes a second for them in a browser.
// entries walks them directly. encoding/json has found the JSON well-formed before it asks an UnmarshalJSON.
type entries struct{ rest []byte }

// peek gives the next byte that is no white space, 0 at the end.
func (e *entries) peek() byte {
	for i, c := range e.rest {
		if c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			e.rest = e.rest[i:]
			return c
		}
	}
	return 0
}

// take passes over c if it is next.
func (e *entries) take(c byte) bool {
	if e.peek() != c {
		return false
	}
	e.rest = e.rest[1:]
	return true
}

// text takes a string if one is next.
func (e *entries) text() (s string, ok bool) {
	if e.peek() != '"' {
		return "", false
	}
	end := 1
	escaped := false
	for ; e.rest[end] != '"'; end++ {
		if e.rest[end] == '\\' {
			escaped = true
			end++
		}
	}
	literal := e.rest[:end+1]
	e.rest = e.rest[end+1:]
	if !escaped && utf8.Valid(literal) {
		return string(literal[1:end]), true
	}
	return s, json.Unmarshal(literal, &s) == nil
}

// value takes what stands before the next comma or closing bracket, to be read as a number.
func (e *entries) value() string {
	e.peek()
	end := 0
	for end < len(e.rest) && strings.IndexByte(",]} \n\t\r", e.rest[end]) < 0 {
		end++
	}
	s := string(e.rest[:end])
	e.rest = e.rest[end:]
	return s
}

// vocabJSON reads {"token": id, ...} and notices what a plain map would hide: a token given twice.
type vocabJSON map[string]int32

func (v *vocabJSON) UnmarshalJSON(raw []byte) error {
	e := &entries{raw}
	if !e.take('{') {
		return fmt.Errorf("vocab: got %.20q, want an object of token to id", raw)
	}
	*v = make(vocabJSON, min(len(raw)/16, maxIDs))
	for !e.take('}') {
		token, _ := e.text()
		e.take(':')
		value := e.value()
		e.take(',')
		id, err := strconv.ParseInt(value, 10, 32)
		if err != nil || id < 0 || id >= maxIDs {
			return fmt.Errorf("vocab: %.40q: got id %.20s, want a whole number from 0 to %d", token, value, maxIDs-1)
		}
		if len(token) > maxTokenBytes {
			return fmt.Errorf("vocab: id %d: got a token of %d bytes, want at most %d", id, len(token), maxTokenBytes)
		}
		if _, twice := (*v)[token]; twice {
			return fmt.Errorf("vocab: %q is given twice", token)
		}
		(*v)[token] = int32(id)
	}
	return nil
}

// mergesJSON reads both spellings of merges: "a b", and ["a", "b"] of newer files.
type mergesJSON [][2]string

func (m *mergesJSON) UnmarshalJSON(raw []byte) error {
	e := &entries{raw}
	if !e.take('[') {
		return fmt.Errorf("merges: got %.20q, want [\"a b\", ...] or [[\"a\", \"b\"], ...]", raw)
	}
	for i := 0; !e.take(']'); i++ {
		var two [2]string
		ok := false
		if line, isText := e.text(); isText {
			if strings.HasPrefix(line, "#version") {
				e.take(',')
				continue
			}
			two[0], two[1], ok = strings.Cut(line, " ")
			ok = ok && !strings.Contains(two[1], " ")
		} else if e.take('[') {
			var left, right bool
			two[0], left = e.text()
			comma := e.take(',')
			two[1], right = e.text()
			ok = left && comma && right && e.take(']')
		}
		if !ok {
			return fmt.Errorf("merges: entry %d: want two tokens, as \"a b\" or [\"a\", \"b\"]", i)
		}
		*m = append(*m, two)
		e.take(',')
	}
	return nil
}
