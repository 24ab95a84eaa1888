//go:build ignore

// nfc_generate writes nfc.bin, the table behind nfc, from two files of the Unicode Character Database (Debian has them
// in its package unicode-data):
//
//	go run nfc_generate.go /usr/share/unicode/UnicodeData.txt /usr/share/unicode/CompositionExclusions.txt
//
// The table is a run of unsigned varints: the number of characters that decompose, and for each, in order, its distance
// from the one before, its first part, and its second part (0 where there is none) times two, plus one where the parts
// do not compose again; then the number of stretches of combining characters, and for each the distance of its start
// from the end of the one before, its length, and its combining class.
package main

import (
	"bufio"
	"encoding/binary"
	"log"
	"os"
	"strconv"
	"strings"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: go run nfc_generate.go UnicodeData.txt CompositionExclusions.txt")
	}
	excluded := map[uint64]bool{}
	for _, fields := range read(os.Args[2]) {
		excluded[hex(fields[0])] = true
	}
	type decomposition struct{ char, first, second uint64 }
	type stretch struct{ start, length, class uint64 }
	var decompositions []decomposition
	var stretches []stretch
	classes := map[uint64]uint64{}
	for _, fields := range read(os.Args[1]) {
		char := hex(fields[0])
		class, err := strconv.ParseUint(fields[3], 10, 8)
		if err != nil {
			log.Fatal(err)
		}
		if class != 0 {
			classes[char] = class
			last := len(stretches) - 1
			if last >= 0 && stretches[last].class == class && stretches[last].start+stretches[last].length == char {
				stretches[last].length++
			} else {
				stretches = append(stretches, stretch{char, 1, class})
			}
		}
		if parts := strings.Fields(fields[5]); len(parts) > 0 && !strings.HasPrefix(parts[0], "<") {
			d := decomposition{char: char, first: hex(parts[0])}
			if len(parts) == 2 {
				d.second = hex(parts[1])
			}
			decompositions = append(decompositions, d)
		}
	}
	var table []byte
	put := func(values ...uint64) {
		for _, v := range values {
			table = binary.AppendUvarint(table, v)
		}
	}
	put(uint64(len(decompositions)))
	last := uint64(0)
	for _, d := range decompositions {
		second := d.second * 2
		// What starts with a combining character never composes (UAX 15, non-starter decompositions).
		if excluded[d.char] || classes[d.char] != 0 || classes[d.first] != 0 {
			second++
		}
		put(d.char-last, d.first, second)
		last = d.char
	}
	put(uint64(len(stretches)))
	last = 0
	for _, s := range stretches {
		put(s.start-last, s.length, s.class)
		last = s.start + s.length
	}
	if err := os.WriteFile("nfc.bin", table, 0o644); err != nil {
		log.Fatal(err)
	}
}

// read gives the fields of a file's lines, without comments.
func read(path string) (lines [][]string) {
	f, err := os.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		line, _, _ := strings.Cut(s.Text(), "#")
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, strings.Split(line, ";"))
		}
	}
	return lines
}

func hex(s string) uint64 {
	v, err := strconv.ParseUint(strings.TrimSpace(s), 16, 32)
	if err != nil {
		log.Fatal(err)
	}
	return v
}
