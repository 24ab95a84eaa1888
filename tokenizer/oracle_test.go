package tokenizer

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func fixture(t testing.TB, name string) *Tokenizer {
	t.Helper()
	data, err := os.ReadFile("../testdata/tokenizer/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	tok, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// TestOracle compares with what the library itself gave; testdata/tokenizer/oracle.cjs made these files.
func TestOracle(t *testing.T) {
	for _, name := range []string{"byte-level", "sentencepiece", "metaspace", "split"} {
		t.Run(name, func(t *testing.T) {
			compareWithOracle(t, fixture(t, name), "../testdata/tokenizer/"+name+".expected.json")
		})
	}
}

// TestNeoXOracle compares on any file that oracle.cjs wrote for GPT-NeoX's tokenizer.
func TestNeoXOracle(t *testing.T) {
	path := os.Getenv("FLAMINGO_NEOX_EXPECTED")
	if path == "" {
		t.Skip("set FLAMINGO_NEOX_EXPECTED to a file written by testdata/tokenizer/oracle.cjs to run this test")
	}
	compareWithOracle(t, neox(t), path)
}

func compareWithOracle(t *testing.T, tok *Tokenizer, path string) {
	data, err := os.ReadFile(filepath.FromSlash(path))
	if err != nil {
		t.Fatal(err)
	}
	var want struct {
		Affixed []int32
		Encode  []struct {
			Text    string
			IDs     []int32
			Decoded string
		}
		Decode []struct {
			IDs          []int32
			All, Skipped string
		}
	}
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	if len(want.Encode) == 0 || len(want.Decode) == 0 {
		t.Fatal("the file has no cases")
	}
	before, after := tok.Affixes()
	if got := append(before, after...); !slices.Equal(got, want.Affixed) {
		t.Errorf("Affixes() = %v, want %v", got, want.Affixed)
	}
	for _, c := range want.Encode {
		if got := tok.EncodeTemplate(c.Text); !slices.Equal(got, c.IDs) {
			t.Errorf("EncodeTemplate(%q)\n got %v %q\nwant %v %q", c.Text, got, names(tok, got), c.IDs, names(tok, c.IDs))
		}
		if got := tok.Decode(c.IDs, false); got != c.Decoded {
			t.Errorf("Decode(%v)\n got %q\nwant %q", c.IDs, got, c.Decoded)
		}
	}
	for _, c := range want.Decode {
		if got := tok.Decode(c.IDs, false); got != c.All {
			t.Errorf("Decode(%q, false)\n got %q\nwant %q", names(tok, c.IDs), got, c.All)
		}
		if got := tok.Decode(c.IDs, true); got != c.Skipped {
			t.Errorf("Decode(%q, true)\n got %q\nwant %q", names(tok, c.IDs), got, c.Skipped)
		}
		if got := stream(tok, c.IDs); got != c.Skipped {
			t.Errorf("streaming %q\n got %q\nwant %q", names(tok, c.IDs), got, c.Skipped)
		}
	}
}

func names(tok *Tokenizer, ids []int32) string {
	var b strings.Builder
	for _, id := range ids {
		b.WriteString(tok.tokenAt(id) + "|")
	}
	return b.String()
}
