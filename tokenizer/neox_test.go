package tokenizer

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// neox reads the published tokenizer of GPT-NeoX-20B, which is too large to keep here.
func neox(t testing.TB) *Tokenizer {
	path := os.Getenv("FLAMINGO_NEOX_TOKENIZER")
	if path == "" {
		t.Skip("set FLAMINGO_NEOX_TOKENIZER to the path of GPT-NeoX-20B's tokenizer.json to run this test")
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	tok, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("parsed in %v", time.Since(start))
	return tok
}

func TestNeoXGolden(t *testing.T) {
	data, err := os.ReadFile("../testdata/tokenizer/gpt-neox-20b.expected.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		AddedTokens map[string]int32 `json:"added_tokens"`
		Cases       []struct {
			Text    string
			IDs     []int32
			Decoded string
		}
	}
	if err := json.Unmarshal(data, &golden); err != nil {
		t.Fatal(err)
	}
	tok, err := neox(t).WithAdded(golden.AddedTokens)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range golden.Cases {
		if got := tok.EncodeTemplate(c.Text); !slices.Equal(got, c.IDs) {
			t.Errorf("EncodeTemplate(%q)\n got %v\nwant %v", c.Text, got, c.IDs)
		}
		// The golden's decoder tidies its output, as transformers does for this tokenizer.
		if got := CleanUp(tok.Decode(c.IDs, false)); got != c.Decoded {
			t.Errorf("CleanUp(Decode(%v))\n got %q\nwant %q", c.IDs, got, c.Decoded)
		}
		if got, want := stream(tok, c.IDs), tok.Decode(c.IDs, true); got != want {
			t.Errorf("streaming %v\n got %q\nwant %q", c.IDs, got, want)
		}
	}
	t.Logf("%d cases", len(golden.Cases))
}

// stream decodes token by token.
func stream(tok *Tokenizer, ids []int32) string {
	d := tok.NewDecoder()
	var text strings.Builder
	for _, id := range ids {
		text.WriteString(d.Next(id))
	}
	text.WriteString(d.Flush())
	return text.String()
}

func TestNeoXRoundTrip(t *testing.T) {
	tok := neox(t)
	for _, text := range randomTexts(500) {
		text = nfc(text)
		if got := tok.Decode(tok.Encode(text), false); got != text {
			t.Fatalf("round trip of %q\n got %q", text, got)
		}
	}
}

func BenchmarkNeoXProse(b *testing.B) {
	tok := neox(b)
	text := strings.Repeat("A photograph of two dogs that run along the beach, in naïve style; 3.14 km away. ", 1000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		tok.Encode(text)
	}
}

func BenchmarkNeoXOneLetter(b *testing.B) {
	tok := neox(b)
	text := strings.Repeat("a", 1<<20)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		tok.Encode(text)
	}
}
