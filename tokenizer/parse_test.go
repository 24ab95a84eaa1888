package tokenizer

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// small is a file with one part replaced.
func small(part, value string) []byte {
	parts := map[string]string{
		"added_tokens": `[]`, "normalizer": `null`, "pre_tokenizer": `null`, "post_processor": `null`, "decoder": `null`,
		"model": `{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]}`,
	}
	parts[part] = value
	var b strings.Builder
	for name, value := range parts {
		b.WriteString(`,"` + name + `":` + value)
	}
	return []byte("{" + b.String()[1:] + "}")
}

var hostile = []struct{ part, value, want string }{
	{"model", `null`, `got no model`},
	{"model", `[]`, `model: json: cannot unmarshal array`},
	{"model", `{"type":"Unigram","vocab":[["a",0.0]],"unk_id":0}`, `model type "Unigram" is not supported`},
	{"model", `{"type":"BPE"}`, `got no vocab`},
	{"model", `{"type":"BPE","vocab":{}}`, `got no vocab`},
	{"model", `{"type":"BPE","vocab":[]}`, `vocab: got "[]", want an object`},
	{"model", `{"type":"BPE","vocab":{"a":-1}}`, `"a": got id -1, want a whole number`},
	{"model", `{"type":"BPE","vocab":{"a":1.5}}`, `"a": got id 1.5, want a whole number`},
	{"model", `{"type":"BPE","vocab":{"a":1e9}}`, `"a": got id 1e9, want a whole number`},
	{"model", `{"type":"BPE","vocab":{"a":99999999999999999999}}`, `"a": got id 99999999999999999999, want a whole number`},
	{"model", `{"type":"BPE","vocab":{"a":4294967295}}`, `"a": got id 4294967295, want a whole number`},
	{"model", `{"type":"BPE","vocab":{"a":{"b":1}}}`, `"a": got id`},
	{"model", `{"type":"BPE","vocab":{"a":"0"}}`, `"a": got id "0", want a whole number`},
	{"model", `{"type":"BPE","vocab":{"a":null}}`, `"a": got id null`},
	{"model", `{"type":"BPE","vocab":{"a":[0]}}`, `"a": got id [0`},
	{"model", `{"type":"BPE","vocab":{"a":0,"b":0}}`, `both have id 0`},
	{"model", `{"type":"BPE","vocab":{"a":0,"a":1}}`, `"a" is given twice`},
	{"model", `{"type":"BPE","vocab":{"` + strings.Repeat("a", 2000) + `":0}}`, `got a token of 2000 bytes`},
	{"model", `{"type":"BPE","vocab":{"a":0},"merges":["a b"]}`, `merge 0, "a" with "b": it or what it makes`},
	{"model", `{"type":"BPE","vocab":{"a":0,"b":1},"merges":["a b"]}`, `merge 0, "a" with "b": it or what it makes`},
	{"model", `{"type":"BPE","vocab":{"a":0},"merges":["a"]}`, `merges: entry 0: want two tokens`},
	{"model", `{"type":"BPE","vocab":{"a":0},"merges":["a b c"]}`, `merges: entry 0: want two tokens`},
	{"model", `{"type":"BPE","vocab":{"a":0},"merges":[["a"]]}`, `merges: entry 0: want two tokens`},
	{"model", `{"type":"BPE","vocab":{"a":0},"merges":[1]}`, `merges: entry 0: want two tokens`},
	{"model", `{"type":"BPE","vocab":{"a":0},"merges":{}}`, `merges: got "{}"`},
	{"model", `{"type":"BPE","vocab":{"a":0},"unk_token":"x"}`, `unk_token "x" is not in the vocabulary`},
	{"model", `{"type":"BPE","vocab":{"a":0},"dropout":0.1}`, `got dropout 0.1, want null`},
	{"model", `{"type":"BPE","vocab":{"a":0},"end_of_word_suffix":"</w>"}`, `got end_of_word_suffix "</w>"`},
	{"model", `{"type":"BPE","vocab":{"a":0},"continuing_subword_prefix":"##"}`, `got continuing_subword_prefix "##"`},
	{"model", `{"type":"BPE","vocab":{"a":0},"surprise":1}`, `unknown field "surprise"`},
	{"added_tokens", `[{"id":-1,"content":"x"}]`, `"x": got id -1`},
	{"added_tokens", `[{"id":2000000000,"content":"x"}]`, `"x": got id 2000000000`},
	{"added_tokens", `[{"id":9,"content":""}]`, `id 9 has no text`},
	{"added_tokens", `[{"id":0,"content":"x"}]`, `id 0 already belongs to "a"`},
	{"added_tokens", `[{"id":5,"content":"a"}]`, `"a": got id 5, want 0`},
	{"added_tokens", `[{"id":5,"content":"x"},{"id":5,"content":"y"}]`, `id 5 already belongs to "x"`},
	{"added_tokens", `[{"id":5,"content":"x"},{"id":6,"content":"x"}]`, `got ids 5 and 6`},
	{"added_tokens", `{}`, `not a tokenizer.json`},
	{"normalizer", `{"type":"Lowercase"}`, `normalizer type "Lowercase" is not supported`},
	{"normalizer", `{}`, `normalizer: got no type`},
	{"normalizer", `{"type":"Replace","pattern":{"Regex":"a+"},"content":""}`, `got pattern {"Regex": "a+"}`},
	{"normalizer", `{"type":"Replace","pattern":{"String":""},"content":"x"}`, `got pattern {"String": ""}`},
	{"normalizer", `{"type":"Replace","pattern":{"String":"a"},"content":"` + strings.Repeat("a", 99) + `"}`, `99 times as long`},
	{"normalizer", `{"type":"Prepend","prepend":"` + strings.Repeat("a", 99) + `"}`, `Prepend: got 99 bytes`},
	{"normalizer", `{"type":"Sequence","normalizers":[` + strings.Repeat(`{"type":"Replace","pattern":{"String":"a"},"content":"aaaa"},`, 4) + `{"type":"NFC"}]}`, `grow a text 256 times`},
	{"normalizer", strings.Repeat(`{"type":"Sequence","normalizers":[`, 9) + strings.Repeat(`]}`, 9), `nested more than`},
	{"normalizer", strings.Repeat(`[`, 20000) + strings.Repeat(`]`, 20000), `exceeded max depth`},
	{"pre_tokenizer", `{"type":"Whitespace"}`, `pre_tokenizer type "Whitespace" is not supported`},
	{"pre_tokenizer", `{"type":"ByteLevel","mystery":true}`, `unknown field "mystery"`},
	{"pre_tokenizer", `{"type":"Split","pattern":{"Regex":"\\d"},"behavior":"Isolated","invert":false}`, `pattern {"Regex": "\\d"} with behavior "Isolated"`},
	{"pre_tokenizer", `{"type":"Split","pattern":{"String":"x"},"behavior":"Sideways","invert":false}`, `behavior "Sideways"`},
	{"pre_tokenizer", `{"type":"Metaspace","replacement":"__"}`, `got replacement "__"`},
	{"pre_tokenizer", `{"type":"Metaspace","replacement":"_","prepend_scheme":"often"}`, `got prepend_scheme "often"`},
	{"pre_tokenizer", strings.Repeat(`{"type":"Sequence","pretokenizers":[`, 9) + strings.Repeat(`]}`, 9), `nested more than`},
	{"pre_tokenizer", `{"type":"Sequence","pretokenizers":[` + strings.Repeat(`{"type":"ByteLevel"},`, 20) + `{"type":"ByteLevel"}]}`, `got 21 steps`},
	{"post_processor", `{"type":"TemplateProcessing","single":[],"special_tokens":{}}`, `got 0 times the Sequence "A"`},
	{"post_processor", `{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"x","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],"special_tokens":{}}`, `piece 0: "x" is not among`},
	{"post_processor", `{"type":"TemplateProcessing","single":[{"Sequence":{"id":"B","type_id":0}}],"special_tokens":{}}`, `piece 0: want`},
	{"post_processor", `{"type":"RobertaProcessing","sep":["x",77],"cls":["a",0]}`, `got id 77, want a token`},
	{"post_processor", `{"type":"RobertaProcessing","sep":["x"],"cls":["a",0]}`, `want [token, id]`},
	{"post_processor", `{"type":"Magic"}`, `post_processor type "Magic" is not supported`},
	{"decoder", `{"type":"WordPiece","prefix":"##","cleanup":true}`, `decoder type "WordPiece" is not supported`},
	{"decoder", `{"type":"Sequence","decoders":[{"type":"Fuse"},{"type":"ByteFallback"}]}`, `decoder ByteFallback after a step that joins`},
	{"decoder", `{"type":"Strip","content":"","start":1,"stop":0}`, `Strip: got content ""`},
	{"decoder", `{"type":"Strip","content":" ","start":-1,"stop":0}`, `decoder: json`},
	{"decoder", strings.Repeat(`{"type":"Sequence","decoders":[`, 9) + strings.Repeat(`]}`, 9), `nested more than`},
}

func TestParseErrors(t *testing.T) {
	for _, c := range hostile {
		_, err := Parse(small(c.part, c.value))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "tokenizer: ") {
			t.Errorf("%s %.80s\n got error %v\nwant one with %q", c.part, c.value, err, c.want)
		}
	}
	for _, data := range []string{"", "null", "[]", "{", "{}", "\x00\x01", `{"model":`} {
		if _, err := Parse([]byte(data)); err == nil {
			t.Errorf("Parse(%q): got no error", data)
		}
	}
	if _, err := Parse(make([]byte, maxFileBytes+1)); err == nil || !strings.Contains(err.Error(), "want at most") {
		t.Errorf("a huge file: got error %v", err)
	}
	if _, err := Parse(small("decoder", "null")); err != nil {
		t.Errorf("the file that these are made from: %v", err)
	}
}

// TestSmallParts covers what the fixtures do not use.
func TestSmallParts(t *testing.T) {
	decode := func(decoder string) string {
		tok, err := Parse(small("decoder", decoder))
		if err != nil {
			t.Fatal(err)
		}
		ids := []int32{0, 1, 0, 2, 1, 0, 0} // a b a ab b a a
		if got, want := stream(tok, ids), tok.Decode(ids, false); got != want {
			t.Errorf("%s: streamed %q, decoded %q", decoder, got, want)
		}
		return tok.Decode(ids, false)
	}
	for decoder, want := range map[string]string{
		`null`: "a b a ab b a a",
		`{"type":"Strip","content":"a","start":1,"stop":1}`:                                                               "bbb",
		`{"type":"Sequence","decoders":[{"type":"Fuse"},{"type":"Strip","content":"a","start":2,"stop":2}]}`:              "baabb",
		`{"type":"Sequence","decoders":[{"type":"Fuse"},{"type":"Replace","pattern":{"String":"a"},"content":"xy"}]}`:     "xybxyxybbxyxy",
		`{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"ab"},"content":""},{"type":"ByteLevel"}]}`: "ababaa",
		`{"type":"Metaspace","replacement":"a","add_prefix_space":true}`:                                                  "b  bb  ",
		`{"type":"Metaspace","replacement":"a","add_prefix_space":false}`:                                                 " b  bb  ",
	} {
		if got := decode(decoder); got != want {
			t.Errorf("%s: got %q, want %q", decoder, got, want)
		}
	}
	for pre, want := range map[string]string{
		`{"type":"Split","pattern":{"String":"b"},"behavior":"Isolated","invert":false}`:           "a|b|a|b|",
		`{"type":"Split","pattern":{"String":"b"},"behavior":"Removed","invert":false}`:            "a|a|",
		`{"type":"Split","pattern":{"String":"b"},"behavior":"MergedWithPrevious","invert":false}`: "ab|ab|",
		`{"type":"Split","pattern":{"String":"b"},"behavior":"MergedWithNext","invert":false}`:     "a|b|a|b|",
		`null`: "ab|ab|",
	} {
		tok, err := Parse(small("pre_tokenizer", pre))
		if err != nil {
			t.Fatal(err)
		}
		if got := names(tok, tok.Encode("abab")); got != want {
			t.Errorf("%s: got %s, want %s", pre, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"byte-level", "sentencepiece", "metaspace", "split"} {
		data, err := os.ReadFile("../testdata/tokenizer/" + name + ".json")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, "hello <image>  cat's \u00e9")
	}
	for _, c := range hostile {
		if len(c.value) < 500 {
			f.Add(small(c.part, c.value), "ab ba")
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, text string) {
		tok, err := Parse(data)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "tokenizer: ") {
				t.Errorf("error without its place: %v", err)
			}
			return
		}
		if len(text) > 1000 {
			text = text[:1000]
		}
		ids := tok.EncodeTemplate(text)
		for _, id := range append(ids, tok.Encode(text)...) {
			if id < 0 || int(id) >= tok.VocabSize() {
				t.Fatalf("id %d outside of the %d of the vocabulary", id, tok.VocabSize())
			}
		}
		if got, want := stream(tok, ids), tok.Decode(ids, true); got != want {
			t.Errorf("streamed %q, decoded %q", got, want)
		}
	})
}

func FuzzRoundTrip(f *testing.F) {
	for _, text := range randomTexts(20) {
		f.Add(text)
	}
	data, err := os.ReadFile("../testdata/tokenizer/split.json")
	if err != nil {
		f.Fatal(err)
	}
	tok, err := Parse(data)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		want := strings.ToValidUTF8(text, "\uFFFD")
		ids := tok.Encode(text)
		if got := tok.Decode(ids, true); got != want {
			t.Errorf("round trip of %q: got %q", text, got)
		}
		if got := stream(tok, ids); got != want {
			t.Errorf("streaming of %q: got %q", text, got)
		}
	})
}

// TestEntriesAgainstJSON reads odd spellings of strings both ways.
func TestEntriesAgainstJSON(t *testing.T) {
	for _, raw := range []string{
		`{"\u0061":1 , "\"":2,"\\":3 ,"\ud83d\ude42":4,"\ud83d":5,"":6}`, "{\n\t\"a b\" :\r1}", `{ }`, "{\"\xff\":7}",
	} {
		var want map[string]int32
		if err := json.Unmarshal([]byte(raw), &want); err != nil {
			t.Fatal(err)
		}
		var got vocabJSON
		if err := json.Unmarshal([]byte(raw), &got); err != nil {
			t.Fatal(err)
		}
		if len(got) != len(want) {
			t.Errorf("%q: got %v, want %v", raw, got, want)
		}
		for token, id := range want {
			if got[token] != id {
				t.Errorf("%q: %q: got %d, want %d", raw, token, got[token], id)
			}
		}
	}
}
