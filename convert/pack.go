package convert

import (
	"fmt"
	"math"

	"flamingo/gpu"
	"flamingo/model"
	"flamingo/tensor"
)

// A TensorReport is one tensor after conversion.
type TensorReport struct {
	Name  string
	Shape tensor.Shape
	DType tensor.DType
	Bytes int
	Error float64 // root mean square error over root mean square value
}

// Storage is the format of a tensor when the large matrices are stored as d. Convolutions whose
// rows are no whole blocks, and small matrices, gain nothing from blocks.
func Storage(e model.Entry, d tensor.DType) tensor.DType {
	if e.Kind == model.Vector {
		return tensor.F32
	}
	if !d.Quantised() {
		return d
	}
	if e.Shape.Dim(-1)%tensor.BlockLen != 0 || e.Shape.Len() < 4096 {
		return tensor.F16
	}
	if d == tensor.Q4 && (e.Name == "lm.embed.weight" || e.Name == "lm.head.weight") {
		return tensor.Q8 // every logit passes through the output matrix, which often is the embedding
	}
	return d
}

// pieceLen is about how many values of a tensor are read and stored as one.
const pieceLen = 1 << 19

// pack reads, checks and stores one tensor, on all processors.
func pack(from rules, e model.Entry, d tensor.DType) (tensor.Tensor, TensorReport, error) {
	t := tensor.New(d, e.Shape...)
	r := TensorReport{Name: e.Name, Shape: e.Shape, DType: d, Bytes: len(t.Data)}
	v, err := from.values(e)
	if err != nil {
		return t, r, err
	}
	width, rows := e.Shape.Dim(-1), e.Shape.Rows()
	each := max(1, pieceLen/width)
	pieces := make([]piece, (rows+each-1)/each)
	gpu.Parallel(len(pieces), func(i int) {
		pieces[i] = packRows(t, v, e.Name, i*each, min((i+1)*each, rows))
	})
	r.Error, err = relative(pieces)
	return t, r, err
}

// relative is the error over all pieces, or what went wrong with one.
func relative(pieces []piece) (float64, error) {
	noise, power := 0.0, 0.0
	for _, p := range pieces {
		if p.err != nil {
			return 0, p.err
		}
		noise, power = noise+p.noise, power+p.power
	}
	if power == 0 {
		return 0, nil
	}
	return math.Sqrt(noise / power), nil
}

type piece struct {
	noise, power float64 // sums of squares: of what storage changed, and of the values
	err          error
}

// packRows stores rows from … to-1 of a tensor.
func packRows(t tensor.Tensor, v values, name string, from, to int) (p piece) {
	width := t.Shape.Dim(-1)
	x, err := v.read(from*width, to*width)
	if err != nil {
		return piece{err: err}
	}
	for i, f := range x {
		if f := float64(f); math.IsNaN(f) || math.IsInf(f, 0) {
			return piece{err: fmt.Errorf("%w: %s: value %d is %g, want finite weights", ErrCheckpoint, name, from*width+i, f)}
		}
	}
	if err := t.PackRows(from, x); err != nil {
		return piece{err: fmt.Errorf("%w: %s: %w", ErrCheckpoint, name, err)}
	}
	p = compareRows(t, x, from, to)
	if p.err != nil {
		p.err = fmt.Errorf("%w: %s: %w, too large for %v; convert with --dtype f32", ErrCheckpoint, name, p.err, t.DType)
	}
	return p
}

// compareRows compares rows from … to-1 of a tensor with the values x that they were made of.
func compareRows(t tensor.Tensor, x []float32, from, to int) (p piece) {
	width := t.Shape.Dim(-1)
	stored := make([]float32, width)
	for row := from; row < to; row++ {
		t.UnpackRow(stored, row)
		for i, s := range stored {
			f := x[(row-from)*width+i]
			if s-s != 0 { // Inf, or NaN where a scale is
				p.err = fmt.Errorf("value %d is %g", row*width+i, f)
				return p
			}
			p.noise += float64(s-f) * float64(s-f)
			p.power += float64(f) * float64(f)
		}
	}
	return p
}

// distance is the error of a stored tensor, as in its report.
func distance(t tensor.Tensor, v values) (float64, error) {
	width, rows := t.Shape.Dim(-1), t.Shape.Rows()
	each := max(1, pieceLen/width)
	pieces := make([]piece, (rows+each-1)/each)
	gpu.Parallel(len(pieces), func(i int) {
		from, to := i*each, min((i+1)*each, rows)
		x, err := v.read(from*width, to*width)
		if err != nil {
			pieces[i].err = err
			return
		}
		pieces[i] = compareRows(t, x, from, to)
	})
	return relative(pieces)
}
