package tensor

import (
	"encoding/binary"

	"github.com/x448/float16"
)

func packF16(dst, _ []byte, src []float32) {
	for i, x := range src {
		putHalf(dst[2*i:], x)
	}
}

func unpackF16(dst []float32, quants, _ []byte) {
	for i := range dst {
		dst[i] = half(quants[2*i:])
	}
}

func putHalf(dst []byte, x float32) {
	binary.LittleEndian.PutUint16(dst, uint16(float16.Fromfloat32(x)))
}

func half(src []byte) float32 {
	return float16.Frombits(binary.LittleEndian.Uint16(src)).Float32()
}
