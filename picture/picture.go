//go:build !js

// Package picture reads picture files into the pixels that a model takes: PNG, JPEG, GIF (the first
// frame), WebP, BMP and TIFF, turned as EXIF says, on white where they are transparent. What it
// cannot read it names. A browser decodes pictures itself, so this package is for native programs.
package picture

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"io"
	"strings"
)

// ErrDecode marks everything that is wrong with a picture file.
var ErrDecode = errors.New("media")

// MaxFile is the largest file that is read, in bytes.
const MaxFile = 256 << 20

// A Picture is Width·Height pixels of straight RGBA, 8 bits each, row by row, opaque.
type Picture struct {
	Width, Height int
	Pixels        []byte
}

// Read decodes a file of at most MaxFile bytes, see Decode. Errors of r come back as they are.
func Read(r io.Reader, maxPixels int) (Picture, error) { return read(r, MaxFile, maxPixels) }

func read(r io.Reader, maxFile int64, maxPixels int) (Picture, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return Picture{}, err
	}
	if int64(len(data)) > maxFile {
		return Picture{}, failed("the file has more than %d bytes; scale the picture down", maxFile)
	}
	return Decode(data, maxPixels)
}

// Decode reads the bytes of a picture file. A picture of more than maxPixels is refused before
// anything is allocated for it. Errors wrap ErrDecode.
func Decode(data []byte, maxPixels int) (Picture, error) {
	f, err := sniff(data)
	if err != nil {
		return Picture{}, err
	}
	size, err := f.decodeConfig(bytes.NewReader(data))
	if err != nil {
		return Picture{}, f.explain(err)
	}
	if size.Width < 1 || size.Height < 1 {
		return Picture{}, failed("the %s picture is %d × %d pixels, want at least 1 × 1", f.name, size.Width, size.Height)
	}
	if size.Width > maxPixels/size.Height {
		return Picture{}, failed("%d × %d is %d megapixels; at most %d; scale the picture down",
			size.Width, size.Height, (int64(size.Width)*int64(size.Height)+500_000)/1_000_000, maxPixels/1_000_000)
	}
	img, err := f.pixels(data)
	if err != nil {
		return Picture{}, err
	}
	p := flatten(img, size.Width, size.Height)
	if f.exif == nil {
		return p, nil
	}
	return turn(p, orientation(f.exif(data))), nil
}

// pixels runs a decoder. One that panics on a hostile file must not take a batch of others with it.
func (f *format) pixels(data []byte) (img image.Image, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = f.explain(fmt.Errorf("the decoder failed: %v", p))
		}
	}()
	if img, err = f.decode(bytes.NewReader(data)); err != nil {
		err = f.explain(err)
	}
	return img, err
}

func failed(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrDecode}, args...)...)
}

// truncated are words by which the decoders say that a file ends too early. Some of them do not keep
// io.ErrUnexpectedEOF as such.
var truncated = []string{io.ErrUnexpectedEOF.Error(), io.EOF.Error(), "not enough pixel data", "short Huffman data", "short chunk"}

// explain says in our words what a decoder complains of.
func (f *format) explain(err error) error {
	for _, sign := range truncated {
		if strings.Contains(err.Error(), sign) {
			return failed("the %s file is truncated; save or download it again", f.name)
		}
	}
	return failed("the %s file cannot be decoded: %w; save the picture as PNG and try again", f.name, err)
}
