// Package shaders holds the WGSL kernels as files and specialises them by text: includes are
// resolved and compile-time facts are printed in front as typed consts. The two WebGPU
// implementations in use share no other way to specialise (no override, no preprocessor).
package shaders

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

//go:embed *.wgsl lib/*.wgsl
var files embed.FS

// A Line is where a line of expanded code comes from.
type Line struct {
	File string // "matmul.wgsl", or "consts" for the prelude
	N    int    // from 1
}

func (l Line) String() string { return fmt.Sprintf("shaders/%s:%d", l.File, l.N) }

// Names lists the kernels without their suffix .wgsl.
func Names() []string {
	list, _ := fs.Glob(files, "*.wgsl")
	for i, f := range list {
		list[i] = strings.TrimSuffix(f, ".wgsl")
	}
	return list
}

// Source expands kernel name. Consts of type int, uint32, float32 and bool become WGSL consts;
// strings replace $NAME in include lines. The second result maps line i+1 of the code to its file.
func Source(name string, consts map[string]any) (string, []Line, error) {
	e := expander{consts: consts, seen: map[string]bool{}}
	keys := make([]string, 0, len(consts))
	for k := range consts {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		text, err := declare(k, consts[k])
		if err != nil {
			return "", nil, fmt.Errorf("shaders: %s: %w", name, err)
		}
		if text != "" {
			e.emit(text, Line{"consts", len(e.lines) + 1})
		}
	}
	if err := e.file(name + ".wgsl"); err != nil {
		return "", nil, fmt.Errorf("shaders: %s: %w", name, err)
	}
	return e.head.String() + e.code.String(), append(e.headLines, e.lines...), nil
}

func declare(name string, value any) (string, error) {
	switch v := value.(type) {
	case int:
		if v < 0 {
			return "", fmt.Errorf("const %s is %d, want an unsigned number", name, v)
		}
		return fmt.Sprintf("const %s: u32 = %du;", name, v), nil
	case uint32:
		return fmt.Sprintf("const %s: u32 = %du;", name, v), nil
	case float32:
		return fmt.Sprintf("const %s: f32 = %s;", name, float(v)), nil
	case bool:
		return fmt.Sprintf("const %s: bool = %t;", name, v), nil
	case string:
		return "", nil
	}
	return "", fmt.Errorf("const %s has type %T, want int, uint32, float32, bool or string", name, value)
}

func float(v float32) string {
	s := strconv.FormatFloat(float64(v), 'e', -1, 32)
	if !strings.Contains(s, ".") {
		s = strings.Replace(s, "e", ".0e", 1)
	}
	return s
}

type expander struct {
	consts map[string]any
	code   strings.Builder
	lines  []Line
	// Enable directives go in front of the consts, where WGSL wants them.
	head      strings.Builder
	headLines []Line
	seen      map[string]bool
}

func (e *expander) emit(text string, from Line) {
	e.code.WriteString(text)
	e.code.WriteByte('\n')
	e.lines = append(e.lines, from)
}

const (
	include = "//! include "
	enable  = "enable "
)

func (e *expander) file(name string) error {
	if e.seen[name] {
		return nil
	}
	e.seen[name] = true
	text, err := files.ReadFile(name)
	if err != nil {
		return fmt.Errorf("no file %s", name)
	}
	for i, line := range strings.Split(strings.TrimRight(string(text), "\n"), "\n") {
		if strings.HasPrefix(line, enable) {
			e.head.WriteString(line + "\n")
			e.headLines = append(e.headLines, Line{name, i + 1})
			continue
		}
		path, ok := strings.CutPrefix(line, include)
		if !ok {
			e.emit(line, Line{name, i + 1})
			continue
		}
		if err := e.file(e.substitute(path)); err != nil {
			return fmt.Errorf("%v: %w", Line{name, i + 1}, err)
		}
	}
	return nil
}

// substitute replaces $NAME, which ends at a dot, by the string const of that name.
func (e *expander) substitute(path string) string {
	before, after, ok := strings.Cut(path, "$")
	if !ok {
		return path
	}
	name, tail, _ := strings.Cut(after, ".")
	value, _ := e.consts[name].(string)
	return before + value + "." + tail
}
