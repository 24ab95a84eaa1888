package model

import (
	"errors"
	"fmt"
	"sort"

	"flamingo/gpu"
	"flamingo/tensor"
)

// Kind says how a weight is used, which decides how it may be stored.
type Kind int

const (
	Matrix Kind = iota // rows are multiplied with activations: any weight format
	Vector             // norms, biases, gates, latents: f32
)

// An Entry is one tensor that a model is made of.
type Entry struct {
	Name  string
	Shape tensor.Shape
	Kind  Kind
}

// Weights hands named tensors to the constructors of layers. It collects every missing and
// mismatched one, so that a bad checkpoint is reported whole. Without data it only takes down what
// is asked for, which is a model's specification.
type Weights struct {
	prefix string
	*ledger
}

type ledger struct {
	tensors map[string]gpu.Tensor // nil when only the specification is wanted
	entries []Entry
	used    map[string]bool
	errs    []error
}

func newWeights(tensors map[string]gpu.Tensor) Weights {
	return Weights{"", &ledger{tensors: tensors, used: map[string]bool{}}}
}

// In enters a named part.
func (w Weights) In(format string, args ...any) Weights {
	w.prefix += fmt.Sprintf(format, args...) + "."
	return w
}

// Matrix is a weight [N, K], whose rows are multiplied with activations.
func (w Weights) Matrix(name string, n, k int) gpu.Tensor { return w.take(name, Matrix, n, k) }

// Vector is a small f32 weight of any shape.
func (w Weights) Vector(name string, shape ...int) gpu.Tensor { return w.take(name, Vector, shape...) }

func (w Weights) take(name string, kind Kind, shape ...int) gpu.Tensor {
	name = w.prefix + name
	w.entries = append(w.entries, Entry{name, shape, kind})
	if w.tensors == nil {
		return gpu.Tensor{}
	}
	w.used[name] = true
	t, ok := w.tensors[name]
	if !ok {
		w.errs = append(w.errs, fmt.Errorf("%s is missing, want %v", name, tensor.Shape(shape)))
		return gpu.Tensor{}
	}
	if err := (Entry{name, shape, kind}).check(t.Shape, t.DType); err != nil {
		w.errs = append(w.errs, err)
	}
	return t
}

func (e Entry) check(shape tensor.Shape, d tensor.DType) error {
	switch {
	case !shape.Equal(e.Shape):
		return fmt.Errorf("%s is %v, want %v", e.Name, shape, e.Shape)
	case e.Kind == Vector && d != tensor.F32:
		return fmt.Errorf("%s is stored as %v, want f32", e.Name, d)
	case d == tensor.I32:
		return fmt.Errorf("%s is stored as %v, want a weight format", e.Name, d)
	}
	return nil
}

// done reports all that went wrong, and tensors nobody asked for.
func (w Weights) done() error {
	for name := range w.tensors {
		if !w.used[name] {
			w.errs = append(w.errs, fmt.Errorf("%s is not part of this model", name))
		}
	}
	return weightErrors(w.errs)
}

// weightErrors joins errors, at most ten of them.
func weightErrors(errs []error) error {
	if len(errs) == 0 {
		return nil
	}
	sort.SliceStable(errs, func(i, j int) bool { return errs[i].Error() < errs[j].Error() })
	if more := len(errs) - 10; more > 0 {
		errs = append(errs[:10], fmt.Errorf("and %d more", more))
	}
	return fmt.Errorf("%w: %w", ErrWeights, errors.Join(errs...))
}

// Spec lists the tensors of a model in the order in which they are used.
func Spec(c Config) []Entry {
	w := newWeights(nil)
	newParts(w, c)
	return w.entries
}

// CheckSpec compares what a manifest declares with what the model needs, before anything is
// allocated or downloaded.
func CheckSpec(c Config, declared map[string]tensor.Shape, dtypes map[string]tensor.DType) error {
	var errs []error
	want := map[string]bool{}
	for _, e := range Spec(c) {
		want[e.Name] = true
		shape, ok := declared[e.Name]
		if !ok {
			errs = append(errs, fmt.Errorf("%s is missing, want %v", e.Name, e.Shape))
			continue
		}
		if err := e.check(shape, dtypes[e.Name]); err != nil {
			errs = append(errs, err)
		}
	}
	for name := range declared {
		if !want[name] {
			errs = append(errs, fmt.Errorf("%s is not part of this model", name))
		}
	}
	return weightErrors(errs)
}
