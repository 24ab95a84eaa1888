//go:build !js

package picture

import (
	"bytes"
	"encoding/binary"
)

// How each kind of file holds its EXIF metadata, which is a TIFF structure. The finders return nil
// where there is none, and for a file that ends early what is left: damaged metadata is no reason to
// refuse a picture.

func jpegEXIF(data []byte) []byte {
	const start, scan, app1 = 2, 0xda, 0xe1
	for at := start; at+4 <= len(data) && data[at] == 0xff && data[at+1] != scan; {
		if data[at+1] == 0xff { // a fill byte
			at++
			continue
		}
		next := at + 2 + int(binary.BigEndian.Uint16(data[at+2:]))
		if body, ok := bytes.CutPrefix(data[at+4:max(at+4, min(next, len(data)))], []byte("Exif\x00\x00")); ok && data[at+1] == app1 {
			return body
		}
		at = next
	}
	return nil
}

func pngEXIF(data []byte) []byte { return chunk(data, 8, "eXIf", binary.BigEndian, pngFrame) }

func webpEXIF(data []byte) []byte {
	return bytes.TrimPrefix(chunk(data, 12, "EXIF", binary.LittleEndian, riffFrame), []byte("Exif\x00\x00"))
}

func tiffEXIF(data []byte) []byte { return data }

// A frame is how a container wraps a chunk's body.
type frame struct {
	kind, size int // offsets of the four letters and of the body's length; the body is at 8
	sum        int // bytes behind the body
	even       bool
}

var (
	pngFrame  = frame{kind: 4, size: 0, sum: 4}
	riffFrame = frame{kind: 0, size: 4, even: true}
)

// chunk finds the first chunk of a kind in a PNG or RIFF file.
func chunk(data []byte, at int, kind string, order binary.ByteOrder, f frame) []byte {
	for at+8 <= len(data) {
		size := int(order.Uint32(data[at+f.size:]))
		body := data[at+8:]
		if size > len(body) {
			return nil
		}
		if string(data[at+f.kind:at+f.kind+4]) == kind {
			return body[:size]
		}
		at += 8 + size + f.sum
		if f.even {
			at += size % 2
		}
	}
	return nil
}

// orientation is the EXIF tag of that name in a TIFF structure, 1 to 8; 1 when it says nothing valid.
func orientation(tiff []byte) int {
	const tag, short, entry = 0x0112, 3, 12
	var order binary.ByteOrder = binary.LittleEndian
	if bytes.HasPrefix(tiff, []byte("MM")) {
		order = binary.BigEndian
	}
	if len(tiff) < 8 || order.Uint16(tiff[2:]) != 42 {
		return 1
	}
	at := uint64(order.Uint32(tiff[4:]))
	if at+2 > uint64(len(tiff)) {
		return 1
	}
	directory := tiff[at+2:]
	for range order.Uint16(tiff[at:]) {
		if len(directory) < entry {
			return 1
		}
		if order.Uint16(directory) == tag {
			if v := order.Uint16(directory[8:]); order.Uint16(directory[2:]) == short && v >= 1 && v <= 8 {
				return int(v)
			}
			return 1
		}
		directory = directory[entry:]
	}
	return 1
}
