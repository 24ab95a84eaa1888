package tokenizer

import (
	"slices"
	"testing"
)

func TestWords(t *testing.T) {
	for _, c := range []struct {
		pattern string
		text    string
		want    []string
	}{
		{gpt2Pattern, "it's  12345!?\n\n x", []string{"it", "'s", " ", " 12345", "!?", "\n\n", " x"}},
		{gpt2Pattern, "x'S  ", []string{"x", "'", "S", "  "}},
		{llama3Pattern, "it'S  12345!?\n\n x", []string{"it", "'S", " ", " ", "123", "45", "!?\n\n", " x"}},
		{llama3Pattern, "\tx \n \t\n  y", []string{"\tx", " \n \t\n", " ", " y"}},
		{qwen2Pattern, "a1234", []string{"a", "1", "2", "3", "4"}},
	} {
		var got []string
		eachWord(c.text, knownPatterns[c.pattern], func(word string) { got = append(got, word) })
		if !slices.Equal(got, c.want) {
			t.Errorf("%s\n%q: got %q, want %q", c.pattern, c.text, got, c.want)
		}
	}
}

// TestMergeOvertaken: when b and c have merged, the merge of a with b that waits must not be done.
func TestMergeOvertaken(t *testing.T) {
	tok, err := Parse(small("model", `{"type":"BPE","vocab":{"a":0,"b":1,"c":2,"ab":3,"bc":4,"abc":5},"merges":["b c","a b","a bc"]}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := tok.Encode("abcab"); !slices.Equal(got, []int32{5, 3}) {
		t.Errorf("got %v, want [5 3]", got)
	}
}
