package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"flamingo/model"
)

// results are the files that answers go to, in place of standard output.
type results struct {
	JSONL     string `name:"jsonl" placeholder:"FILE" help:"Append one JSON object a picture to this file. Run again, pictures that it has are left out."`
	Sidecar   bool   `help:"Write each answer beside its picture, a.txt for a.png. Pictures that have one are left out."`
	Overwrite bool   `help:"With --sidecar: replace the texts that are there."`
}

// A sink keeps results.
type sink interface {
	has(file string) bool
	put(file string, x result) error
	close() error
}

// open opens the files of results for a task.
func (c *pictures) open(p *program, t task) (sinks []sink, err error) {
	switch {
	case c.Overwrite && !c.Sidecar:
		return nil, fmt.Errorf("%w: --overwrite is for --sidecar; remove the file of --jsonl to begin it anew", model.ErrOption)
	case c.Sidecar && c.Frames:
		return nil, fmt.Errorf("%w: --sidecar writes beside a picture, which the video of --frames is not; give --jsonl", model.ErrOption)
	case c.JSONL != "":
		lines, err := openLines(c.JSONL, t)
		if err != nil {
			return nil, err
		}
		sinks = append(sinks, lines)
	}
	if c.Sidecar {
		sinks = append(sinks, sidecars{c.Overwrite})
	}
	return sinks, nil
}

// left are the files that a sink has no result for, each once.
func (r *round) left(files []string) (left []string, err error) {
	seen, beside := map[string]bool{}, map[string]string{}
	for _, file := range files {
		name := filepath.Clean(file)
		if seen[name] {
			continue
		}
		seen[name] = true
		if r.Sidecar {
			text := sidecarOf(name)
			if other := beside[text]; other != "" || file == standardInput {
				return nil, fmt.Errorf("%w: --sidecar has no file of its own for %s (%s %s); give --jsonl", model.ErrOption, file, text, other)
			}
			beside[text] = file
		}
		for _, s := range r.sinks {
			if !s.has(file) {
				left = append(left, file)
				break
			}
		}
	}
	if done := len(seen) - len(left); done > 0 && r.liveErr {
		fmt.Fprintf(r.err, "flamingo: note: %d of %d pictures are done already\n", done, len(seen))
	}
	return left, nil
}

// lines is a file of JSON lines.
type lines struct {
	f    *os.File
	have map[string]bool
}

// openLines opens a file of JSON lines, takes down which pictures it has, and repairs its end.
func openLines(path string, t task) (*lines, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("%w: --jsonl: %w", model.ErrOption, err)
	}
	l := &lines{f, map[string]bool{}}
	if err := l.read(t); err != nil {
		f.Close()
		return nil, fmt.Errorf("--jsonl: %s: %w", path, err)
	}
	return l, nil
}

func (l *lines) read(t task) error {
	in, whole := bufio.NewReader(l.f), int64(0)
	for n := 1; ; n++ {
		line, err := in.ReadBytes('\n')
		if err == io.EOF {
			return l.repair(line, whole, t)
		}
		if err != nil {
			return err
		}
		if whole += int64(len(line)); len(bytes.TrimSpace(line)) > 0 && !l.note(line, t) {
			return fmt.Errorf("%w: line %d is no object with \"file\" and %q; this command did not write the file, give another one", model.ErrOption, n, t.field)
		}
	}
}

// note takes down whose answer a line has, and reports whether it has one to this task.
func (l *lines) note(line []byte, t task) bool {
	var fields map[string]json.RawMessage
	var file, question string
	if json.Unmarshal(line, &fields) != nil || json.Unmarshal(fields["file"], &file) != nil || fields[t.field] == nil {
		return false
	}
	if fields["question"] != nil && json.Unmarshal(fields["question"], &question) != nil {
		return false
	}
	// Another question makes another answer.
	if question == t.question {
		l.have[filepath.Clean(file)] = true
	}
	return true
}

// repair sees to what stands behind the last whole line, which an interruption may have torn.
func (l *lines) repair(rest []byte, whole int64, t task) error {
	switch begins := []byte(`{"file":`); {
	case len(rest) == 0:
		return nil
	case l.note(rest, t):
		_, err := l.f.WriteString("\n")
		return err
	case !bytes.HasPrefix(rest, begins[:min(len(begins), len(rest))]):
		return fmt.Errorf("%w: its last line has no end and is no beginning of a result; give another file", model.ErrOption)
	}
	return l.f.Truncate(whole)
}

// has is never true of standard input, which is another picture each time.
func (l *lines) has(file string) bool { return file != standardInput && l.have[filepath.Clean(file)] }

func (l *lines) put(file string, x result) error {
	if l.has(file) {
		return nil
	}
	line, err := encode(x.object)
	if err != nil {
		return err
	}
	l.have[filepath.Clean(file)] = true
	_, err = l.f.Write(line)
	return err
}

func (l *lines) close() error { return l.f.Close() }

// sidecars are texts beside pictures.
type sidecars struct{ overwrite bool }

func sidecarOf(file string) string { return strings.TrimSuffix(file, filepath.Ext(file)) + ".txt" }

func (s sidecars) has(file string) bool {
	_, err := os.Lstat(sidecarOf(file))
	return !s.overwrite && !errors.Is(err, fs.ErrNotExist)
}

// put writes a text whole or not at all.
func (s sidecars) put(file string, x result) error {
	if s.has(file) {
		return nil
	}
	name := sidecarOf(file)
	part := filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+".part")
	err := os.WriteFile(part, []byte(strings.Join(x.lines, "\n")+"\n"), 0o666)
	if err == nil {
		err = os.Rename(part, name)
	}
	if err != nil {
		os.Remove(part)
	}
	return err
}

func (sidecars) close() error { return nil }
