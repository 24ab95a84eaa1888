package checkpoint

import "fmt"

const (
	maxDepth   = 64       // of dicts and modules in each other
	maxName    = 4 << 10  // bytes of a tensor's name
	maxVisited = 1 << 20  // dicts may be shared, so their number does not bound what they spell out
	maxNames   = 64 << 20 // bytes of all names
)

// stateDicts are where the file of a training run keeps its model, beside what else it needs.
var stateDicts = []string{"model_state_dict", "state_dict", "model"}

// modelOf gives the part of a torch file that holds the model.
func modelOf(v any) any {
	d, ok := v.(*dict)
	if !ok {
		return v
	}
	for _, key := range stateDicts {
		if inner, ok := d.values[key].(*dict); ok && holdsTensors(inner) {
			return inner
		}
	}
	return v
}

// holdsTensors tells a state_dict from a dict of other things.
func holdsTensors(d *dict) bool {
	for _, v := range d.values {
		if t, ok := v.(*view); ok && t.dtype != "" {
			return true
		}
	}
	return false
}

// A flattener collects the tensors below a value under the joined keys that lead to them.
type flattener struct {
	separator string
	list      []named
	visited   int
	bytes     int
}

// flatten lists the tensors below the value of a pickle.
func flatten(v any, separator string) ([]named, error) {
	switch v.(type) {
	case *dict, *record:
	default:
		return nil, fmt.Errorf("the pickle holds %s, want a dict of tensors; save the state_dict", kindName(v))
	}
	f := flattener{separator: separator}
	err := f.walk("", v, 0)
	return f.list, err
}

func (f *flattener) walk(name string, v any, depth int) error {
	if f.visited++; f.visited > maxVisited {
		return fmt.Errorf("more than %d values in dicts; save the model's weights alone", maxVisited)
	}
	if depth > maxDepth {
		return fmt.Errorf("%.100q…: more than %d dicts in each other", name, maxDepth)
	}
	switch v := v.(type) {
	case *view:
		if v.dtype == "" {
			return nil // an array of text, objects or another type that weights do not have
		}
		f.list = append(f.list, named{name: name, view: v})
	case *record:
		if v.attributes != nil {
			return f.walk(name, v.attributes, depth)
		}
	case *dict:
		return f.walkDict(name, v, depth)
	}
	return nil // a number, a string, None, a list: nothing that has a name of its own
}

func (f *flattener) walkDict(name string, d *dict, depth int) error {
	_, state := d.values["state"]
	if _, groups := d.values["param_groups"]; groups && state {
		return nil // an optimizer's moments
	}
	for _, key := range d.keys {
		path := key
		if depth > 0 {
			path = name + f.separator + key
		}
		if f.bytes += len(path); len(path) > maxName || f.bytes > maxNames {
			return fmt.Errorf("%.100q…: names are longer than %d bytes, or than %d together", path, maxName, maxNames)
		}
		if err := f.walk(path, d.values[key], depth+1); err != nil {
			return err
		}
	}
	return nil
}
