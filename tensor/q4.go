package tensor

import "math"

// Q4 stores a row as nibbles, element i in byte i/2, the low nibble when i is even, as q+8; after
// all rows come the scales, one f16 per block: value = scale·q with q in [-8,7].

func packQ4(quants, scales []byte, src []float32) {
	for b := 0; b < len(src)/BlockLen; b++ {
		block := src[b*BlockLen : (b+1)*BlockLen]
		scale := q4Scale(block)
		putHalf(scales[2*b:], scale)
		scale = half(scales[2*b:])
		pairs := quants[b*BlockLen/2:]
		for i := range BlockLen / 2 {
			low, high := quantise(block[2*i], scale, -8, 7)+8, quantise(block[2*i+1], scale, -8, 7)+8
			pairs[i] = byte(low | high<<4)
		}
	}
}

func unpackQ4(dst []float32, quants, scales []byte) {
	for b := 0; b < len(dst); b += BlockLen {
		scale := half(scales[b/BlockLen*2:])
		for i := b; i < b+BlockLen; i++ {
			dst[i] = scale * float32(int(quants[i/2]>>(4*(i&1))&15)-8)
		}
	}
}

// q4Scale searches the scale of least squared error. The signed extreme sits at -8, so candidates
// are its eighth and neighbours that clip it in favour of the other 31 weights.
func q4Scale(block []float32) float32 {
	var extreme float32
	for _, x := range block {
		if math.Abs(float64(x)) > math.Abs(float64(extreme)) {
			extreme = x
		}
	}
	if extreme == 0 {
		return 0
	}
	best, bestErr := float32(0), math.Inf(1)
	for step := range 25 {
		for _, sign := range [2]float32{-1, 1} {
			scale := sign * extreme / (6 + 0.125*float32(step))
			if e := squaredError(block, scale, -8, 7); e < bestErr {
				best, bestErr = scale, e
			}
		}
	}
	return best
}

func squaredError(block []float32, scale float32, lo, hi int) float64 {
	sum := 0.0
	for _, x := range block {
		d := float64(x) - float64(scale)*float64(quantise(x, scale, lo, hi))
		sum += d * d
	}
	return sum
}

func quantise(x, scale float32, lo, hi int) int {
	if scale == 0 {
		return 0
	}
	return min(max(int(math.RoundToEven(float64(x)/float64(scale))), lo), hi)
}

func absMax(v []float32) float32 {
	m := float32(0)
	for _, x := range v {
		m = max(m, float32(math.Abs(float64(x))))
	}
	return m
}
