package loader

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/bits"
	"sort"
	"strconv"

	"flamingo/tensor"
)

// maxHeader is the longest safetensors header accepted, in bytes.
const maxHeader = 16 << 20

// elementBytes has the dtypes of safetensors files that are understood.
var elementBytes = map[string]uint64{
	"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "U8": 1, "I8": 1, "BOOL": 1,
}

// SafetensorsEntry is one tensor of a safetensors file.
type SafetensorsEntry struct {
	Name   string
	DType  string // F64, F32, F16, BF16, I64, I32, U8, I8 or BOOL
	Shape  tensor.Shape
	Offset int64 // from the start of the file
	Bytes  int64
}

// Safetensors is an open file, of which only the header has been read.
type Safetensors struct {
	Entries  []SafetensorsEntry // in the order of their bytes
	Metadata map[string]string

	r      io.ReaderAt
	byName map[string]int
}

// OpenSafetensors reads and checks the header of a file of the given size: every tensor has the
// length its dtype and shape say, and together they cover the file without gap or overlap. Errors
// wrap ErrManifest.
func OpenSafetensors(r io.ReaderAt, size int64) (*Safetensors, error) {
	s, err := openSafetensors(r, size)
	if err != nil {
		return nil, fmt.Errorf("loader: safetensors: %w: %w", ErrManifest, err)
	}
	return s, nil
}

func openSafetensors(r io.ReaderAt, size int64) (*Safetensors, error) {
	var prefix [8]byte
	if size < 8 {
		return nil, fmt.Errorf("the file has %d bytes, want at least 8", size)
	}
	if _, err := r.ReadAt(prefix[:], 0); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint64(prefix[:])
	if n > maxHeader || int64(n) > size-8 {
		return nil, fmt.Errorf("header length: got %d, want at most %d; this may not be a safetensors file", n, min(maxHeader, size-8))
	}
	header := make([]byte, n)
	if _, err := r.ReadAt(header, 8); err != nil && err != io.EOF {
		return nil, err
	}
	if n == 0 || header[0] != '{' {
		return nil, fmt.Errorf("the header does not start with {; this may not be a safetensors file")
	}
	s := &Safetensors{r: r, byName: map[string]int{}}
	d := newStrict(header)
	err := d.object("", func(name string) error {
		if name == "__metadata__" {
			s.Metadata = map[string]string{}
			return d.object(name, func(key string) error {
				var v string
				err := d.value(name+"."+key, &v)
				s.Metadata[key] = v
				return err
			})
		}
		e, err := d.entry(name)
		s.Entries = append(s.Entries, e)
		return err
	})
	if err == nil {
		err = d.end()
	}
	if err == nil {
		err = s.arrange(int64(n)+8, size)
	}
	return s, err
}

func (d *strict) entry(name string) (SafetensorsEntry, error) {
	e := SafetensorsEntry{Name: name, Shape: tensor.Shape{}}
	at := strconv.Quote(name)
	var offsets []int64
	var shape bool
	err := d.object(at, func(key string) error {
		switch key {
		case "dtype":
			return d.value(at+".dtype", &e.DType)
		case "shape":
			shape = true
			return d.array(at+".shape", func(at string) error {
				e.Shape = append(e.Shape, 0)
				return d.value(at, &e.Shape[len(e.Shape)-1])
			})
		case "data_offsets":
			return d.array(at+".data_offsets", func(at string) error {
				offsets = append(offsets, 0)
				return d.value(at, &offsets[len(offsets)-1])
			})
		}
		return errUnknownField
	})
	if err != nil {
		return e, err
	}
	element, ok := elementBytes[e.DType]
	if !ok {
		return e, fmt.Errorf("%s.dtype: got %q, want one of F64, F32, F16, BF16, I64, I32, U8, I8, BOOL", at, e.DType)
	}
	if !shape || len(offsets) != 2 {
		return e, fmt.Errorf("%s: want a shape and two data_offsets", at)
	}
	want := element
	for _, n := range e.Shape {
		high, low := bits.Mul64(want, uint64(n))
		if n < 0 || high != 0 || low > maxSafe {
			return e, fmt.Errorf("%s.shape: got %v, want axes of at least 0 whose product is below 2^53", at, e.Shape)
		}
		want = low
	}
	from, to := offsets[0], offsets[1]
	if from < 0 || to < from || to > maxSafe || uint64(to-from) != want {
		return e, fmt.Errorf("%s.data_offsets: got [%d,%d], want %d bytes for %s of %v", at, from, to, want, e.DType, e.Shape)
	}
	e.Offset, e.Bytes = from, to-from
	return e, nil
}

// arrange sorts the entries, checks that they tile the data and makes their offsets absolute.
func (s *Safetensors) arrange(start, size int64) error {
	sort.SliceStable(s.Entries, func(i, j int) bool {
		a, b := &s.Entries[i], &s.Entries[j]
		return a.Offset < b.Offset || a.Offset == b.Offset && a.Bytes < b.Bytes
	})
	var end int64
	for i := range s.Entries {
		e := &s.Entries[i]
		if e.Offset != end {
			return fmt.Errorf("%q.data_offsets: starts at %d, want %d where the tensor before it ends", e.Name, e.Offset, end)
		}
		end += e.Bytes
		e.Offset += start
		s.byName[e.Name] = i
	}
	if end != size-start {
		return fmt.Errorf("the tensors cover %d bytes, want %d, all that follows the header; the file may be truncated", end, size-start)
	}
	return nil
}

// Find returns the entry of a tensor.
func (s *Safetensors) Find(name string) (SafetensorsEntry, bool) {
	i, ok := s.byName[name]
	if !ok {
		return SafetensorsEntry{}, false
	}
	return s.Entries[i], true
}

// Read returns the bytes of one tensor, little endian.
func (s *Safetensors) Read(name string) ([]byte, error) {
	e, ok := s.Find(name)
	if !ok {
		return nil, fmt.Errorf("loader: safetensors: no tensor is called %q", name)
	}
	p := make([]byte, e.Bytes)
	if _, err := s.r.ReadAt(p, e.Offset); err != nil && (err != io.EOF || len(p) > 0) {
		return nil, fmt.Errorf("loader: safetensors: %s: %w", name, err)
	}
	return p, nil
}

// ReadFloats returns one tensor of fractions, whatever their width, as f32.
func (s *Safetensors) ReadFloats(name string) ([]float32, error) {
	p, err := s.Read(name)
	if err != nil {
		return nil, err
	}
	e, _ := s.Find(name)
	v := make([]float32, e.Shape.Len())
	switch e.DType {
	case "F32":
		tensor.GetF32(v, p)
	case "F16":
		copy(v, tensor.Tensor{Shape: e.Shape, DType: tensor.F16, Data: p}.F32())
	case "BF16":
		for i := range v {
			v[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(p[2*i:])) << 16)
		}
	case "F64":
		for i := range v {
			v[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(p[8*i:])))
		}
	default:
		return nil, fmt.Errorf("loader: safetensors: %s: got dtype %s, want F64, F32, F16 or BF16", name, e.DType)
	}
	return v, nil
}

// safetensorsHeader is the start of a file with the given entries, in order, up to its data, which
// it leaves aligned to 8 bytes. Offsets count from the start of the data.
func safetensorsHeader(entries []SafetensorsEntry) ([]byte, error) {
	p := []byte{0, 0, 0, 0, 0, 0, 0, 0, '{'}
	for i, e := range entries {
		if i > 0 {
			p = append(p, ',')
		}
		name, err := json.Marshal(e.Name)
		if err != nil {
			return nil, err
		}
		shape, err := json.Marshal(append([]int{}, e.Shape...))
		if err != nil {
			return nil, err
		}
		p = fmt.Appendf(p, `%s:{"dtype":%q,"shape":%s,"data_offsets":[%d,%d]}`, name, e.DType, shape, e.Offset, e.Offset+e.Bytes)
	}
	p = append(p, '}')
	for len(p)%8 != 0 {
		p = append(p, ' ')
	}
	binary.LittleEndian.PutUint64(p, uint64(len(p)-8))
	return p, nil
}
