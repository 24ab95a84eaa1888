package tokenizer

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"testing"
)

func TestNFC(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"plain", "hello", "hello"},
		{"already composed", "caf\u00e9", "caf\u00e9"},
		{"composes", "cafe\u0301", "caf\u00e9"},
		{"composes twice", "a\u0323\u0302", "\u1ead"},
		{"orders marks", "a\u0302\u0323", "\u1ead"},
		{"blocked by the same class", "a\u0300\u0301", "\u00e0\u0301"},
		{"blocked by a mark that stays", "a\u0305\u0301", "a\u0305\u0301"},
		{"not blocked by a lower class", "a\u0316\u0301", "\u00e1\u0316"},
		{"singleton", "\u212b\u2126", "\u00c5\u03a9"},
		{"excluded", "\u0958", "\u0915\u093c"},
		{"starts with a mark", "\u0344", "\u0308\u0301"},
		{"Hangul LV", "\u1100\u1161", "\uac00"},
		{"Hangul LVT", "\u1100\u1161\u11a8", "\uac01"},
		{"Hangul LV then T", "\uac00\u11a8", "\uac01"},
		{"kana", "\u304b\u3099", "\u304c"},
		{"CJK compatibility", "\uf900", "\u8c48"},
		{"beyond the BMP", "\U00011099\U000110ba", "\U0001109a"},
		{"musical", "\U0001d15e", "\U0001d157\U0001d165"},
		{"two starters", "\u09c7\u09be", "\u09cb"},
	} {
		if got := nfc(c.in); got != c.want {
			t.Errorf("%s: nfc(%+q) = %+q, want %+q", c.name, c.in, got, c.want)
		}
	}
	for r := rune(hangulBase); r < hangulEnd; r++ {
		if got := nfc(string(r)); got != string(r) {
			t.Fatalf("nfc(%U) = %+q", r, got)
		}
	}
}

// TestNFCConformance runs Unicode's own test, NormalizationTest.txt of the Unicode Character Database, version 15.0.
func TestNFCConformance(t *testing.T) {
	path := os.Getenv("FLAMINGO_NORMALIZATION_TEST")
	if path == "" {
		t.Skip("set FLAMINGO_NORMALIZATION_TEST to the path of Unicode's NormalizationTest.txt to run this test")
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	listed := map[string]bool{}
	for s := bufio.NewScanner(f); s.Scan(); {
		line, _, _ := strings.Cut(s.Text(), "#")
		fields := strings.Split(line, ";")
		if len(fields) < 5 {
			continue
		}
		var column [5]string
		for i := range column {
			for _, hex := range strings.Fields(fields[i]) {
				char, err := strconv.ParseUint(hex, 16, 32)
				if err != nil {
					t.Fatal(err)
				}
				column[i] += string(rune(char))
			}
		}
		listed[column[0]] = true
		for i, text := range column {
			want := column[1]
			if i >= 3 {
				want = column[3]
			}
			if got := nfc(text); got != want {
				t.Fatalf("%s: nfc of column %d: got %+q, want %+q", line, i+1, got, want)
			}
		}
	}
	if len(listed) < 17000 {
		t.Fatalf("got %d cases, want Unicode's 17,000 and more", len(listed))
	}
	for r := rune(0); r <= 0x10FFFF; r++ {
		if text := string(r); (r < 0xD800 || r > 0xDFFF) && !listed[text] && nfc(text) != text {
			t.Fatalf("nfc(%U) = %+q, want it unchanged", r, nfc(text))
		}
	}
}
