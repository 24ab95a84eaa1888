package tensor

// Q8 stores a row as int8 quants; after all rows come the scales, one f16 per block:
// value = scale·q with q in [-127,127].

func packQ8(quants, scales []byte, src []float32) {
	for b := 0; b < len(src)/BlockLen; b++ {
		block := src[b*BlockLen : (b+1)*BlockLen]
		putHalf(scales[2*b:], absMax(block)/127)
		scale := half(scales[2*b:])
		for i, x := range block {
			quants[b*BlockLen+i] = byte(int8(quantise(x, scale, -127, 127)))
		}
	}
}

func unpackQ8(dst []float32, quants, scales []byte) {
	for b := 0; b < len(dst); b += BlockLen {
		scale := half(scales[b/BlockLen*2:])
		for i := b; i < b+BlockLen; i++ {
			dst[i] = scale * float32(int8(quants[i]))
		}
	}
}
