package tokenizer

import "unicode/utf8"

// bpe is a byte-pair-encoding model: the vocabulary and the order in which neighbours are merged.
type bpe struct {
	vocab        map[string]int32
	merges       map[uint64]merge // by pair of neighbours, see pair
	unk          int32            // -1 where the file names none
	fuseUnk      bool
	ignoreMerges bool
	fallback     *[256]int32 // ids of <0x00>..<0xFF>, -1 where missing; nil without byte fallback
}

// merge says what two neighbours become, and how early: the lowest rank goes first.
type merge struct {
	rank int32
	id   int32
}

func pair(left, right int32) uint64 { return uint64(uint32(left))<<32 | uint64(uint32(right)) }

// symbol is one token of a word while it is merged. Symbols form a linked list over a slice; a merged-away one is dead.
type symbol struct {
	id         int32
	prev, next int32
	dead       bool
}

// candidate is a merge that could be done at a symbol; it may be out of date by the time it is taken.
type candidate struct {
	merge
	at int32
}

// before orders candidates as the library does: by rank, then from left to right.
func (c candidate) before(d candidate) bool {
	return c.rank < d.rank || c.rank == d.rank && c.at < d.at
}

// merger is scratch space kept between the words of a text.
type merger struct {
	symbols []symbol
	heap    []candidate
}

// encode appends the ids of one word. Time is n log n in its length, so that a megabyte of one letter is no trouble.
func (b *bpe) encode(out []int32, word string, m *merger) []int32 {
	if b.ignoreMerges {
		if id, ok := b.vocab[word]; ok {
			return append(out, id)
		}
	}
	b.spell(word, m)
	b.mergeAll(m)
	for i := range m.symbols {
		if !m.symbols[i].dead {
			out = append(out, m.symbols[i].id)
		}
	}
	return out
}

// spell puts the characters of a word into m as symbols: a character's own token, else its bytes' tokens, else the
// unknown token, else nothing.
func (b *bpe) spell(word string, m *merger) {
	m.symbols = m.symbols[:0]
	unknown := false
	for i, r := range word {
		size := utf8.RuneLen(r)
		if id, ok := b.vocab[word[i:i+size]]; ok {
			if unknown {
				m.add(b.unk)
				unknown = false
			}
			m.add(id)
			continue
		}
		// As in the library, an unknown token that still waits comes after these bytes. Only a vocabulary with some
		// but not all of the byte tokens can show it.
		if b.spellBytes(word[i:i+size], m) || b.unk < 0 {
			continue
		}
		if unknown && !b.fuseUnk {
			m.add(b.unk)
		}
		unknown = true
	}
	if unknown {
		m.add(b.unk)
	}
	if n := len(m.symbols); n > 0 {
		m.symbols[n-1].next = -1
	}
}

func (b *bpe) spellBytes(char string, m *merger) bool {
	if b.fallback == nil {
		return false
	}
	for i := 0; i < len(char); i++ {
		if b.fallback[char[i]] < 0 {
			return false
		}
	}
	for i := 0; i < len(char); i++ {
		m.add(b.fallback[char[i]])
	}
	return true
}

func (m *merger) add(id int32) {
	n := int32(len(m.symbols))
	m.symbols = append(m.symbols, symbol{id: id, prev: n - 1, next: n + 1})
}

func (b *bpe) mergeAll(m *merger) {
	m.heap = m.heap[:0]
	for i := 0; i+1 < len(m.symbols); i++ {
		b.propose(m, int32(i))
	}
	for len(m.heap) > 0 {
		c := m.pop()
		left := &m.symbols[c.at]
		if left.dead || left.next < 0 {
			continue
		}
		right := &m.symbols[left.next]
		if now, ok := b.merges[pair(left.id, right.id)]; !ok || now.id != c.id {
			continue
		}
		left.id = c.id
		left.next = right.next
		right.dead = true
		if left.next >= 0 {
			m.symbols[left.next].prev = c.at
			b.propose(m, c.at)
		}
		if left.prev >= 0 {
			b.propose(m, left.prev)
		}
	}
}

// propose queues the merge of a symbol with its right neighbour, if there is one.
func (b *bpe) propose(m *merger, at int32) {
	s := m.symbols[at]
	if found, ok := b.merges[pair(s.id, m.symbols[s.next].id)]; ok {
		m.push(candidate{found, at})
	}
}

func (m *merger) push(c candidate) {
	m.heap = append(m.heap, c)
	for i := len(m.heap) - 1; i > 0; {
		up := (i - 1) / 2
		if !m.heap[i].before(m.heap[up]) {
			return
		}
		m.heap[i], m.heap[up] = m.heap[up], m.heap[i]
		i = up
	}
}

func (m *merger) pop() candidate {
	top := m.heap[0]
	last := len(m.heap) - 1
	m.heap[0] = m.heap[last]
	m.heap = m.heap[:last]
	for i := 0; ; {
		least := i
		for down := 2*i + 1; down <= 2*i+2 && down < last; down++ {
			if m.heap[down].before(m.heap[least]) {
				least = down
			}
		}
		if least == i {
			return top
		}
		m.heap[i], m.heap[least] = m.heap[least], m.heap[i]
		i = least
	}
}
