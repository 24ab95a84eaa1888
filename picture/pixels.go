//go:build !js

package picture

import (
	"bytes"
	"image"
	"image/color"
)

// flatten puts a picture on a white canvas of its file's size; a GIF's frame may cover only a part.
func flatten(img image.Image, width, height int) Picture {
	p := Picture{width, height, bytes.Repeat([]byte{255}, 4*width*height)}
	at := straight(img)
	b := img.Bounds().Intersect(image.Rect(0, 0, width, height))
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			c := at(x, y)
			out := p.Pixels[4*(y*width+x):]
			out[0], out[1], out[2] = onWhite(c.R, c.A), onWhite(c.G, c.A), onWhite(c.B, c.A)
		}
	}
	return p
}

func onWhite(v, alpha uint8) uint8 {
	a := uint(alpha)
	return uint8((uint(v)*a + 255*(255-a) + 127) / 255)
}

// straight gives a picture's colours without premultiplied alpha. Samples of 16 bits keep their
// high byte, as in browsers.
func straight(img image.Image) func(x, y int) color.NRGBA {
	switch m := img.(type) {
	case *image.NRGBA:
		return m.NRGBAAt
	case *image.RGBA: // premultiplied
		return func(x, y int) color.NRGBA {
			if c := m.RGBAAt(x, y); c.A < 255 {
				return narrow(c)
			} else {
				return color.NRGBA(c)
			}
		}
	case *image.YCbCr:
		return yuv(m)
	case *image.NYCbCrA:
		opaque := yuv(&m.YCbCr)
		return func(x, y int) color.NRGBA {
			c := opaque(x, y)
			c.A = m.A[m.AOffset(x, y)]
			return c
		}
	case *image.Gray:
		return func(x, y int) color.NRGBA {
			v := m.GrayAt(x, y).Y
			return color.NRGBA{v, v, v, 255}
		}
	case *image.Paletted:
		colours := [256]color.NRGBA{} // an index beyond the palette is transparent
		for i, c := range m.Palette {
			colours[i] = narrow(c)
		}
		return func(x, y int) color.NRGBA { return colours[m.ColorIndexAt(x, y)] }
	case *image.CMYK:
		return func(x, y int) color.NRGBA {
			c := m.CMYKAt(x, y)
			r, g, b := color.CMYKToRGB(c.C, c.M, c.Y, c.K)
			return color.NRGBA{r, g, b, 255}
		}
	}
	return func(x, y int) color.NRGBA { return narrow(img.At(x, y)) }
}

func narrow(c color.Color) color.NRGBA {
	w := color.NRGBA64Model.Convert(c).(color.NRGBA64)
	return color.NRGBA{uint8(w.R >> 8), uint8(w.G >> 8), uint8(w.B >> 8), uint8(w.A >> 8)}
}

// turn undoes how the camera was held: pixel (x, y) of the result comes from here in p.
func turn(p Picture, orientation int) Picture {
	w, h := p.Width-1, p.Height-1
	from, swap := func(x, y int) (int, int) { return x, y }, orientation >= 5
	switch orientation {
	case 1:
		return p
	case 2:
		from = func(x, y int) (int, int) { return w - x, y }
	case 3:
		from = func(x, y int) (int, int) { return w - x, h - y }
	case 4:
		from = func(x, y int) (int, int) { return x, h - y }
	case 5:
		from = func(x, y int) (int, int) { return y, x }
	case 6:
		from = func(x, y int) (int, int) { return y, h - x }
	case 7:
		from = func(x, y int) (int, int) { return w - y, h - x }
	case 8:
		from = func(x, y int) (int, int) { return w - y, x }
	}
	out := Picture{p.Width, p.Height, make([]byte, len(p.Pixels))}
	if swap {
		out.Width, out.Height = p.Height, p.Width
	}
	for y := range out.Height {
		for x := range out.Width {
			i, j := from(x, y)
			copy(out.Pixels[4*(y*out.Width+x):], p.Pixels[4*(j*p.Width+i):][:4])
		}
	}
	return out
}
