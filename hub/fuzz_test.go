//go:build !js

package hub

import (
	"path/filepath"
	"strings"
	"testing"
	"unicode"
)

func FuzzParseInfo(f *testing.F) {
	for _, text := range []string{
		`{"id":"owner/name","sha":"` + commitA + `","cardData":{"license":"mit"},"siblings":[{"rfilename":"x"}],"gated":false}`,
		`{"sha":"` + commitB + `","cardData":{"license":["mit","apache-2.0"],"language":"en"}}`,
		`{"sha":"` + commitB + `","cardData":{"license":"other","license_name":"llama2","license_link":"LICENSE"}}`,
		`{"sha":"` + commitB + `"}`, `{"sha":"main"}`, `{"sha":null,"cardData":null}`, `{"error":"Repository not found"}`, `[]`, `null`, ``,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		commit, licence, err := parseInfo(text)
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without words")
			}
			return
		}
		if !isHex(commit, 40) {
			t.Errorf("commit %q", commit)
		}
		if len(licence) > 200 || strings.ContainsFunc(licence, unicode.IsControl) {
			t.Errorf("licence %q", licence)
		}
	})
}

func FuzzParseTree(f *testing.F) {
	for _, text := range []string{
		`[{"type":"file","oid":"` + commitA + `","size":3,"path":"config.json"},{"type":"directory","oid":"` + commitB + `","size":0,"path":"weights"}]`,
		`[{"type":"file","oid":"` + commitA + `","size":9876543210,"path":"weights/a.bin","lfs":{"oid":"` + strings.Repeat("0f", 32) + `","size":9876543210,"pointerSize":135},"xetHash":"x"}]`,
		`[{"type":"file","oid":"` + commitA + `","size":-1,"path":"a"}]`, `[{"type":"file","oid":"","size":1,"path":"../a"}]`,
		`[{"type":"file","oid":"` + commitA + `","size":1e3,"path":"a"}]`, `[{"type":"file","oid":"` + commitA + `","size":99999999999999999999,"path":"a"}]`,
		`[{"type":"file","lfs":null,"path":"a\\b","oid":"` + commitA + `"}]`, `[null]`, `{"error":"x"}`, `null`, ``,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		files, err := parseTree(text)
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without words")
			}
			return
		}
		for _, file := range files {
			if file.check() != nil || file.Path == "" || (file.SHA256 == "") == (file.BlobSHA1 == "") {
				t.Errorf("%+v", file)
			}
			if checkPath(file.Path) == nil && !filepath.IsLocal(file.Path) {
				t.Errorf("%q leaves the directory", file.Path)
			}
		}
	})
}
