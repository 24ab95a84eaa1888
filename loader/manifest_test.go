package loader

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
)

const (
	sumA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	sumB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

// soundManifest is what the hostile ones differ from in one place.
const soundManifest = `{"format":"flamingo/1","name":"nano","revision":"0123abcd","config":{"dim":4},
"tokenizer":{"path":"tokenizer.json","bytes":10,"sha256":"` + sumA + `"},"chunkBytes":1024,
"files":[{"path":"w.safetensors","bytes":2000,"sha256":"` + sumA + `","chunks":[{"sha256":"` + sumA + `","crc32c":1},{"sha256":"` + sumB + `","crc32c":4294967295}]}],
"tensors":[{"name":"a","dtype":"f16","shape":[3],"file":0,"offset":96,"bytes":8},{"name":"b","dtype":"q8","shape":[2,32],"file":0,"offset":104,"bytes":68},{"name":"s","dtype":"f32","shape":[],"file":0,"offset":1996,"bytes":4}],
"licences":[{"component":"weights","spdx":"MIT"}],"selftest":{"x":1}}`

func TestParseManifest(t *testing.T) {
	m, err := ParseManifest([]byte(soundManifest))
	if err != nil {
		t.Fatal(err)
	}
	if m.Bytes() != 2000 || m.Parameters() != 3+64+1 || string(m.Config) != `{"dim":4}` || m.Files[0].Chunks[1].CRC32C != 1<<32-1 {
		t.Errorf("%+v", m)
	}
	raw, err := os.ReadFile("../testdata/loader/tiny/" + ManifestName)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParseManifest(raw); err != nil {
		t.Error(err)
	}
}

func TestHostileManifests(t *testing.T) {
	// change is "old -> new", once, in soundManifest.
	rows := []struct{ change, want string }{
		{`"flamingo/1" -> "flamingo/2"`, `format: got "flamingo/2", want "flamingo/1"`},
		{`"format":"flamingo/1", -> `, "format"},
		{`"format" -> "Format"`, `unknown field "Format"`},
		{`"name":"nano" -> "name":"nano","name":"evil"`, `"name" appears twice`},
		{`"nano" -> null`, "name: got null"},
		{`"nano" -> ""`, "name"},
		{`"nano" -> "a\u0000b"`, "name"},
		{`"nano" -> 7`, "name: got number, want string"},
		{`"0123abcd" -> "0123ABCD"`, "revision"},
		{`"0123abcd" -> "../../x"`, "revision"},
		{`"config":{"dim":4}, -> `, "config"},
		{`{"dim":4} -> [1]`, "config"},
		{`"chunkBytes":1024 -> "chunkBytes":0`, "chunkBytes"},
		{`"chunkBytes":1024 -> "chunkBytes":-1024`, "chunkBytes"},
		{`"chunkBytes":1024 -> "chunkBytes":1026`, "chunkBytes"},
		{`"chunkBytes":1024 -> "chunkBytes":1e3`, "chunkBytes: got number 1e3"},
		{`"chunkBytes":1024 -> "chunkBytes":9223372036854775807`, "chunkBytes"},
		{`"chunkBytes":1024 -> "chunkBytes":99999999999999999999`, "chunkBytes"},
		{`"chunkBytes":1024 -> "chunkBytes":4`, "chunkBytes"},
		{`"w.safetensors" -> "../w.safetensors"`, "path"},
		{`"w.safetensors" -> "/etc/passwd"`, "path"},
		{`"w.safetensors" -> "a/../../b"`, "path"},
		{`"w.safetensors" -> "https://evil.example/w"`, "path"},
		{`"w.safetensors" -> "//evil.example/w"`, "path"},
		{`"w.safetensors" -> "a\\b"`, "path"},
		{`"w.safetensors" -> "%2e%2e/b"`, "path"},
		{`"w.safetensors" -> "w?x=1"`, "path"},
		{`"w.safetensors" -> ""`, "path"},
		{`"w.safetensors" -> "tokenizer.json"`, `"tokenizer.json" appears twice`},
		{`"bytes":2000 -> "bytes":0`, "bytes: got 0"},
		{`"bytes":2000 -> "bytes":-2000`, "bytes: got -2000"},
		{`"bytes":2000 -> "bytes":2000.5`, "bytes"},
		{`"bytes":2000 -> "bytes":9007199254740993`, "bytes"},
		{`"bytes":2000 -> "bytes":4000`, "chunks: got 2, want 4"},
		{`"bytes":2000 -> "bytes":1024`, "chunks: got 2, want 1"},
		{`,{"sha256":"` + sumB + `","crc32c":4294967295} -> `, "chunks: got 1, want 2"},
		{`4294967295 -> 4294967296`, "files[0].chunks[1].crc32c"},
		{`4294967295 -> -1`, "crc32c"},
		{`"` + sumB + `" -> "b"`, "chunks[1].sha256"},
		{`"` + sumB + `" -> "` + strings.ToUpper(sumB) + `"`, "chunks[1].sha256"},
		{`"` + sumB + `" -> "` + sumB[1:] + `g"`, "chunks[1].sha256"},
		{`"files":[ -> "files":[],"x":[`, `unknown field "x"`},
		{`"dtype":"f16" -> "dtype":"f64"`, `tensors[0] (a).dtype: got "f64"`},
		{`"dtype":"f16", -> `, "dtype"},
		{`"shape":[3] -> "shape":[5]`, "tensors[0] (a).bytes: got 8, want 12 for f16 of [5]"},
		{`"shape":[3] -> "shape":[0]`, "shape"},
		{`"shape":[3] -> "shape":[-3]`, "shape"},
		{`"shape":[3] -> "shape":[3.0]`, "shape"},
		{`"shape":[3] -> "shape":null`, "shape"},
		{`"shape":[3] -> "shape":"3"`, "shape"},
		{`"shape":[3] -> "shape":[4294967296,4294967296]`, "too large"},
		{`"shape":[3] -> "shape":[9223372036854775807,2]`, "too large"},
		{`"shape":[3] -> "shape":[1,1,1,1,1,1,1,1,3]`, "axes"},
		{`"shape":[2,32] -> "shape":[2,31]`, "multiple of 32"},
		{`"shape":[2,32] -> "shape":[]`, "multiple of 32"},
		{`"bytes":68 -> "bytes":64`, "want 68"},
		{`"name":"b" -> "name":"a"`, "appears twice"},
		{`"name":"b" -> "name":""`, "name"},
		{`"name":"b" -> "name":"b\nc"`, "name"},
		{`"name":"b","dtype" -> "name":"b","name":"c","dtype"`, `"name" appears twice`},
		{`"file":0,"offset":96 -> "file":1,"offset":96`, "file: got 1"},
		{`"file":0,"offset":96 -> "file":-1,"offset":96`, "file: got -1"},
		{`"offset":96 -> "offset":98`, "offset: got 98"},
		{`"offset":96 -> "offset":0`, "offset: got 0"},
		{`"offset":96 -> "offset":-4`, "offset: got -4"},
		{`"offset":96 -> "offset":100`, "overlap"},
		{`"offset":1996 -> "offset":2000`, "offset: got 2000"},
		{`"offset":1996 -> "offset":9223372036854775804`, "offset"},
		{`"tensors":[ -> "tensors":[],"y":[`, `unknown field "y"`},
		{`"tensors":[ -> "tensors":{},"y":[`, "tensors: got {, want ["},
		{`"bytes":10, -> "bytes":1e9,`, "tokenizer.bytes"},
		{`"bytes":10, -> "bytes":99999999999,`, "tokenizer.bytes"},
		{`"spdx":"MIT" -> "spdx":"MIT","evil":1`, `licences[0]: unknown field "evil"`},
		{`"selftest" -> "__proto__"`, `unknown field "__proto__"`},
		{`"x":1}} -> "x":1}} {}`, "more data"},
		{`"x":1}} -> "x":1}`, "too early"},
		{`{"format" -> [{"format"`, "got [, want {"},
	}
	for _, row := range rows {
		old, changed, _ := strings.Cut(row.change, " -> ")
		if !strings.Contains(soundManifest, old) {
			t.Fatalf("%s: not in the manifest", row.change)
		}
		_, err := ParseManifest([]byte(strings.Replace(soundManifest, old, changed, 1)))
		if !errors.Is(err, ErrManifest) || !strings.Contains(fmt.Sprint(err), row.want) {
			t.Errorf("%s:\n got %v\nwant %q", row.change, err, row.want)
		}
	}
	for _, text := range []string{"", "null", "{", "[]", `"x"`, "\xff\xfe", strings.Repeat("[", 100000), strings.Repeat(" ", MaxManifest+1)} {
		if _, err := ParseManifest([]byte(text)); !errors.Is(err, ErrManifest) {
			t.Errorf("%.20q: got %v", text, err)
		}
	}
}

// The arrays that a manifest's numbers announce are never made before the numbers are checked.
func TestLyingManifestAllocatesNothing(t *testing.T) {
	lie := strings.Replace(soundManifest, `"bytes":2000`, `"bytes":9007199254740991`, 1)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const n = 100
	for range n {
		if _, err := ParseManifest([]byte(lie)); err == nil {
			t.Fatal("accepted")
		}
	}
	runtime.ReadMemStats(&after)
	if bytes := (after.TotalAlloc - before.TotalAlloc) / n; bytes > 100<<10 {
		t.Errorf("%d bytes were allocated for %d bytes of JSON", bytes, len(lie))
	}
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(soundManifest))
	f.Add([]byte(`{"format":"flamingo/1"}`))
	f.Add([]byte(strings.Replace(soundManifest, "[2,32]", "[9223372036854775807,32]", 1)))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := ParseManifest(data)
		if err != nil {
			if !errors.Is(err, ErrManifest) {
				t.Errorf("%v is not an ErrManifest", err)
			}
			return
		}
		// Whatever is accepted can be loaded without leaving its files.
		l, err := newLoad(LoadOptions{Manifest: m, Offline: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range l.chunks {
			if c.bytes < 1 || c.bytes > m.ChunkBytes || c.offset < 0 || c.offset+c.bytes > m.Files[c.file].Bytes {
				t.Errorf("chunk [%d,+%d) of a file of %d", c.offset, c.bytes, m.Files[c.file].Bytes)
			}
		}
		for _, x := range m.Tensors {
			if x.Offset < 8 || x.Offset+x.Bytes > m.Files[x.File].Bytes {
				t.Errorf("tensor [%d,+%d) of a file of %d", x.Offset, x.Bytes, m.Files[x.File].Bytes)
			}
		}
	})
}

func TestSplitLocation(t *testing.T) {
	for _, row := range []struct{ location, url, name string }{
		{"https://a/m", "https://a/m/flamingo.json", "flamingo.json"},
		{"https://a/m/", "https://a/m/flamingo.json", "flamingo.json"},
		{"https://a/m/flamingo.json#top", "https://a/m/flamingo.json", "flamingo.json"},
		{"https://a/m/q8.json?v=2", "https://a/m/q8.json?v=2", "q8.json"},
		{"https://a/m/?v=2", "https://a/m/flamingo.json?v=2", "flamingo.json"},
	} {
		url, name := splitLocation(row.location)
		if url != row.url || name != row.name {
			t.Errorf("%s: got %s, %s", row.location, url, name)
		}
		s, err := NewHTTPSource(row.location)
		if err != nil || s.Locate(name) != row.url || s.Locate("w.safetensors") != "https://a/m/w.safetensors" {
			t.Errorf("%s: %s and %s, %v", row.location, s.Locate(name), s.Locate("w.safetensors"), err)
		}
	}
	for _, bad := range []string{"", "m", "file:///m", "javascript:alert(1)"} {
		if _, err := NewHTTPSource(bad); err == nil {
			t.Errorf("%q was taken for an address", bad)
		}
	}
}
