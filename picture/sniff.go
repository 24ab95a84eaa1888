//go:build !js

package picture

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"regexp"
	"strings"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
	"golang.org/x/image/webp"
)

// A format is one kind of file that can be read.
type format struct {
	name         string
	starts       *regexp.Regexp
	decode       func(io.Reader) (image.Image, error)
	decodeConfig func(io.Reader) (image.Config, error)
	exif         func(data []byte) []byte // the metadata's TIFF structure
}

// Signatures are of bytes, hence the s flag and Latin-1 text.
var formats = []*format{
	{"PNG", regexp.MustCompile(`(?s)^\x{89}PNG\r\n\x1a\n`), png.Decode, png.DecodeConfig, pngEXIF},
	{"JPEG", regexp.MustCompile(`(?s)^\x{ff}\x{d8}\x{ff}`), decodeJPEG, jpeg.DecodeConfig, jpegEXIF},
	{"GIF", regexp.MustCompile(`(?s)^GIF8[79]a`), gif.Decode, gif.DecodeConfig, nil},
	{"WebP", regexp.MustCompile(`(?s)^RIFF....WEBP`), decodeWebP, webp.DecodeConfig, webpEXIF},
	{"TIFF", regexp.MustCompile(`(?s)^(II\*\x00|MM\x00\*)`), tiff.Decode, tiff.DecodeConfig, tiffEXIF},
	{"BMP", regexp.MustCompile(`(?s)^BM....\x00\x00\x00\x00`), bmp.Decode, bmp.DecodeConfig, nil},
}

// others are what people give most often that cannot be read.
var others = []struct {
	starts *regexp.Regexp
	name   string
}{
	{regexp.MustCompile(`(?s)^....ftyp(.{4}.{4}(.{4})*)?avi[fs]`), "an AVIF picture; save it as PNG or JPEG"},
	{regexp.MustCompile(`(?s)^....ftyp(hei[cxms]|hev[cx]|mif1|msf1)`), "a HEIC picture; save it as PNG or JPEG"},
	{regexp.MustCompile(`(?s)^(\x{ff}\x0a|....JXL )`), "a JPEG XL picture; save it as PNG or JPEG"},
	{regexp.MustCompile(`(?s)^8BPS`), "a Photoshop document; export it as PNG"},
	{regexp.MustCompile(`(?s)^\x00\x00\x01\x00`), "an icon file; save it as PNG"},
	{regexp.MustCompile(`(?s)^%PDF`), "a PDF document; render a page of it to PNG"},
	{regexp.MustCompile(`(?s)^PK\x03\x04`), "a ZIP archive or an office document; give the pictures in it"},
	{regexp.MustCompile(`(?s)^(....ftyp|\x1a\x45\x{df}\x{a3})`), "a video; save one of its frames as PNG"},
	{regexp.MustCompile(`(?is)^(\x{ef}\x{bb}\x{bf})?\s*(<\?xml[^>]*>\s*|<!--.*?-->\s*|<!doctype svg[^>]*>\s*)*<svg[\s/>]`), "an SVG drawing; render it to PNG first"},
	{regexp.MustCompile(`(?is)^\s*<(!doctype html|html)`), "a web page; download the picture itself"},
}

// sniffed is how much of a file is looked at.
const sniffed = 4096

// sniff finds the format by what the file begins with; names of files are not believed.
func sniff(data []byte) (*format, error) {
	if len(data) == 0 {
		return nil, failed("the file is empty (0 bytes); choose another or download it again")
	}
	head := latin1(data[:min(len(data), sniffed)])
	for _, f := range formats {
		if f.starts.MatchString(head) {
			return f, nil
		}
	}
	for _, o := range others {
		if o.starts.MatchString(head) {
			return nil, failed("the file is %s", o.name)
		}
	}
	return nil, failed("the file is not a picture (%d bytes, no known signature); want PNG, JPEG, GIF, WebP, BMP or TIFF", len(data))
}

// latin1 makes each byte one character, so that patterns match bytes.
func latin1(data []byte) string {
	var s strings.Builder
	for _, b := range data {
		s.WriteRune(rune(b))
	}
	return s.String()
}

func decodeJPEG(r io.Reader) (image.Image, error) {
	img, err := jpeg.Decode(r)
	var unsupported jpeg.UnsupportedError
	if errors.As(err, &unsupported) {
		err = fmt.Errorf("this kind of JPEG (%s) is not supported", string(unsupported))
	}
	return img, err
}

// decodeWebP names what the decoder only calls invalid, and mends the colours of lossy pictures.
func decodeWebP(r io.Reader) (image.Image, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	const flags, animation = 20, 2
	if len(data) > flags && string(data[12:16]) == "VP8X" && data[flags]&animation != 0 {
		return nil, errors.New("it is animated")
	}
	img, err := webp.Decode(bytes.NewReader(data))
	switch m := img.(type) {
	case *image.YCbCr:
		fullRange(m)
	case *image.NYCbCrA:
		fullRange(&m.YCbCr)
	}
	return img, err
}
