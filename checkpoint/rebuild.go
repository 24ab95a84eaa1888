package checkpoint

import (
	"errors"
	"fmt"
	"slices"
)

// A torchStorage is what a persistent id of torch.save stands for. The bytes of the older format
// are found only after the pickle, hence the pointer.
type torchStorage struct {
	dtype  string // empty when untyped
	data   *storage
	offset int // of a part of a storage, in elements
	numel  int
}

// A storageID is the tuple by which torch.save refers to a storage.
type storageID struct {
	dtype string
	key   string
	numel int
	part  any // of the older format: None, or a tuple of key, offset and length
}

// parseStorageID reads ("storage", class, key, device, elements) and, in the older format, part.
func (m *machine) parseStorageID(v any) (storageID, error) {
	fail := func(format string, args ...any) (storageID, error) {
		return storageID{}, fmt.Errorf("reference to a storage: "+format, args...)
	}
	t, ok := v.(tuple)
	if !ok || len(t) < 5 || len(t) > 6 {
		return fail("got %s, want a tuple of 5 or 6", kindName(v))
	}
	if what, _ := m.textOf(t[0]); what != "storage" {
		return fail("got %.40q, want \"storage\"; a pickled module holds code, save its state_dict", what)
	}
	class, ok := t[1].(storageType)
	if !ok {
		return fail("got %s, want a class of storages", kindName(t[1]))
	}
	key, ok := m.textOf(t[2])
	if !ok {
		return fail("got %s, want the key of the storage", kindName(t[2]))
	}
	numel, ok := t[4].(int64)
	if !ok || numel < 0 || numel >= maxElements {
		return fail("%q: got %s, want a number of elements", key, kindName(t[4]))
	}
	id := storageID{dtype: class.dtype, key: key, numel: int(numel)}
	if len(t) == 6 {
		id.part = t[5]
	}
	return id, nil
}

func (id storageID) width() int64 {
	if id.dtype == "" {
		return 1
	}
	return int64(elements[id.dtype].width)
}

// rebuildTensor is torch's function of (storage, offset, size, strides) and what concerns training.
func rebuildTensor(_ *machine, args tuple) (any, error) {
	if len(args) < 4 {
		return nil, fmt.Errorf("got %d arguments, want at least storage, offset, size and strides", len(args))
	}
	s, ok := args[0].(*torchStorage)
	if !ok {
		return nil, fmt.Errorf("got %s, want a storage", kindName(args[0]))
	}
	return s.tensor(s.dtype, args)
}

// rebuildTyped is its sibling for dtypes that have no class of storages; the seventh argument is
// the dtype.
func rebuildTyped(_ *machine, args tuple) (any, error) {
	if len(args) < 7 {
		return nil, fmt.Errorf("got %d arguments, want at least 7", len(args))
	}
	s, ok := args[0].(*torchStorage)
	d, okType := args[6].(torchDType)
	if !ok || !okType {
		return nil, fmt.Errorf("got %s and %s, want a storage and a dtype", kindName(args[0]), kindName(args[6]))
	}
	return s.tensor(d.dtype, args)
}

func (s *torchStorage) tensor(dtype string, args tuple) (*view, error) {
	offset, ok := args[1].(int64)
	if !ok || offset < 0 || offset >= maxElements {
		return nil, fmt.Errorf("offset: got %s, want an integer of at least 0", kindName(args[1]))
	}
	shape, err := integers(args[2])
	if err != nil {
		return nil, fmt.Errorf("size: %w", err)
	}
	strides, err := integers(args[3])
	if err != nil {
		return nil, fmt.Errorf("strides: %w", err)
	}
	v := &view{dtype: dtype, shape: shape, strides: slices.Clone(strides), offset: s.offset + int(offset), data: s.data}
	if dtype == "" {
		v.dtype = "U8"
	}
	for _, x := range args[4:] {
		// Lazily negated or conjugated tensors say so in a dict, which is otherwise empty.
		if d, ok := x.(*dict); ok && (d.values["neg"] == true || d.values["conj"] == true) {
			v.fault = errors.New("the tensor is stored negated; save it after resolve_neg()")
		}
	}
	return v, nil
}
