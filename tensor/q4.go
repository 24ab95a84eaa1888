package tensor

import "math"

// Q4 stores a row as nibbles, element i in byte i/2, the low nibble when i is even, as q+8; after
// all rows come the scales, one f16 per block: value = scale·q with q in [-8,7].

func packQ4(quants, scales []byte, src []float32) {
	var block [BlockLen]float64
	for b := range len(src) / BlockLen {
		for i, x := range src[b*BlockLen : (b+1)*BlockLen] {
			block[i] = float64(x)
		}
		scale := q4Scale(&block)
		putHalf(scales[2*b:], float32(scale))
		inverse := q4Inverse(scale)
		pairs := quants[b*BlockLen/2:][:BlockLen/2]
		for i := range pairs {
			low, high := q4Quant(block[2*i], inverse), q4Quant(block[2*i+1], inverse)
			pairs[i] = byte(int(low)+8) | byte(int(high)+8)<<4
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

// q4Scale searches the scale of least squared error, rounded to f16. Quants that some scale gives have
// a best scale of their own, Σxq/Σq², so a coarse search finds fine scales. The scale of plain absmax
// is among the starts, which makes that the worst outcome. The others put the signed extreme near -8,
// within it or clipped in favour of the other 31 weights.
func q4Scale(block *[BlockLen]float64) float64 {
	extreme := 0.0
	for _, x := range block {
		if math.Abs(x) > math.Abs(extreme) {
			extreme = x
		}
	}
	if extreme == 0 {
		return 0
	}
	scale, most := roundHalf(math.Abs(extreme)/7), 0.0
	try := func(inverse float64) {
		xq, qq := q4Sums(block, inverse)
		if xq*xq <= most*qq {
			return
		}
		s := roundHalf(xq / qq)
		// What is no number passes: a block that holds one is to be seen.
		if explained := s * (2*xq - float64(s*qq)); !(explained <= most) {
			scale, most = s, explained
		}
	}
	try(q4Inverse(scale))
	for step := range 11 {
		try(-float64(62+3*step) / 10 / extreme)
	}
	return scale
}

// q4Sums is Σxq and Σq² over the quants of a block. Products are rounded before they are added, or
// processors that fuse the two would pack other bytes.
func q4Sums(block *[BlockLen]float64, inverse float64) (xq, qq float64) {
	for _, x := range block {
		q := q4Quant(x, inverse)
		xq += float64(x * q)
		qq += q * q
	}
	return xq, qq
}

// q4Quant is x·inverse as the nearest q, for products within ±32. Adding 1.5·2⁵² leaves an integer in
// the low bits, and a table clamps it without a branch.
func q4Quant(x, inverse float64) float64 {
	return q4Clamped[math.Float64bits(float64(x*inverse)+3<<51)%64]
}

// q4Clamped holds the clamped value of each six-bit integer in two's complement.
var q4Clamped = func() (table [64]float64) {
	for i := range table {
		table[i] = float64(min(max((i+32)%64-32, -8), 7))
	}
	return table
}()

// q4Inverse is 1/scale, but 0 for the scale 0, whose quants are all 0.
func q4Inverse(scale float64) float64 {
	if scale == 0 {
		return 0
	}
	return 1 / scale
}

// roundHalf is x as it is stored.
func roundHalf(x float64) float64 {
	var stored [2]byte
	putHalf(stored[:], float32(x))
	return float64(half(stored[:]))
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
