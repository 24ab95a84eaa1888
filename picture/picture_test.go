//go:build !js

package picture

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/color/palette"
	"io"
	"strings"
	"testing"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
)

const limit = 64_000_000

func (p Picture) at(x, y int) [3]int {
	i := 4 * (y*p.Width + x)
	return [3]int{int(p.Pixels[i]), int(p.Pixels[i+1]), int(p.Pixels[i+2])}
}

func must(t *testing.T, data []byte) Picture {
	t.Helper()
	p, err := Decode(data, limit)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Pixels) != 4*p.Width*p.Height {
		t.Fatalf("%d bytes for %d × %d pixels", len(p.Pixels), p.Width, p.Height)
	}
	for i := 3; i < len(p.Pixels); i += 4 {
		if p.Pixels[i] != 255 {
			t.Fatalf("pixel %d has alpha %d, want 255", i/4, p.Pixels[i])
		}
	}
	return p
}

func (p Picture) check(t *testing.T, x, y int, want [3]int, within int) {
	t.Helper()
	got := p.at(x, y)
	for c := range 3 {
		if d := got[c] - want[c]; d > within || d < -within {
			t.Errorf("pixel (%d, %d) is %v, want %v", x, y, got, want)
			return
		}
	}
}

func edge(v, at int) bool { return v == at-1 || v == at }

func rgb(c color.NRGBA) [3]int { return [3]int{int(c.R), int(c.G), int(c.B)} }

func TestFormats(t *testing.T) {
	m := drawn(quadrantsWidth, quadrantsHeight, quadrants)
	paletted := image.NewPaletted(m.Rect, palette.WebSafe)
	deep := image.NewNRGBA64(m.Rect)
	gray16 := image.NewGray16(m.Rect)
	for y := range quadrantsHeight {
		for x := range quadrantsWidth {
			paletted.Set(x, y, m.At(x, y))
			deep.Set(x, y, m.At(x, y))
			gray16.Set(x, y, color.Gray16{uint16(257 * x)})
		}
	}
	encode := func(f func(io.Writer) error) []byte {
		var b bytes.Buffer
		if err := f(&b); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	for _, c := range []struct {
		name   string
		data   []byte
		within int
	}{
		{"PNG", pngOf(t, m), 0},
		{"PNG of 16 bits", pngOf(t, deep), 0},
		{"PNG with a palette", pngOf(t, paletted), 25}, // steps of 51
		{"JPEG", jpegOf(t, m), 3},
		{"BMP", encode(func(w io.Writer) error { return bmp.Encode(w, m) }), 0},
		{"TIFF", encode(func(w io.Writer) error { return tiff.Encode(w, m, nil) }), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := must(t, c.data)
			if p.Width != quadrantsWidth || p.Height != quadrantsHeight {
				t.Fatalf("%d × %d pixels", p.Width, p.Height)
			}
			for y := range p.Height {
				for x := range p.Width {
					// JPEG halves the chroma, so that at the edges colours run one pixel over.
					if c.name == "JPEG" && (edge(x, quadrantsWidth/2) || edge(y, quadrantsHeight/2)) {
						continue
					}
					p.check(t, x, y, rgb(quadrants(x, y)), c.within)
				}
			}
		})
	}
	t.Run("gray PNG of 16 bits", func(t *testing.T) {
		must(t, pngOf(t, gray16)).check(t, 40, 0, [3]int{40, 40, 40}, 0)
	})
	t.Run("WebP", func(t *testing.T) {
		must(t, solidWebP(5, 3, color.NRGBA{9, 80, 200, 255}, nil)).check(t, 4, 2, [3]int{9, 80, 200}, 0)
	})
	t.Run("WebP, transparent", func(t *testing.T) {
		must(t, solidWebP(5, 3, color.NRGBA{0, 100, 200, 51}, nil)).check(t, 0, 0, [3]int{204, 224, 244}, 0)
	})
}

func TestChromaIsSpread(t *testing.T) {
	plane := []byte{0, 100, 200, 9, 40, 80, 120, 9} // 3 × 2 samples in rows of 4
	for _, c := range []struct {
		name         string
		w, h         int
		across, down bool
		want         []byte
	}{
		{"as it is", 3, 2, false, false, []byte{0, 100, 200, 40, 80, 120}},
		{"across", 5, 2, true, false, []byte{0, 25, 75, 125, 175, 40, 50, 70, 90, 110}},
		{"down", 3, 4, false, true, []byte{0, 100, 200, 10, 95, 180, 30, 85, 140, 40, 80, 120}},
		{"both", 6, 3, true, true, []byte{
			0, 25, 75, 125, 175, 200,
			10, 31, 74, 116, 159, 180,
			30, 44, 71, 99, 126, 140,
		}},
	} {
		if got := spread(plane, 4, c.w, c.h, c.across, c.down); !bytes.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestLossyWebP has a picture made and shown by Chromium, whose pixels these are.
func TestLossyWebP(t *testing.T) {
	frame, err := base64.StdEncoding.DecodeString(
		"VlA4IHAAAAAQBACdASoUAAwAPrVInkmnJCKhMAgA4BaJbACdMoRwN6S1AAByy3N1OgD+3rD/Uw8XTI7prDwU" +
			"H/kVLztL/ioR7jWYzkiF7v268MIHzLlP/H/4XBrey9j4//Bv5ajnICLy/sBlEq/GgD438IewRAAA")
	if err != nil {
		t.Fatal(err)
	}
	p := must(t, riff(frame))
	for at, want := range map[[2]int][3]int{
		{0, 0}: {226, 206, 12}, {19, 0}: {27, 200, 228}, {9, 5}: {217, 202, 141}, {10, 6}: {40, 43, 83},
		{0, 11}: {228, 44, 2}, {19, 11}: {29, 38, 221}, {5, 8}: {233, 38, 63},
	} {
		p.check(t, at[0], at[1], want, 2)
	}
}

func TestAnimatedGIFShowsItsFirstFrame(t *testing.T) {
	p := must(t, animated(t))
	if p.Width != 16 || p.Height != 10 {
		t.Fatalf("%d × %d pixels, want the screen's 16 × 10", p.Width, p.Height)
	}
	white := [3]int{255, 255, 255}
	p.check(t, 0, 0, white, 0) // outside the frame
	p.check(t, 4, 2, white, 0) // transparent
	p.check(t, 5, 2, [3]int{200, 30, 50}, 0)
	p.check(t, 11, 7, [3]int{200, 30, 50}, 0)
	p.check(t, 12, 7, white, 0)
}

func TestTransparencyIsOnWhite(t *testing.T) {
	m := drawn(256, 2, func(x, y int) color.NRGBA { return color.NRGBA{uint8(200 * y), 10, 255, uint8(x)} })
	p := must(t, pngOf(t, m))
	for x := range 256 {
		for y := range 2 {
			// 255 − α·(255 − v)/255, rounded to nearest.
			on := func(v int) int { return 255 - (2*x*(255-v)+255)/510 }
			p.check(t, x, y, [3]int{on(200 * y), on(10), 255}, 0)
		}
	}
	deep := image.NewNRGBA64(image.Rect(0, 0, 1, 1))
	deep.SetNRGBA64(0, 0, color.NRGBA64{0xffff, 0, 0x8000, 0x8080})
	must(t, pngOf(t, deep)).check(t, 0, 0, [3]int{255, 127, 191}, 0)
}

func TestOrientation(t *testing.T) {
	m := drawn(quadrantsWidth, quadrantsHeight, quadrants)
	a, b, c, d := rgb(quadrants(0, 0)), rgb(quadrants(40, 0)), rgb(quadrants(0, 30)), rgb(quadrants(40, 30))
	// Corners as shown, in reading order, of the stored corners  a b
	//                                                            c d
	for orientation, want := range [][4][3]int{
		0: {a, b, c, d}, // not a value: as stored
		1: {a, b, c, d},
		2: {b, a, d, c}, // mirrored
		3: {d, c, b, a}, // upside down
		4: {c, d, a, b},
		5: {a, c, b, d}, // transposed
		6: {c, a, d, b}, // to be turned clockwise
		7: {d, b, c, a},
		8: {b, d, a, c}, // anticlockwise
		9: {a, b, c, d},
	} {
		little := exif(binary.LittleEndian, "II", uint16(orientation))
		big := exif(binary.BigEndian, "MM", uint16(orientation))
		for name, file := range map[string][]byte{
			"JPEG": jpegWithEXIF(jpegOf(t, m), little), "JPEG, big endian": jpegWithEXIF(jpegOf(t, m), big), "PNG": pngWithEXIF(pngOf(t, m), big),
		} {
			t.Run(fmt.Sprint(name, orientation), func(t *testing.T) {
				p := must(t, file)
				w, h := quadrantsWidth, quadrantsHeight
				if orientation >= 5 && orientation <= 8 {
					w, h = h, w
				}
				if p.Width != w || p.Height != h {
					t.Fatalf("%d × %d pixels, want %d × %d", p.Width, p.Height, w, h)
				}
				for i, at := range [][2]int{{0, 0}, {w - 1, 0}, {0, h - 1}, {w - 1, h - 1}} {
					p.check(t, at[0], at[1], want[i], 3)
				}
			})
		}
	}
	t.Run("WebP", func(t *testing.T) {
		const alpha, hasEXIF = 0, 8
		x := append([]byte{hasEXIF | alpha, 0, 0, 0}, 4, 0, 0, 2, 0, 0)
		file := solidWebP(5, 3, color.NRGBA{1, 2, 3, 255}, riffChunk("VP8X", x))
		file = riff(append(file[12:], riffChunk("EXIF", exif(binary.LittleEndian, "II", 6))...))
		if p := must(t, file); p.Width != 3 || p.Height != 5 {
			t.Errorf("%d × %d pixels, want 3 × 5", p.Width, p.Height)
		}
	})
	t.Run("damaged metadata", func(t *testing.T) {
		whole := exif(binary.LittleEndian, "II", 6)
		for n := range len(whole) {
			must(t, jpegWithEXIF(jpegOf(t, m), whole[:n]))
		}
		loop := exif(binary.LittleEndian, "II", 0)
		loop[len(loop)-4] = 8 // the next directory is this one
		must(t, jpegWithEXIF(jpegOf(t, m), loop))
	})
}

func TestFourComponentJPEG(t *testing.T) {
	// Adobe stores CMYK inverted: these samples are the ink left out.
	p := must(t, fourComponents([4]byte{255, 128, 64, 200}, 0))
	p.check(t, 3, 3, [3]int{200, 100, 50}, 2)
	// YCCK: luma and two chromas of the ink, neutral here, then black as above.
	p = must(t, fourComponents([4]byte{100, 128, 128, 255}, 2))
	p.check(t, 3, 3, [3]int{155, 155, 155}, 2)
	_, err := Decode(fourComponents([4]byte{1, 2, 3, 4}, -1), limit)
	wantError(t, err, "this kind of JPEG")
}

func wantError(t *testing.T, err error, part string) {
	t.Helper()
	if !errors.Is(err, ErrDecode) || !strings.Contains(fmt.Sprint(err), part) {
		t.Errorf("got error %v, want an ErrDecode that says %q", err, part)
	}
}

func TestBadFiles(t *testing.T) {
	ftyp := func(brands string) []byte { return []byte("\x00\x00\x00\x1cftyp" + brands) }
	m := drawn(quadrantsWidth, quadrantsHeight, quadrants)
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"empty", nil, "empty (0 bytes)"},
		{"text", []byte("a red circle on a blue ground\n"), "not a picture (30 bytes"},
		{"one byte", []byte{0xff}, "not a picture"},
		{"a word that begins like a BMP", []byte("BMW is a maker of cars."), "not a picture"},
		{"SVG", []byte("<?xml version=\"1.0\"?>\n<!-- by hand -->\n<svg xmlns=\"x\"/>"), "an SVG drawing; render it to PNG first"},
		{"SVG with BOM", []byte("\xef\xbb\xbf<svg>"), "an SVG drawing"},
		{"web page", []byte("\n<!DOCTYPE html><svg>"), "a web page"},
		{"HEIC", ftyp("heic\x00\x00\x00\x00mif1heic"), "a HEIC picture"},
		{"AVIF", ftyp("avif\x00\x00\x00\x00mif1avif"), "an AVIF picture"},
		{"AVIF under a common brand", ftyp("mif1\x00\x00\x00\x00mif1avif"), "an AVIF picture"},
		{"video", ftyp("isom\x00\x00\x02\x00isomavc1"), "a video"},
		{"PDF", []byte("%PDF-1.7"), "a PDF document"},
		{"PNG of 108 megapixels", pngClaiming(12000, 9000), "12000 × 9000 is 108 megapixels; at most 64"},
		{"PNG of sizes whose product overflows", pngClaiming(1<<31-1, 1<<31-1), "dimension overflow"},
		{"PNG of no pixels", pngClaiming(0, 7), "PNG"},
		{"PNG with a broken sum", flip(pngOf(t, m), pngHeader-1), "the PNG file cannot be decoded"},
		{"JPEG of only its mark", []byte{0xff, 0xd8, 0xff}, "the JPEG file is truncated"},
		{"animated WebP", riff(riffChunk("VP8X", []byte{2, 0, 0, 0, 4, 0, 0, 2, 0, 0})), "the WebP file cannot be decoded: it is animated"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Decode(c.data, limit)
			wantError(t, err, c.want)
		})
	}
}

func flip(data []byte, at int) []byte {
	data = bytes.Clone(data)
	data[at] ^= 0x40
	return data
}

func TestTruncatedFiles(t *testing.T) {
	m := drawn(quadrantsWidth, quadrantsHeight, quadrants)
	for name, file := range map[string][]byte{"PNG": pngOf(t, m), "JPEG": jpegOf(t, m)} {
		for _, n := range []int{12, 20, 40, len(file) / 4, len(file) / 2, len(file) * 3 / 4, len(file) - 12, len(file) - 2} {
			t.Run(fmt.Sprint(name, n), func(t *testing.T) {
				_, err := Decode(file[:n], limit)
				wantError(t, err, "the "+name+" file is truncated")
			})
		}
	}
	gif := animated(t)
	_, err := Decode(gif[:40], limit)
	wantError(t, err, "the GIF file is truncated")
	webp := solidWebP(5, 3, color.NRGBA{1, 2, 3, 255}, nil)
	_, err = Decode(webp[:24], limit)
	wantError(t, err, "the WebP file is truncated")
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestReadIsBounded(t *testing.T) {
	_, err := read(endless{}, 1000, limit)
	wantError(t, err, "more than 1000 bytes")
	broken := errors.New("the disk is gone")
	if _, err := Read(io.MultiReader(strings.NewReader("x"), errReader{broken}), limit); !errors.Is(err, broken) || errors.Is(err, ErrDecode) {
		t.Errorf("got %v, want the reader's own error", err)
	}
}

type errReader struct{ error }

func (r errReader) Read([]byte) (int, error) { return 0, r.error }

// FuzzDecode looks for panics and for pictures that break the promise of Pixels.
func FuzzDecode(f *testing.F) {
	f.Add(pngClaiming(3, 3))
	f.Add(fourComponents([4]byte{1, 2, 3, 4}, 2))
	f.Add(solidWebP(5, 3, color.NRGBA{1, 2, 3, 4}, nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Decode(data, 1<<16)
		if err == nil && (len(p.Pixels) != 4*p.Width*p.Height || p.Width*p.Height > 1<<16) {
			t.Errorf("%d bytes for %d × %d pixels", len(p.Pixels), p.Width, p.Height)
		}
		if err != nil && !errors.Is(err, ErrDecode) {
			t.Error(err)
		}
	})
}
