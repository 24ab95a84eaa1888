package checkpoint

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	"flamingo/tensor"
)

const (
	arraySuffix    = ".npy"
	maxArrayHeader = 64 << 10
)

// readArrays reads the archive of numpy.savez: each member is an array called as the member.
func readArrays(a *archive) ([]named, error) {
	cache := &inflated{}
	var list []named
	var used []span
	for _, name := range a.names {
		if !strings.HasSuffix(name, arraySuffix) {
			continue
		}
		f, err := a.find(name)
		if err != nil {
			return nil, err
		}
		var data *storage
		if f.Method == zip.Store {
			if data, err = a.stored(name); err != nil {
				return nil, err
			}
			used = append(used, span{data.from, data.from + data.size, name})
		} else {
			if f.UncompressedSize64 > maxArray {
				return nil, fmt.Errorf("%s: got %d bytes, compressed, want at most %d; use numpy.savez", name, f.UncompressedSize64, maxArray)
			}
			data = &storage{inflatedMember{cache, f}, 0, int64(f.UncompressedSize64)}
		}
		v, err := readArray(f, data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if v.dtype != "" {
			list = append(list, named{name: strings.TrimSuffix(name, arraySuffix), view: v})
		}
	}
	return list, disjoint(used)
}

// readArray reads the header of a .npy, which is data. It reads no more of a compressed one.
func readArray(f *zip.File, data *storage) (*view, error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var start [12]byte
	if _, err := io.ReadFull(r, start[:10]); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	if string(start[:6]) != "\x93NUMPY" {
		return nil, fmt.Errorf("header: got %q, want that of a .npy", start[:6])
	}
	n, from := int64(binary.LittleEndian.Uint16(start[8:])), int64(10)
	switch start[6] {
	case 1:
	case 2, 3:
		if _, err := io.ReadFull(r, start[10:]); err != nil {
			return nil, fmt.Errorf("header: %w", err)
		}
		n, from = int64(binary.LittleEndian.Uint32(start[8:])), 12
	default:
		return nil, fmt.Errorf("version: got %d, want 1, 2 or 3", start[6])
	}
	if n > maxArrayHeader || n > data.size-from {
		return nil, fmt.Errorf("header: got %d bytes, want at most %d", n, min(maxArrayHeader, max(data.size-from, 0)))
	}
	header := make([]byte, n)
	if _, err := io.ReadFull(r, header); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	h, err := parseArrayHeader(string(header))
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	body := storage{data.r, data.from + from + n, data.size - from - n}
	return parseNumPyType(h.descr).array(h.shape, h.fortran, body), nil
}

// An arrayHeader is the dict at the start of a .npy.
type arrayHeader struct {
	descr   string // empty for arrays of records
	fortran bool
	shape   tensor.Shape
}

// parseArrayHeader reads the Python dict {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}.
func parseArrayHeader(s string) (h arrayHeader, err error) {
	l := literal{strings.TrimSpace(s)}
	seen := map[string]bool{}
	if err := l.expect("{"); err != nil {
		return h, err
	}
	for !l.accept("}") {
		key, err := l.quoted()
		if err == nil && seen[key] {
			err = fmt.Errorf("%q appears twice", key)
		}
		if err == nil {
			err = l.expect(":")
		}
		if err != nil {
			return h, err
		}
		seen[key] = true
		switch key {
		case "descr":
			h.descr, err = l.descr()
		case "fortran_order":
			h.fortran = l.accept("True")
			if !h.fortran {
				err = l.expect("False")
			}
		case "shape":
			h.shape, err = l.integers()
		default:
			err = fmt.Errorf("%q is not known", key)
		}
		if err != nil {
			return h, fmt.Errorf("%s: %w", key, err)
		}
		if !l.accept(",") && !strings.HasPrefix(l.rest, "}") {
			return h, fmt.Errorf("got %.20q, want , or }", l.rest)
		}
	}
	if l.rest != "" || len(seen) != 3 {
		return h, errors.New("want descr, fortran_order and shape, and nothing more")
	}
	return h, nil
}

// A literal is what is left to parse of a Python literal; spaces are skipped.
type literal struct{ rest string }

func (l *literal) accept(token string) bool {
	rest, ok := strings.CutPrefix(l.rest, token)
	if ok {
		l.rest = strings.TrimLeft(rest, " \n")
	}
	return ok
}

func (l *literal) expect(token string) error {
	if !l.accept(token) {
		return fmt.Errorf("got %.20q, want %s", l.rest, token)
	}
	return nil
}

func (l *literal) quoted() (string, error) {
	if l.rest == "" || (l.rest[0] != '\'' && l.rest[0] != '"') {
		return "", fmt.Errorf("got %.20q, want a string", l.rest)
	}
	s, rest, ok := strings.Cut(l.rest[1:], l.rest[:1])
	if !ok {
		return "", errors.New("a string does not end")
	}
	l.rest = rest
	l.accept("")
	return s, nil
}

// descr reads the code of a type. The list that describes records is passed over.
func (l *literal) descr() (string, error) {
	if !strings.HasPrefix(l.rest, "[") {
		return l.quoted()
	}
	end := strings.LastIndex(l.rest, "]")
	if end < 0 {
		return "", errors.New("a list does not end")
	}
	l.rest = l.rest[end+1:]
	l.accept("")
	return "", nil
}

// integers reads a tuple such as (), (3,) or (2, 3).
func (l *literal) integers() (tensor.Shape, error) {
	out := tensor.Shape{}
	err := l.expect("(")
	for err == nil && !l.accept(")") {
		digits := len(l.rest) - len(strings.TrimLeft(l.rest, "0123456789"))
		var n int
		if n, err = strconv.Atoi(l.rest[:digits]); err != nil {
			break
		}
		out = append(out, n)
		l.rest = strings.TrimPrefix(l.rest[digits:], "L") // of Python 2
		if l.accept(""); !l.accept(",") && !strings.HasPrefix(l.rest, ")") {
			err = fmt.Errorf("got %.20q, want , or )", l.rest)
		}
	}
	return out, err
}

// inflated is the compressed member that was read last.
type inflated struct {
	mu   sync.Mutex
	of   *zip.File
	data *bytes.Reader
}

// An inflatedMember reads a compressed member as if it were not.
type inflatedMember struct {
	cache *inflated
	file  *zip.File
}

func (m inflatedMember) ReadAt(p []byte, at int64) (int, error) {
	c := m.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of != m.file {
		data, err := inflate(m.file, maxArray)
		if err != nil {
			return 0, err
		}
		c.of, c.data = m.file, bytes.NewReader(data)
	}
	return c.data.ReadAt(p, at)
}
