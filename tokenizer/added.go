package tokenizer

import (
	"fmt"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// addedToken is a token that is looked for in the text before the model sees it.
type addedToken struct {
	content    string
	id         int32
	special    bool
	normalized bool // looked for in the normalised text, itself normalised
	singleWord bool // only where no word character touches it
	lstrip     bool // takes the white space on its left with it
	rstrip     bool
}

// setAdded makes list the added tokens of t. Where a name comes twice the later entry holds, as in the library.
func (t *Tokenizer) setAdded(list []addedToken) error {
	byName := map[string]int{}
	t.added = nil
	for _, a := range list {
		switch owner := t.tokenAt(a.id); {
		case a.content == "":
			return fmt.Errorf("tokenizer: added_tokens: id %d has no text: give it its content", a.id)
		case len(a.content) > maxTokenBytes:
			return fmt.Errorf("tokenizer: added_tokens: id %d: got a text of %d bytes, want at most %d: check the file", a.id, len(a.content), maxTokenBytes)
		case a.id < 0 || a.id >= maxIDs:
			return fmt.Errorf("tokenizer: added_tokens: %q: got id %d, want 0 to %d: check the file", a.content, a.id, maxIDs-1)
		case owner != "" && owner != a.content:
			return fmt.Errorf("tokenizer: added_tokens: %q: id %d already belongs to %q: check the file", a.content, a.id, owner)
		}
		if id, ok := t.model.vocab[a.content]; ok && id != a.id {
			return fmt.Errorf("tokenizer: added_tokens: %q: got id %d, want %d as in the vocabulary: check the file", a.content, a.id, id)
		}
		if i, ok := byName[a.content]; ok {
			if t.added[i].id != a.id {
				return fmt.Errorf("tokenizer: added_tokens: %q: got ids %d and %d, want one: check the file", a.content, t.added[i].id, a.id)
			}
			t.added[i] = a
			continue
		}
		byName[a.content] = len(t.added)
		t.added = append(t.added, a)
		if need := int(a.id) + 1 - len(t.tokens); need > 0 {
			t.tokens = append(t.tokens, make([]string, need)...)
		}
		t.tokens[a.id] = a.content
	}
	t.addedIDs = make(map[string]int32, len(t.added))
	t.special = map[int32]bool{}
	var raw, cooked []pattern
	for _, a := range t.added {
		t.addedIDs[a.content] = a.id
		if a.special {
			t.special[a.id] = true
		}
		if !a.normalized {
			raw = append(raw, pattern{a.content, a})
		} else if text := t.normal(a.content); text != "" {
			cooked = append(cooked, pattern{text, a})
		}
	}
	t.raw, t.cooked = newMatcher(raw), newMatcher(cooked)
	return nil
}

type pattern struct {
	text string
	addedToken
}

// matcher finds the leftmost, then longest, of many patterns. The patterns are sorted, so that each byte of the text
// narrows a range of them; that needs no memory of its own, however many a file lists.
type matcher struct {
	patterns []pattern
	first    [257]int // patterns that begin with byte c are [first[c], first[c+1])
}

func newMatcher(patterns []pattern) *matcher {
	m := &matcher{patterns: patterns}
	sort.SliceStable(patterns, func(i, j int) bool { return patterns[i].text < patterns[j].text })
	for c := range m.first {
		m.first[c] = sort.Search(len(patterns), func(i int) bool { return int(patterns[i].text[0]) >= c })
	}
	return m
}

// find gives the first match at or after from, or nil.
func (m *matcher) find(text string, from int) (start int, found *pattern) {
	for start = from; start < len(text); start++ {
		if p := m.longestAt(text[start:]); p != nil {
			return start, p
		}
	}
	return 0, nil
}

func (m *matcher) longestAt(text string) (longest *pattern) {
	lo, hi := m.first[text[0]], m.first[int(text[0])+1]
	for depth := 1; lo < hi; depth++ {
		if len(m.patterns[lo].text) == depth {
			longest = &m.patterns[lo]
			for lo < hi && len(m.patterns[lo].text) == depth {
				lo++
			}
		}
		if depth == len(text) {
			return longest
		}
		left := m.patterns[lo:hi]
		c := text[depth]
		hi = lo + sort.Search(len(left), func(i int) bool { return left[i].text[depth] > c })
		lo += sort.Search(len(left), func(i int) bool { return left[i].text[depth] >= c })
	}
	return longest
}

// cut hands over text in order, either as the id of an added token or, with id -1, as text between such tokens, with
// the place where it starts. Without special, special tokens are passed over as text.
func (m *matcher) cut(text string, special bool, emit func(piece string, id int32, at int)) {
	done := 0
	spaceEnd := 0 // of the last white space measured, so that none is measured twice
	for from := 0; len(m.patterns) > 0; {
		start, p := m.find(text, from)
		if p == nil {
			break
		}
		end := start + len(p.text)
		// As in the library, the search goes on inside white space that the token takes with it: "[R]   x" can give
		// the token of "[R]" and the one of "   ".
		from = end
		if p.special && !special || p.singleWord && !standsAlone(text[:start], text[end:]) {
			continue
		}
		if p.lstrip && start > done {
			start = done + len(strings.TrimRightFunc(text[done:start], unicode.IsSpace))
		}
		if p.rstrip && end < spaceEnd {
			end = spaceEnd
		} else if p.rstrip {
			end = len(text) - len(strings.TrimLeftFunc(text[end:], unicode.IsSpace))
			spaceEnd = end
		}
		if start > done {
			emit(text[done:start], -1, done)
		}
		emit("", p.id, start)
		done = end
	}
	if done < len(text) {
		emit(text[done:], -1, done)
	}
}

func standsAlone(before, after string) bool {
	l, _ := utf8.DecodeLastRuneInString(before)
	r, _ := utf8.DecodeRuneInString(after)
	return (before == "" || !isWord(l)) && (after == "" || !isWord(r))
}

// isWord is the \w of Unicode's regular expressions (UTS 18, annex C).
func isWord(r rune) bool {
	return unicode.IsLetter(r) || unicode.In(r, unicode.M, unicode.Nd, unicode.Nl, unicode.Pc, unicode.Other_Alphabetic, unicode.Join_Control)
}
