package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"
)

// readTorchZip reads an archive of torch.save or TorchScript: root/data.pkl, and each storage in a
// member root/data/KEY.
func readTorchZip(a *archive, root string) ([]named, error) {
	if err := checkTorchZip(a, root); err != nil {
		return nil, err
	}
	pickle, err := a.content(root + "/data.pkl")
	if err != nil {
		return nil, err
	}
	storages := map[string]*torchStorage{}
	used := []span{{pickle.from, pickle.from + pickle.size, root + "/data.pkl"}}
	if pickle.r != a.r {
		used = nil // it was deflated
	}
	m := &machine{in: newScanner(io.NewSectionReader(pickle.r, pickle.from, pickle.size), pickle.size)}
	m.persistent = func(v any) (any, error) {
		id, err := m.parseStorageID(v)
		if err != nil {
			return nil, err
		}
		if s, ok := storages[id.key]; ok {
			if s.dtype != id.dtype || s.numel != id.numel {
				return nil, fmt.Errorf("storage %q: got %d of %q, want %d of %q as before", id.key, id.numel, id.dtype, s.numel, s.dtype)
			}
			return s, nil
		}
		member := root + "/data/" + id.key
		data, err := a.stored(member)
		if err != nil {
			return nil, err
		}
		if want := int64(id.numel) * id.width(); data.size < want {
			return nil, fmt.Errorf("%s: got %d bytes, want %d", member, data.size, want)
		}
		used = append(used, span{data.from, data.from + data.size, member})
		s := &torchStorage{dtype: id.dtype, data: data, numel: id.numel}
		storages[id.key] = s
		return s, nil
	}
	v, err := m.run()
	if err != nil {
		return nil, fmt.Errorf("%s/data.pkl: %w", root, err)
	}
	if err := disjoint(used); err != nil {
		return nil, err
	}
	return torchTensors(v)
}

// checkTorchZip looks at the members that say how the others are written.
func checkTorchZip(a *archive, root string) error {
	for name, want := range map[string][]string{
		"byteorder": {"little"},
		"version":   {"1", "2", "3", "4", "5", "6", "7", "8", "9", "10"},
	} {
		member := root + "/" + name
		if a.members[member] == nil {
			continue
		}
		p, err := a.content(member)
		if err != nil {
			return err
		}
		text := make([]byte, min(p.size, 64))
		if err := p.read(text, 0); err != nil {
			return err
		}
		if got := strings.TrimSpace(string(text)); !slices.Contains(want, got) {
			return fmt.Errorf("%s: got %q, want one of %v", member, got, want)
		}
	}
	return nil
}

// torchTensors names the tensors of a torch pickle.
func torchTensors(v any) ([]named, error) {
	list, err := flatten(modelOf(v), ".")
	if err != nil {
		return nil, err
	}
	return unwrapAll(list)
}

// torchMagic starts a file of torch.save's older format, as a pickle of its own.
var torchMagic, _ = new(big.Int).SetString("1950a86a20f9469cfc6c", 16)

const torchProtocol = 1001 // of the older format

// readPickle reads a file that starts with a pickle: of haiku parameters, or of torch.save's older
// format, which has several in a row.
func readPickle(r io.ReaderAt, size int64) ([]named, error) {
	in := newScanner(r, size)
	v, err := (&machine{in: in}).run()
	if err != nil {
		return nil, err
	}
	if n, ok := v.(*big.Int); ok && n.Cmp(torchMagic) == 0 {
		return readTorchLegacy(in)
	}
	return flatten(v, "/")
}

// readTorchLegacy reads what follows the magic number: a protocol number, a dict about the writer,
// the tensors, the keys of the storages, and then the storages in the order of their keys.
func readTorchLegacy(in *scanner) ([]named, error) {
	v, err := (&machine{in: in}).run()
	if err != nil {
		return nil, err
	}
	if v != int64(torchProtocol) {
		return nil, fmt.Errorf("protocol of torch.save: got %s, want %d", kindName(v), torchProtocol)
	}
	if v, err = (&machine{in: in}).run(); err != nil {
		return nil, err
	}
	if system, ok := v.(*dict); !ok || system.values["little_endian"] != true {
		return nil, errors.New("the file's numbers are not little endian; save it on a machine where they are")
	}
	l := legacy{storages: map[string]*legacyStorage{}}
	m := &machine{in: in}
	m.persistent = func(v any) (any, error) { return l.resolve(m, v) }
	root, err := m.run()
	if err != nil {
		return nil, err
	}
	keys := &machine{in: in}
	if v, err = keys.run(); err != nil {
		return nil, err
	}
	if err := l.place(keys, v); err != nil {
		return nil, err
	}
	return torchTensors(root)
}

// legacy are the storages of the older format while it is read.
type legacy struct{ storages map[string]*legacyStorage }

type legacyStorage struct {
	storageID
	data   *storage
	placed bool
}

// resolve gives the storage of a reference, whose bytes have no place yet.
func (l *legacy) resolve(m *machine, v any) (any, error) {
	id, err := m.parseStorageID(v)
	if err != nil {
		return nil, err
	}
	s, ok := l.storages[id.key]
	if !ok {
		s = &legacyStorage{storageID: id, data: &storage{r: m.in.r}}
		l.storages[id.key] = s
	}
	if s.dtype != id.dtype || s.numel != id.numel {
		return nil, fmt.Errorf("storage %q: got %d of %q, want %d of %q as before", id.key, id.numel, id.dtype, s.numel, s.dtype)
	}
	whole := &torchStorage{dtype: s.dtype, data: s.data, numel: s.numel}
	if id.part == nil {
		return whole, nil
	}
	part, ok := id.part.(tuple)
	if !ok || len(part) != 3 {
		return nil, fmt.Errorf("storage %q: got %s, want None or a tuple of key, offset and length", id.key, kindName(id.part))
	}
	offset, ok := part[1].(int64)
	n, okLength := part[2].(int64)
	if !ok || !okLength || offset < 0 || n < 0 || offset > int64(s.numel) || n > int64(s.numel)-offset {
		return nil, fmt.Errorf("storage %q: got a part of %s elements from %s, want one of the %d", id.key, kindName(part[2]), kindName(part[1]), s.numel)
	}
	whole.offset, whole.numel = int(offset), int(n)
	return whole, nil
}

// place finds the storages' bytes: each has its length before it.
func (l *legacy) place(m *machine, keys any) error {
	order, ok := keys.(*list)
	if !ok {
		return fmt.Errorf("got %s, want the list of the storages' keys", kindName(keys))
	}
	for _, k := range order.items {
		key, ok := m.textOf(k)
		if !ok {
			return fmt.Errorf("got %s, want the key of a storage", kindName(k))
		}
		s, ok := l.storages[key]
		if !ok || s.placed {
			return fmt.Errorf("storage %q: no tensor uses it, or it is listed twice", key)
		}
		if err := s.place(m.in); err != nil {
			return fmt.Errorf("storage %q: %w", key, err)
		}
	}
	for key, s := range l.storages {
		if !s.placed {
			return fmt.Errorf("storage %q: a tensor uses it, but the file does not list it", key)
		}
	}
	return nil
}

func (s *legacyStorage) place(in *scanner) error {
	p, err := in.take(8)
	if err != nil {
		return err
	}
	if n := new(big.Int).SetBytes(reversed(p)); n.Cmp(big.NewInt(int64(s.numel))) != 0 {
		return fmt.Errorf("got %v elements, want %d as its tensors say", n, s.numel)
	}
	s.data.size = int64(s.numel) * s.width()
	s.data.from, err = in.skip(uint64(s.data.size))
	s.placed = true
	return err
}
