package checkpoint

import (
	"archive/zip"
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"

	"flamingo/tensor"
)

const (
	pieceElements = 1 << 20 // asked of a Weight at a time
	torchAlign    = 64      // where PyTorch maps storages, they start at a multiple of it
	torchRoot     = "archive"
)

// A Weight is a tensor to be written. Data is called in order, for one piece after another, and
// returns exactly the elements from…to of the row-major tensor.
type Weight struct {
	Name  string
	DType string // F32, F16 or BF16
	Shape tensor.Shape
	Data  func(from, to int) ([]float32, error)
}

// WriteTorch writes what torch.load reads: an OrderedDict of the weights in their order. One piece
// of a tensor is in memory at a time. The file appears at path when it is complete, in place of
// one that was there.
func WriteTorch(path string, weights []Weight) error {
	err := writeTorchFile(path, weights)
	if err != nil {
		return fmt.Errorf("checkpoint: write %s: %w", path, err)
	}
	return nil
}

func writeTorchFile(path string, weights []Weight) error {
	pickle, err := stateDict(weights)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails after the renaming, as it should
	out := bufio.NewWriterSize(f, 1<<20)
	err = writeTorch(out, pickle, weights)
	err = errors.Join(err, out.Flush(), f.Chmod(0o644), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// writeTorch writes the archive. Its members are stored, so that torch can map them.
func writeTorch(w io.Writer, pickle []byte, weights []Weight) error {
	t := torchWriter{out: &counter{w: w}}
	t.zip = zip.NewWriter(t.out)
	for _, m := range []struct {
		name string
		data []byte
	}{{"data.pkl", pickle}, {"byteorder", []byte("little")}, {"version", []byte("3\n")}} {
		member, err := t.member(m.name, int64(len(m.data)))
		if err != nil {
			return err
		}
		if _, err := member.Write(m.data); err != nil {
			return err
		}
	}
	for i, x := range weights {
		member, err := t.member(fmt.Sprintf("data/%d", i), x.bytes())
		if err != nil {
			return err
		}
		if err := x.write(member); err != nil {
			return fmt.Errorf("tensor %q: %w", x.Name, err)
		}
	}
	return t.zip.Close()
}

// A torchWriter writes the members of an archive.
type torchWriter struct {
	zip     *zip.Writer
	out     *counter
	pending int64 // bytes that end the last member and that zip writes with the next one
}

// A counter knows how much was written.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// member begins a member of so many bytes, aligned by an extra field in its header.
func (t *torchWriter) member(name string, size int64) (io.Writer, error) {
	if err := t.zip.Flush(); err != nil {
		return nil, err
	}
	h := &zip.FileHeader{Name: torchRoot + "/" + name, Method: zip.Store}
	const header, field = 30, 4
	start := t.out.n + t.pending + header + int64(len(h.Name)) + field
	pad := (torchAlign - start%torchAlign) % torchAlign
	h.Extra = binary.LittleEndian.AppendUint16([]byte("FB"), uint16(pad))
	h.Extra = append(h.Extra, make([]byte, pad)...)
	t.pending = 16
	if size >= math.MaxUint32 {
		t.pending = 24 // zip64
	}
	return t.zip.CreateHeader(h)
}

func (x Weight) bytes() int64 { return int64(x.Shape.Len()) * int64(elements[x.DType].width) }

// write writes a tensor piece by piece.
func (x Weight) write(w io.Writer) error {
	buffer := make([]byte, min(pieceElements, x.Shape.Len())*elements[x.DType].width)
	for from := 0; from < x.Shape.Len(); {
		to := min(from+pieceElements, x.Shape.Len())
		v, err := x.Data(from, to)
		if err != nil {
			return err
		}
		if len(v) != to-from {
			return fmt.Errorf("got %d elements, want %d to %d", len(v), from, to)
		}
		p := buffer[:len(v)*elements[x.DType].width]
		if err := packers[x.DType](p, v); err != nil {
			return err
		}
		if _, err := w.Write(p); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// packers store fractions in the dtypes that are written.
var packers = map[string]func(dst []byte, v []float32) error{
	"F32": func(dst []byte, v []float32) error {
		tensor.PutF32(dst, v)
		return nil
	},
	"F16": func(dst []byte, v []float32) error {
		return tensor.Tensor{Shape: tensor.Shape{len(v)}, DType: tensor.F16, Data: dst}.PackRows(0, v)
	},
	"BF16": func(dst []byte, v []float32) error {
		for i, x := range v {
			binary.LittleEndian.PutUint16(dst[2*i:], bf16(x))
		}
		return nil
	},
}

// bf16 rounds to nearest, ties to even.
func bf16(x float32) uint16 {
	b := math.Float32bits(x)
	if math.IsNaN(float64(x)) {
		return uint16(b>>16) | 0x40 // stays a NaN when the lower bits held its only ones
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}
