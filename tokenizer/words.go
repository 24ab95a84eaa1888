package tokenizer

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// The regular expressions by which byte-level tokenizers find words look ahead, which Go's regexp does not; each is
// written out here as a function that gives the length of the word at the start of a text.

// gpt2Pattern is what ByteLevel uses; llama3Pattern and qwen2Pattern come spelled out in a Split.
const (
	gpt2Pattern   = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
	llama3Pattern = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	qwen2Pattern  = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

var knownPatterns = map[string]func(string) int{
	gpt2Pattern:   gpt2Word,
	llama3Pattern: func(s string) int { return llamaWord(s, 3) },
	qwen2Pattern:  func(s string) int { return llamaWord(s, 1) },
}

// eachWord cuts text into words with one of the functions below.
func eachWord(text string, word func(string) int, emit func(string)) {
	for text != "" {
		n := word(text)
		emit(text[:n])
		text = text[n:]
	}
}

func isOther(r rune) bool {
	return !unicode.IsSpace(r) && !unicode.IsLetter(r) && !unicode.IsNumber(r)
}

// span is the length of the characters at the start of s that are of a class.
func span(s string, class func(rune) bool) int {
	for i, r := range s {
		if !class(r) {
			return i
		}
	}
	return len(s)
}

// contraction is the length of an English 's, 't, 're ... at the start of s, or 0.
func contraction(s string) int {
	for _, c := range []string{"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"} {
		if strings.HasPrefix(s, c) {
			return len(c)
		}
	}
	return 0
}

// gpt2Word is the length of the first match of gpt2Pattern in s, which is not empty.
func gpt2Word(s string) int {
	if n := contraction(s); n > 0 {
		return n
	}
	space := 0
	if s[0] == ' ' {
		space = 1
	}
	for _, class := range []func(rune) bool{unicode.IsLetter, unicode.IsNumber, isOther} {
		if n := span(s[space:], class); n > 0 {
			return space + n
		}
	}
	return spaces(s, span(s, unicode.IsSpace))
}

// spaces is `\s+(?!\S)|\s+` on the n bytes of white space that s starts with: all of it at the end of the text, else
// all but its last character, which goes to the next word, unless there is only one.
func spaces(s string, n int) int {
	if n == len(s) {
		return n
	}
	_, last := utf8.DecodeLastRuneInString(s[:n])
	if n > last {
		return n - last
	}
	return n
}

// llamaWord is the length of the first match in s, which is not empty, of llama3Pattern, or with digits 1 of qwen2Pattern.
func llamaWord(s string, digits int) int {
	if s[0] == '\'' {
		// Folding case, the long s is an s too.
		head := strings.ToLower(strings.ReplaceAll(s[:min(len(s), 4)], "ſ", "s"))
		if n := contraction(head); n > 0 {
			if strings.HasPrefix(s[1:], "ſ") {
				n += len("ſ") - len("s")
			}
			return n
		}
	}
	r, size := utf8.DecodeRuneInString(s)
	if unicode.IsLetter(r) {
		return span(s, unicode.IsLetter)
	}
	if r != '\r' && r != '\n' && !unicode.IsNumber(r) {
		if n := span(s[size:], unicode.IsLetter); n > 0 {
			return size + n
		}
	}
	if unicode.IsNumber(r) {
		n := size
		for ; digits > 1; digits-- {
			r, size := utf8.DecodeRuneInString(s[n:])
			if !unicode.IsNumber(r) {
				break
			}
			n += size
		}
		return n
	}
	space := 0
	if s[0] == ' ' {
		space = 1
	}
	if n := span(s[space:], isOther); n > 0 {
		n += space
		return n + span(s[n:], func(r rune) bool { return r == '\r' || r == '\n' })
	}
	n := span(s, unicode.IsSpace)
	if line := strings.LastIndexAny(s[:n], "\r\n"); line >= 0 {
		return line + 1
	}
	return spaces(s, n)
}
