package tokenizer

import (
	"math/rand/v2"
	"strings"
	"unicode/utf8"
)

// randomTexts gives valid UTF-8 of many kinds, always the same.
func randomTexts(n int) []string {
	r := rand.New(rand.NewPCG(1, 2))
	pools := []string{
		"abcdefghij ABC", " \t\n\r\u00a0\u2003\u3000", "'stmdrevl' ", "0123456789 ٣५Ⅷ½", "!?.,;:-_()[]<>|@#$%^&*",
		"éàüñçßøåłžđ", "日本語の文字한국어中文", "\u0301\u0327\u0323\u0308\u05b0\u3099", "🙂👍🏽👩\u200d👧🏳️\u200d🌈", "\u1100\u1161\u11a8\uac00",
		"<image>", "[MASK]", "  ",
	}
	texts := make([]string, n)
	for i := range texts {
		var b strings.Builder
		for b.Len() < r.IntN(200) {
			if r.IntN(10) == 0 {
				if c := rune(r.IntN(utf8.MaxRune + 1)); utf8.ValidRune(c) {
					b.WriteRune(c)
				}
				continue
			}
			pool := pools[r.IntN(len(pools))]
			if r.IntN(8) == 0 {
				b.WriteString(pool)
				continue
			}
			chars := []rune(pool)
			for k := r.IntN(6); k >= 0; k-- {
				b.WriteRune(chars[r.IntN(len(chars))])
			}
		}
		texts[i] = b.String()
	}
	return texts
}
