//go:build !js

package picture

import (
	"image"
	"image/color"
	"math"
)

// Decoders hand out chroma as it is stored, at half the size. Repeating each sample, as package
// image does, is up to a hundred levels off at the edges of colours from what every browser shows.

// yuv shows luma and chroma as colours, with chroma spread over the pixels.
func yuv(m *image.YCbCr) func(x, y int) color.NRGBA {
	across, down, known := halved(m.SubsampleRatio)
	if !known || m.Rect.Min != (image.Point{}) {
		return func(x, y int) color.NRGBA { return rgbOf(m.YCbCrAt(x, y)) }
	}
	w, h := m.Rect.Dx(), m.Rect.Dy()
	cb, cr := spread(m.Cb, m.CStride, w, h, across, down), spread(m.Cr, m.CStride, w, h, across, down)
	return func(x, y int) color.NRGBA {
		return rgbOf(color.YCbCr{Y: m.Y[y*m.YStride+x], Cb: cb[y*w+x], Cr: cr[y*w+x]})
	}
}

func rgbOf(c color.YCbCr) color.NRGBA {
	r, g, b := color.YCbCrToRGB(c.Y, c.Cb, c.Cr)
	return color.NRGBA{r, g, b, 255}
}

func halved(r image.YCbCrSubsampleRatio) (across, down, known bool) {
	switch r {
	case image.YCbCrSubsampleRatio420:
		return true, true, true
	case image.YCbCrSubsampleRatio422:
		return true, false, true
	case image.YCbCrSubsampleRatio440:
		return false, true, true
	}
	return false, false, r == image.YCbCrSubsampleRatio444
}

// spread enlarges a plane to w × h. A pixel is weighed 3 : 1 between its sample and the nearest other
// one, along each halved axis, and rounded as libjpeg does: alternately up and down.
func spread(plane []byte, stride, w, h int, across, down bool) []byte {
	out := make([]byte, w*h)
	columns, rows := w, h
	if across {
		columns = (w + 1) / 2
	}
	if down {
		rows = (h + 1) / 2
	}
	sums := make([]int, columns)
	for y := range h {
		near, far := y, y
		if down {
			near = y / 2
			far = min(max(near-1+2*(y%2), 0), rows-1)
		}
		for i := range sums {
			sums[i] = int(plane[near*stride+i])
			if down {
				sums[i] = 3*sums[i] + int(plane[far*stride+i])
			}
		}
		row := out[y*w : (y+1)*w]
		for x := range row {
			switch {
			case across && down:
				row[x] = byte((3*sums[x/2] + sums[beside(x, columns)] + 8 - x%2) >> 4)
			case across:
				row[x] = byte((3*sums[x/2] + sums[beside(x, columns)] + 1 + x%2) >> 2)
			case down:
				row[x] = byte((sums[x] + 1 + y%2) >> 2)
			default:
				row[x] = byte(sums[x])
			}
		}
	}
	return out
}

// beside is the second nearest sample of pixel x.
func beside(x, samples int) int { return min(max(x/2-1+2*(x%2), 0), samples-1) }

// fullRange stretches luma from 16…235 and chroma from 16…240, the range of video that WebP stores
// and its decoder leaves as it is, to the one of JPEG, which package image assumes.
func fullRange(m *image.YCbCr) {
	var luma, chroma [256]byte
	for i := range 256 {
		luma[i] = stretched(i-16, 219, 0)
		chroma[i] = stretched(i-128, 224, 128)
	}
	for _, p := range []struct {
		plane []byte
		table *[256]byte
	}{{m.Y, &luma}, {m.Cb, &chroma}, {m.Cr, &chroma}} {
		for i, v := range p.plane {
			p.plane[i] = p.table[v]
		}
	}
}

// stretched is v·255/span + zero, rounded, within 0…255.
func stretched(v, span, zero int) byte {
	return byte(min(max(math.Round(float64(v)*255/float64(span))+float64(zero), 0), 255))
}
