package convert

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"flamingo/checkpoint"
	"flamingo/tensor"
)

// tensors are those of a file, under the names that rules know them by.
type tensors interface {
	Path() string
	Entries() []checkpoint.Entry
	Find(name string) (checkpoint.Entry, bool)
	// Floats reads elements from … to-1.
	Floats(name string, from, to int) ([]float32, error)
}

// A part is one file of a checkpoint while rules are made of it. It takes down every tensor that a
// rule asks for, and everything that is wrong with one, so that a bad checkpoint is reported whole.
// Without a file it only takes down: what a file would have to hold.
type part struct {
	prefix string
	*ledger
}

type ledger struct {
	file  tensors // nil when there is none
	wants []want
	errs  []error
}

// A want is a tensor that a file has to hold.
type want struct {
	name  string
	shape tensor.Shape
}

func newPart(file tensors) part { return part{"", &ledger{file: file}} }

// in enters names that begin with a prefix.
func (p part) in(format string, args ...any) part {
	p.prefix += fmt.Sprintf(format, args...)
	return p
}

// locate enters the first of some prefixes behind which there is a tensor of that name.
func (p part) locate(name string, prefixes ...string) (part, error) {
	if p.file == nil {
		return p.in("%s", prefixes[0]), nil
	}
	for _, prefix := range prefixes {
		if _, ok := p.file.Find(p.prefix + prefix + name); ok {
			return p.in("%s", prefix), nil
		}
	}
	return p, fmt.Errorf("%w: %s: %s%s is missing%s", ErrCheckpoint, p.file.Path(), p.prefix+prefixes[0], name, p.sample())
}

// sample names some tensors of the file, for messages about the wrong kind of file.
func (p part) sample() string {
	var names []string
	for _, e := range p.file.Entries() {
		if names = append(names, e.Name); len(names) == 3 {
			break
		}
	}
	if len(names) == 0 {
		return "; the file holds no tensor"
	}
	return "; the file holds " + strings.Join(names, ", ") + " and so on"
}

// has reports whether the file has a tensor.
func (p part) has(name string) bool {
	_, ok := p.shape(name)
	return ok
}

// shape is that of a tensor of the file.
func (p part) shape(name string) (tensor.Shape, bool) {
	if p.file == nil {
		return nil, false
	}
	e, ok := p.file.Find(p.prefix + name)
	return e.Shape, ok
}

// dim is the extent of an axis of a tensor that must have so many axes.
func (p part) dim(name string, axes, axis int) (int, error) {
	s, ok := p.shape(name)
	if !ok {
		return 0, fmt.Errorf("%w: %s: %s is missing%s", ErrCheckpoint, p.file.Path(), p.prefix+name, p.sample())
	}
	if len(s) != axes {
		return 0, fmt.Errorf("%w: %s: %s is %v, want %d axes", ErrCheckpoint, p.file.Path(), p.prefix+name, s, axes)
	}
	return s[axis], nil
}

// count is how many parts with numbers from 0 on have a tensor; name has a %d.
func (p part) count(name string) int {
	n := 0
	for p.has(fmt.Sprintf(name, n)) {
		n++
	}
	return n
}

// tensor is one of the file's, which must have the given shape. A scalar may have an axis or none.
func (p part) tensor(name string, shape ...int) values {
	name = p.prefix + name
	p.wants = append(p.wants, want{name, shape})
	v := values{len: tensor.Shape(shape).Len()}
	if p.file == nil {
		return v
	}
	e, ok := p.file.Find(name)
	switch {
	case !ok:
		p.errs = append(p.errs, fmt.Errorf("%s is missing, want %v", name, tensor.Shape(shape)))
	case !e.Shape.Equal(shape) && !(v.len == 1 && e.Shape.Len() == 1 && len(e.Shape) <= 1):
		p.errs = append(p.errs, fmt.Errorf("%s is %v, want %v", name, e.Shape, tensor.Shape(shape)))
	}
	v.read = func(from, to int) ([]float32, error) {
		x, err := p.file.Floats(name, from, to)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrCheckpoint, err)
		}
		for i, f := range x {
			if f-f != 0 { // as is that of ±∞ and NaN alone
				return nil, fmt.Errorf("%w: %s: %s: value %d is %g, want finite weights; download the file again", ErrCheckpoint, p.file.Path(), name, from+i, f)
			}
		}
		return x, nil
	}
	return v
}

// done reports all that went wrong, and tensors that no rule asked for unless they may be ignored.
func (p part) done(ignore func(name string) bool) error {
	if p.file == nil {
		return nil
	}
	wanted := map[string]bool{}
	for _, w := range p.wants {
		wanted[w.name] = true
	}
	errs := slices.Clone(p.errs)
	for _, e := range p.file.Entries() {
		if !wanted[e.Name] && !ignore(e.Name) {
			errs = append(errs, fmt.Errorf("%s is not part of this model", e.Name))
		}
	}
	if len(errs) == 0 {
		return nil
	}
	if more := len(errs) - 10; more > 0 {
		errs = append(errs[:10], fmt.Errorf("and %d more", more))
	}
	return fmt.Errorf("%w: %s: %w", ErrCheckpoint, p.file.Path(), errors.Join(errs...))
}

// nothing is to be ignored.
func nothing(string) bool { return false }

// among reports names that hold one of some texts.
func among(texts ...string) func(name string) bool {
	return func(name string) bool {
		return slices.ContainsFunc(texts, func(t string) bool { return strings.Contains(name, t) })
	}
}
