package model

import (
	"context"
	"fmt"

	"flamingo/gpu"
	"flamingo/ops"
	"flamingo/tensor"
)

// MaxPixels is the largest picture that is taken, in pixels.
const MaxPixels = 64_000_000

// An Image is a decoded picture: Width·Height RGBA pixels of 8 bits, row by row, opaque.
type Image struct {
	Width, Height int
	Pixels        tensor.Bytes
}

func (i Image) check() error {
	switch {
	case i.Width < 1 || i.Height < 1:
		return fmt.Errorf("%w: image is %d×%d pixels, want at least 1×1", ErrOption, i.Width, i.Height)
	case i.Width > MaxPixels/i.Height:
		return fmt.Errorf("%w: image is %d×%d pixels, want at most %d million; scale it down", ErrOption, i.Width, i.Height, MaxPixels/1_000_000)
	case i.Pixels.Len() != 4*i.Width*i.Height:
		return fmt.Errorf("%w: image of %d×%d pixels has %d bytes, want %d", ErrOption, i.Width, i.Height, i.Pixels.Len(), 4*i.Width*i.Height)
	}
	return nil
}

// fit is the size to which a picture is scaled, and where its corner lies on the canvas.
func (p Preprocess) fit(width, height int) (w, h, left, top int) {
	short, long := min(width, height), max(width, height)
	w, h = p.Size, p.Size
	if p.Fit == FitPad {
		other := max(1, (2*short*p.Size+long)/(2*long)) // rounded half up
		if width < height {
			w = other
		} else {
			h = other
		}
		return w, h, (p.Size - w) / 2, (p.Size - h) / 2
	}
	other := p.Size * long / short
	if width < height {
		h = other
	} else {
		w = other
	}
	return w, h, -halfEven(w - p.Size), -halfEven(h - p.Size)
}

// halfEven is n/2 rounded as Python rounds, which torchvision's crop offsets depend on.
func halfEven(n int) int { return (n + n/2%2) / 2 }

// place scales a picture on the device and writes it, normalised, to dst [Size, Size, 4]. It reads
// nothing of state: the rows go to the front of dst.
func (m *Flamingo) place(ctx context.Context, img Image, dst, state gpu.Tensor) error {
	if err := img.check(); err != nil {
		return err
	}
	pre := m.Config.Preprocess
	raw, err := gpu.Alloc(m.dev, "image", tensor.I32, img.Height, img.Width)
	if err != nil {
		return err
	}
	defer raw.Free(m.dev)
	if err := raw.Write(m.dev, 0, img.Pixels); err != nil {
		return err
	}
	w, h, left, top := pre.fit(img.Width, img.Height)
	across, err := gpu.Upload(m.dev, "resize table", ops.ResizeTable(img.Width, w))
	if err != nil {
		return err
	}
	defer across.Free(m.dev)
	down, err := gpu.Upload(m.dev, "resize table", ops.ResizeTable(img.Height, h))
	if err != nil {
		return err
	}
	defer down.Free(m.dev)

	p := gpu.NewPass(m.dev)
	defer p.In("image")()
	x := ops.Resize(p, raw, across, down, w, h)
	x = ops.Normalise(p, x, pre.Size, left, top, pre.Mean, pre.Std)
	ops.Append(p, x.Reshape(pre.Size*pre.Size, 4), dst.Reshape(pre.Size*pre.Size, 4), state, ops.AppendOptions{})
	plan, err := p.Compile(ctx)
	if err != nil {
		return err
	}
	defer plan.Release()
	return plan.Submit(1)
}
