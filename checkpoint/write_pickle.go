package checkpoint

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
)

// stateDict is the pickle of an OrderedDict in which tensor i is all of storage i, in the opcodes
// that torch.save itself uses, since torch.load may refuse others.
func stateDict(weights []Weight) ([]byte, error) {
	p := pickler("\x80\x02")
	p.orderedDict()
	p = append(p, '(')
	seen := map[string]bool{}
	for i, x := range weights {
		if err := x.check(); err != nil {
			return nil, fmt.Errorf("tensor %q: %w", x.Name, err)
		}
		if seen[x.Name] {
			return nil, fmt.Errorf("tensor %q: the name appears twice", x.Name)
		}
		seen[x.Name] = true
		p.text(x.Name)
		p.global("torch._utils", "_rebuild_tensor_v2")
		p = append(p, "(("...)
		p.text("storage")
		p.global("torch", storageClass(x.DType))
		p.text(fmt.Sprint(i))
		p.text("cpu")
		p.integer(x.Shape.Len())
		p = append(p, "tQ"...)
		p.integer(0)
		p.integers(x.Shape)
		p.integers(denseStrides(x.Shape))
		p = append(p, 0x89) // needs no gradient
		p.orderedDict()     // has no hooks
		p = append(p, "tR"...)
	}
	return append(p, "u."...), nil
}

func (x Weight) check() error {
	if packers[x.DType] == nil {
		return fmt.Errorf("dtype: got %q, want F32, F16 or BF16", x.DType)
	}
	if x.Name == "" || len(x.Name) > maxName || !utf8.ValidString(x.Name) {
		return fmt.Errorf("name: got %d bytes, want 1 to %d of UTF-8", len(x.Name), maxName)
	}
	if x.Data == nil && x.Shape.Len() > 0 {
		return errors.New("there is no Data")
	}
	return checkShape(x.Shape)
}

func storageClass(dtype string) string {
	for _, n := range torchNames {
		if n.dtype == dtype {
			return n.storage + "Storage"
		}
	}
	return ""
}

// A pickler appends operations to a pickle.
type pickler []byte

func (p *pickler) global(module, name string) { *p = fmt.Appendf(*p, "c%s\n%s\n", module, name) }

func (p *pickler) orderedDict() {
	p.global("collections", "OrderedDict")
	*p = append(*p, ")R"...)
}

func (p *pickler) text(s string) {
	*p = binary.LittleEndian.AppendUint32(append(*p, 'X'), uint32(len(s)))
	*p = append(*p, s...)
}

// integer writes a number of at least 0.
func (p *pickler) integer(n int) {
	if n > math.MaxInt32 {
		*p = binary.LittleEndian.AppendUint64(append(*p, 0x8a, 8), uint64(n))
		return
	}
	*p = binary.LittleEndian.AppendUint32(append(*p, 'J'), uint32(n))
}

func (p *pickler) integers(v []int) {
	*p = append(*p, '(')
	for _, n := range v {
		p.integer(n)
	}
	*p = append(*p, 't')
}
