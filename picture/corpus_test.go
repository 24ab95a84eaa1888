//go:build !js

package picture

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"testing"
)

// Files are made here, not kept: what is in them can be read.

// quadrants has four colours, so that every turn of it differs, in 6 × 4 fields of 8 × 8 pixels.
const quadrantsWidth, quadrantsHeight = 48, 32

func quadrants(x, y int) color.NRGBA {
	switch right, low := x >= quadrantsWidth/2, y >= quadrantsHeight/2; {
	case right && low:
		return color.NRGBA{250, 200, 10, 255}
	case right:
		return color.NRGBA{20, 160, 40, 255}
	case low:
		return color.NRGBA{30, 60, 220, 255}
	}
	return color.NRGBA{200, 30, 50, 255}
}

func drawn(w, h int, at func(x, y int) color.NRGBA) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.SetNRGBA(x, y, at(x, y))
		}
	}
	return m
}

func pngOf(t *testing.T, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func jpegOf(t *testing.T, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 100}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// exif is a TIFF structure with the one tag, in either byte order.
func exif(order binary.AppendByteOrder, mark string, orientation uint16) []byte {
	b := order.AppendUint16([]byte(mark), 42)
	b = order.AppendUint32(b, 8)
	b = order.AppendUint16(b, 1) // entries
	b = order.AppendUint16(b, 0x0112)
	b = order.AppendUint16(b, 3) // a short
	b = order.AppendUint32(b, 1)
	b = order.AppendUint16(b, orientation)
	b = order.AppendUint16(b, 0)
	return order.AppendUint32(b, 0) // no further directory
}

// jpegWithEXIF puts metadata behind the first marker.
func jpegWithEXIF(file, exif []byte) []byte {
	segment := append([]byte("Exif\x00\x00"), exif...)
	out := append([]byte{0xff, 0xd8, 0xff, 0xe1}, binary.BigEndian.AppendUint16(nil, uint16(len(segment)+2))...)
	return append(append(out, segment...), file[2:]...)
}

func pngChunk(kind string, data []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	b = append(append(b, kind...), data...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

const pngHeader = 8 + 25 // signature and IHDR

// pngWithEXIF puts metadata behind the header.
func pngWithEXIF(file, exif []byte) []byte {
	return bytes.Join([][]byte{file[:pngHeader], pngChunk("eXIf", exif), file[pngHeader:]}, nil)
}

// pngClaiming is the beginning of a PNG of a size that nothing backs.
func pngClaiming(w, h uint32) []byte {
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, w), h)
	return append([]byte("\x89PNG\r\n\x1a\n"), pngChunk("IHDR", append(head, 8, 2, 0, 0, 0))...)
}

// animated has two frames. The first covers only a part of the screen, and one corner of it is
// transparent.
func animated(t *testing.T) []byte {
	t.Helper()
	palette := color.Palette{color.NRGBA{}, color.NRGBA{200, 30, 50, 255}, color.NRGBA{0, 0, 255, 255}}
	first, second := image.NewPaletted(image.Rect(4, 2, 12, 8), palette), image.NewPaletted(image.Rect(0, 0, 16, 10), palette)
	for i := range first.Pix {
		first.Pix[i] = 1
	}
	first.SetColorIndex(4, 2, 0)
	for i := range second.Pix {
		second.Pix[i] = 2
	}
	var b bytes.Buffer
	err := gif.EncodeAll(&b, &gif.GIF{
		Image: []*image.Paletted{first, second}, Delay: []int{10, 10},
		Config: image.Config{ColorModel: palette, Width: 16, Height: 10},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// bitWriter packs codes, high bit first for JPEG and low bit first for WebP.
type bitWriter struct {
	bytes   []byte
	free    int // bits of the last byte
	lowBits bool
}

func (w *bitWriter) put(v, n int) {
	for i := range n {
		if w.free == 0 {
			w.bytes, w.free = append(w.bytes, 0), 8
		}
		bit, at := v>>(n-1-i)&1, w.free-1
		if w.lowBits {
			bit, at = v>>i&1, 8-w.free
		}
		w.bytes[len(w.bytes)-1] |= byte(bit << at)
		w.free--
	}
}

// fourComponents is a JPEG of one flat 8 × 8 block with four components of the given samples. Its
// Huffman tables have just what a flat block needs: a size of eight bits for the difference, and
// the end of the block. adobe is the transform that an APP14 marker names, or -1 for no marker.
func fourComponents(samples [4]byte, adobe int) []byte {
	segment := func(marker byte, data ...byte) []byte {
		return append([]byte{0xff, marker, byte((len(data) + 2) >> 8), byte(len(data) + 2)}, data...)
	}
	table := func(class byte, symbols ...byte) []byte {
		lengths := make([]byte, 16)
		lengths[3] = byte(len(symbols)) // all of four bits
		return segment(0xc4, append(append([]byte{class}, lengths...), symbols...)...)
	}
	ones := bytes.Repeat([]byte{1}, 64)
	ones[0] = 8 // so that the coefficient of a flat block is its sample
	file := []byte{0xff, 0xd8}
	if adobe >= 0 {
		file = append(file, segment(0xee, append([]byte("Adobe\x00\x64\x00\x00\x00\x00"), byte(adobe))...)...)
	}
	file = append(file, segment(0xdb, append([]byte{0}, ones...)...)...)
	file = append(file, segment(0xc0, 8, 0, 8, 0, 8, 4, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0, 4, 0x11, 0)...)
	file = append(file, table(0x00, 0, 1, 2, 3, 4, 5, 6, 7, 8)...)
	file = append(file, table(0x10, 0)...)
	file = append(file, segment(0xda, 4, 1, 0, 2, 0, 3, 0, 4, 0, 0, 63, 0)...)
	w := bitWriter{}
	for _, s := range samples {
		v, size := int(s)-128, 0
		for m := max(v, -v); m > 0; m >>= 1 {
			size++
		}
		if v < 0 {
			v += 1<<size - 1
		}
		w.put(size, 4) // codes are given out in the order of the symbols
		w.put(v, size)
		w.put(0, 4)
	}
	w.put(0xff, w.free)
	scan := bytes.ReplaceAll(w.bytes, []byte{0xff}, []byte{0xff, 0}) // so that it is no marker
	return append(append(file, scan...), 0xff, 0xd9)
}

// solidWebP is a lossless WebP of one colour: every prefix code has a single symbol.
func solidWebP(w, h int, c color.NRGBA, extra []byte) []byte {
	b := bitWriter{lowBits: true}
	b.put(0x2f, 8)
	b.put(w-1, 14)
	b.put(h-1, 14)
	b.put(1, 1) // alpha is used
	b.put(0, 3) // version
	b.put(0, 3) // no transform, no colour cache, one group of codes
	for _, symbol := range []byte{c.G, c.R, c.B, c.A, 0} {
		b.put(1, 1) // a simple code
		b.put(0, 1) // of one symbol
		b.put(1, 1) // of eight bits
		b.put(int(symbol), 8)
	}
	return riff(append(extra, riffChunk("VP8L", b.bytes)...))
}

func riffChunk(kind string, data []byte) []byte {
	b := append(binary.LittleEndian.AppendUint32([]byte(kind), uint32(len(data))), data...)
	return append(b, make([]byte, len(b)%2)...)
}

func riff(chunks []byte) []byte {
	b := binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(chunks)+4))
	return append(append(b, "WEBP"...), chunks...)
}
