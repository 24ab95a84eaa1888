package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"flamingo/model"
)

// examples are shown to the model before a picture: those of the file first.
type examples struct {
	Shots string   `placeholder:"FILE" help:"Examples in JSON lines: {\"image\": path from the file's directory, \"text\": what is to be said}, without image for words alone, for ask with a \"question\"."`
	Shot  []string `sep:"none" placeholder:"IMAGE=TEXT" help:"An example: a picture and, behind the last =, what is to be said of it. May be repeated. =TEXT has no picture."`
}

// A shotLine is a line of --shots. Without an image it is words alone.
type shotLine struct {
	Image    string `json:"image"`
	Text     string `json:"text"`
	Question string `json:"question"`
}

// shotsFor reads the examples. One without a question is asked the given one; where that is "" there
// are none to be asked.
func (c *examples) shotsFor(p *program, question string) ([]model.Shot, error) {
	var shots []model.Shot
	add := func(where string, l shotLine) error {
		switch {
		case strings.TrimSpace(l.Text) == "":
			return fmt.Errorf("%w: %s has no text, want what is to be said", model.ErrOption, where)
		case l.Question != "" && question == "":
			return fmt.Errorf("%w: %s has a question, which only the command ask can put", model.ErrOption, where)
		case l.Question == "":
			l.Question = question
		}
		s := model.Shot{Question: l.Question, Text: l.Text}
		if l.Image != "" {
			x, err := p.example(l.Image)
			if err != nil {
				return fmt.Errorf("%s: %w", where, err)
			}
			s.Media = x
		}
		shots = append(shots, s)
		return nil
	}
	if c.Shots != "" {
		if err := eachShot(c.Shots, add); err != nil {
			return nil, err
		}
	}
	for _, s := range c.Shot {
		at := strings.LastIndex(s, "=")
		if at < 0 {
			return nil, fmt.Errorf("%w: --shot %s has no =, want IMAGE=TEXT", model.ErrOption, s)
		}
		if err := add("--shot "+s, shotLine{Image: s[:at], Text: s[at+1:]}); err != nil {
			return nil, err
		}
	}
	return shots, nil
}

// eachShot calls add with the lines of a file, their pictures' paths completed.
func eachShot(path string, add func(where string, l shotLine) error) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("%w: --shots: %w", model.ErrOption, err)
	}
	defer f.Close()
	in := bufio.NewReader(f)
	for n := 1; ; n++ {
		line, end := in.ReadBytes('\n')
		if end != nil && end != io.EOF {
			return fmt.Errorf("%w: --shots: %w", model.ErrOption, end)
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			where := fmt.Sprintf("%s, line %d,", path, n)
			var l shotLine
			d := json.NewDecoder(bytes.NewReader(line))
			d.DisallowUnknownFields()
			err := d.Decode(&l)
			if err == nil && d.More() {
				err = errors.New("something stands behind the object")
			}
			if err != nil {
				return fmt.Errorf("%w: %s wants an object with \"text\" and mostly \"image\": %w", model.ErrOption, where, err)
			}
			if l.Image != "" && !filepath.IsAbs(l.Image) {
				l.Image = filepath.Join(filepath.Dir(path), l.Image)
			}
			if err := add(where, l); err != nil {
				return err
			}
		}
		if end == io.EOF {
			return nil
		}
	}
}

// example is the picture of an example. Its pixels are read once now, for their key and for what may
// be wrong with them, and again when the model wants them: dozens of them may not fit in memory.
func (p *program) example(file string) (model.Media, error) {
	if file == standardInput {
		return model.Media{}, fmt.Errorf("%w: an example cannot come from standard input, want a file", model.ErrOption)
	}
	img, err := p.read(file)
	if err != nil {
		return model.Media{}, fmt.Errorf("%s: %w", file, err)
	}
	x := model.Picture(img)
	x.Frames = func(yield func(model.Image, error) bool) { yield(p.read(file)) }
	return x, nil
}
