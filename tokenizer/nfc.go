package tokenizer

import (
	_ "embed"
	"encoding/binary"
	"sort"
	"sync"
)

// nfcData is written by nfc_generate.go, which describes it. Unicode 15.0.
//
//go:embed nfc.bin
var nfcData []byte

type nfcTable struct {
	parts    map[rune][2]rune // canonical decomposition, one step; second is 0 where there is one part
	composed map[[2]rune]rune
	classes  []classRange // in order
}

type classRange struct {
	start, end rune // end is not included
	class      uint8
}

var loadNFC = sync.OnceValue(func() *nfcTable {
	rest := nfcData
	next := func() rune {
		v, n := binary.Uvarint(rest)
		rest = rest[n:]
		return rune(v)
	}
	n := next()
	t := &nfcTable{parts: make(map[rune][2]rune, n), composed: make(map[[2]rune]rune, n/2)}
	for char := rune(0); n > 0; n-- {
		char += next()
		first, second := next(), next()
		parts := [2]rune{first, second >> 1}
		t.parts[char] = parts
		if parts[1] != 0 && second&1 == 0 {
			t.composed[parts] = char
		}
	}
	t.classes = make([]classRange, next())
	end := rune(0)
	for i := range t.classes {
		start := end + next()
		end = start + next()
		t.classes[i] = classRange{start, end, uint8(next())}
	}
	return t
})

// Below firstUncertain every character is in normal form C wherever it stands.
const firstUncertain = 0x300

// Hangul syllables compose by arithmetic (Unicode 15.0, section 3.12).
const (
	hangulBase, hangulEnd = 0xAC00, 0xAC00 + 11172
	leadBase, leadCount   = 0x1100, 19
	vowelBase, vowelCount = 0x1161, 21
	tailBase, tailCount   = 0x11A7, 28
)

// mark is a character with its canonical combining class.
type mark struct {
	char  rune
	class uint8
}

// nfc gives text in Unicode's normal form C (UAX 15).
func nfc(text string) string {
	plain := true
	for _, r := range text {
		if r >= firstUncertain {
			plain = false
			break
		}
	}
	if plain {
		return text
	}
	t := loadNFC()
	chars := make([]mark, 0, len(text)/2)
	for _, r := range text {
		chars = t.decompose(chars, r)
	}
	reorder(chars)
	chars = t.compose(chars)
	out := make([]rune, len(chars))
	for i, c := range chars {
		out[i] = c.char
	}
	return string(out)
}

func (t *nfcTable) class(r rune) uint8 {
	if r < firstUncertain {
		return 0
	}
	i := sort.Search(len(t.classes), func(i int) bool { return t.classes[i].end > r })
	if i < len(t.classes) && r >= t.classes[i].start {
		return t.classes[i].class
	}
	return 0
}

func (t *nfcTable) decompose(chars []mark, r rune) []mark {
	if r >= hangulBase && r < hangulEnd {
		i := r - hangulBase
		chars = append(chars,
			mark{char: leadBase + i/(vowelCount*tailCount)},
			mark{char: vowelBase + i%(vowelCount*tailCount)/tailCount})
		if tail := i % tailCount; tail != 0 {
			chars = append(chars, mark{char: tailBase + tail})
		}
		return chars
	}
	if parts, ok := t.parts[r]; ok {
		chars = t.decompose(chars, parts[0])
		if parts[1] != 0 {
			chars = t.decompose(chars, parts[1])
		}
		return chars
	}
	return append(chars, mark{r, t.class(r)})
}

// reorder sorts each run of combining characters by class and leaves equals as they are.
func reorder(chars []mark) {
	for i := 0; i < len(chars); i++ {
		start := i
		for i < len(chars) && chars[i].class != 0 {
			i++
		}
		if i-start > 1 {
			run := chars[start:i]
			sort.SliceStable(run, func(a, b int) bool { return run[a].class < run[b].class })
		}
	}
}

// compose joins starters with what follows them where nothing of the same or a higher class stands between.
func (t *nfcTable) compose(chars []mark) []mark {
	out := chars[:0]
	starter := -1
	for _, c := range chars {
		last := len(out) - 1
		if starter >= 0 && (last == starter || out[last].class < c.class && out[last].class != 0) {
			if joined, ok := t.join(out[starter].char, c.char); ok {
				out[starter].char = joined
				continue
			}
		}
		if c.class == 0 {
			starter = len(out)
		}
		out = append(out, c)
	}
	return out
}

func (t *nfcTable) join(a, b rune) (rune, bool) {
	if l, v := a-leadBase, b-vowelBase; l >= 0 && l < leadCount && v >= 0 && v < vowelCount {
		return hangulBase + (l*vowelCount+v)*tailCount, true
	}
	if s, tail := a-hangulBase, b-tailBase; s >= 0 && a < hangulEnd && s%tailCount == 0 && tail > 0 && tail < tailCount {
		return a + tail, true
	}
	joined, ok := t.composed[[2]rune{a, b}]
	return joined, ok
}
