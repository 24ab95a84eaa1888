package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"flamingo/convert"
	"flamingo/loader"
	"flamingo/tensor"
)

const nanoRelease = "../../testdata/openflamingo-nano"

// saved reads a file that a command wrote, or a golden.
func saved(t *testing.T, path string) (*loader.Safetensors, func(name string) []float32) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	s, err := loader.OpenSafetensors(file, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	return s, func(name string) []float32 {
		t.Helper()
		v, err := s.ReadFloats(name)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestConvertOpenFlamingo(t *testing.T) {
	dir := t.TempDir()
	convertTo := func(dtype string, more ...string) string {
		return succeed(t, append([]string{"convert", "openflamingo", "--checkpoint", nanoRelease + "/checkpoint.pt", "--lm", nanoRelease + "/lm",
			"--vision", nanoRelease + "/ViT.pt", "--release", nanoRelease + "/release.json", "--dtype", dtype, "-o", filepath.Join(dir, dtype)}, more...)...)
	}
	convertTo("f32")
	if text := convertTo("q4", "--check"); !strings.Contains(text, "KL divergence") || !strings.Contains(text, "Checked: all sums") {
		t.Errorf("got %s", text[max(0, len(text)-400):])
	}
	_, want := saved(t, nanoRelease+"/expected.safetensors")
	for _, name := range []string{"caption", "text_between"} {
		out := filepath.Join(dir, name+".safetensors")
		succeed(t, "logits", "--model", filepath.Join(dir, "f32"), "--case", nanoRelease+"/expected.safetensors", "--prefix", name, "--device", "cpu", "-o", out)
		file, got := saved(t, out)
		for _, stage := range []string{"logits", "vision_tokens", "visual_tokens"} {
			if d := tensor.Compare(got(stage), want(name+"."+stage)); !(d.MaxAbs <= 1e-4) {
				t.Errorf("%s: %s: %v", name, stage, d)
			}
		}
		golden, _ := saved(t, nanoRelease+"/expected.safetensors")
		greedy, _ := file.Read("greedy")
		if wanted, _ := golden.Read(name + ".greedy"); !bytes.Equal(greedy, wanted) {
			t.Errorf("%s: greedy: got %v, want %v", name, greedy, wanted)
		}
	}
}

func TestConvertNFNet(t *testing.T) {
	const nfnet = "../../testdata/nfnet-nano"
	dir := filepath.Join(t.TempDir(), "tower")
	succeed(t, "convert", "nfnet", "--weights", nfnet+"/model.safetensors", "--config", nfnet+"/config.json", "--dtype", "f32", "-o", dir)
	_, want := saved(t, nfnet+"/expected.safetensors")
	for _, name := range []string{"0", "1"} {
		out := filepath.Join(t.TempDir(), "features.safetensors")
		succeed(t, "features", "--model", dir, "--case", nfnet+"/expected.safetensors", "--prefix", name, "--device", "cpu", "-o", out)
		_, got := saved(t, out)
		if d := tensor.Compare(got("features"), want(name+".features")); !(d.MaxAbs <= 1e-4) {
			t.Errorf("%s: %v", name, d)
		}
	}
}

func TestTokenize(t *testing.T) {
	var golden struct {
		Cases []struct {
			Text    string
			IDs     []int32
			Decoded string
		}
	}
	data, err := os.ReadFile("../../testdata/tokenizer/gpt-neox-20b.expected.json")
	if err == nil {
		err = json.Unmarshal(data, &golden)
	}
	if err != nil {
		t.Fatal(err)
	}
	file := os.Getenv("FLAMINGO_NEOX_TOKENIZER")
	if file == "" {
		t.Skip("set FLAMINGO_NEOX_TOKENIZER to the path of GPT-NeoX-20B's tokenizer.json to run this test")
	}
	var in bytes.Buffer
	for _, c := range golden.Cases {
		json.NewEncoder(&in).Encode(map[string]string{"text": c.Text})
	}
	status, out, errs := flamingo(t, in.Bytes(), "tokenize", "--tokenizer", file, "--added", "<|endofchunk|>=50277", "--added", "<image>=50278", "--added", "<PAD>=50279")
	if status != statusOK {
		t.Fatal(errs)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != len(golden.Cases) {
		t.Fatalf("%d lines, want %d", len(lines), len(golden.Cases))
	}
	for i, c := range golden.Cases {
		got := line[tokenized](t, lines[i])
		if fmt.Sprint(got.IDs) != fmt.Sprint(c.IDs) || got.Decoded != c.Decoded {
			t.Errorf("%q: got %v %q, want %v %q", c.Text, got.IDs, got.Decoded, c.IDs, c.Decoded)
		}
	}
}

func TestTokenizeRefuses(t *testing.T) {
	for in, want := range map[string]string{"{}": "line 1", "{\"text\": \"a\"}\n{\"txt\": 1}": "line 2", "hello": "line 1"} {
		status, _, errs := flamingo(t, []byte(in), "tokenize", "--tokenizer", "../../testdata/tokenizer/byte-level.json")
		if status != statusFailed || !strings.Contains(errs, want) {
			t.Errorf("%s: status %d: %s", in, status, errs)
		}
	}
}

// TestConvertRelease downloads a release from a hub of its own and converts it.
func TestConvertRelease(t *testing.T) {
	served := map[string]map[string]string{ // repository → path → file
		"test/nano":  {"checkpoint.pt": nanoRelease + "/checkpoint.pt", "README.md": nanoRelease + "/release.json"},
		"test/lm":    {"config.json": nanoRelease + "/lm/config.json", "pytorch_model.bin": nanoRelease + "/lm/pytorch_model.bin"},
		"test/tower": {"pytorch_model.bin": nanoRelease + "/ViT.pt"},
	}
	const commit = "0123456789abcdef0123456789abcdef01234567"
	bodies := 0
	hub := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for id, files := range served {
			switch path := r.URL.Path; {
			case strings.HasPrefix(path, "/api/models/"+id+"/revision/"):
				json.NewEncoder(w).Encode(map[string]any{"id": id, "sha": commit, "cardData": map[string]any{"license": "mit"}})
				return
			case path == "/api/models/"+id+"/tree/"+commit:
				var list []map[string]any
				for name, file := range files {
					data, err := os.ReadFile(file)
					if err != nil {
						t.Error(err)
					}
					sum := fmt.Sprintf("%x", sha256.Sum256(data))
					list = append(list, map[string]any{"type": "file", "path": name, "size": len(data), "oid": commit,
						"lfs": map[string]any{"oid": sum, "size": len(data), "pointerSize": 130}})
				}
				json.NewEncoder(w).Encode(list)
				return
			case strings.HasPrefix(path, "/"+id+"/resolve/"+commit+"/"):
				bodies++
				http.ServeFile(w, r, files[strings.TrimPrefix(path, "/"+id+"/resolve/"+commit+"/")])
				return
			}
		}
		http.NotFound(w, r)
	}))
	defer hub.Close()
	layout, err := os.ReadFile(nanoRelease + "/release.json")
	if err != nil {
		t.Fatal(err)
	}
	nano := convert.Release{Name: "test/nano", Kind: "openflamingo", Layout: line[convert.Layout](t, string(layout)), Parts: []convert.Source{
		{Role: convert.RoleTrained, Repo: "test/nano", Revision: "main"}, {Role: convert.RoleLM, Repo: "test/lm", Revision: "main"},
		{Role: convert.RoleVision, Repo: "test/tower", Revision: "main"},
	}}
	defer func(all []convert.Release) { convert.Releases = all }(convert.Releases)
	convert.Releases = append(convert.Releases, nano)

	dir := t.TempDir()
	out := filepath.Join(dir, "nano")
	text := succeed(t, "convert", "test/nano", "--hub", hub.URL, "--downloads", filepath.Join(dir, "downloads"), "-o", out)
	if before, _, _ := strings.Cut(text, "TENSOR"); strings.Count(before, "mit") != 3 || !strings.Contains(before, "language model") {
		t.Errorf("the parts and their licences are not named before the start: %s", before)
	}
	if r := line[report](t, succeed(t, "inspect", "--json", out)); len(r.Licences) != 3 || r.Licences[1].SPDX != "mit" {
		t.Errorf("licences: %+v", r.Licences)
	}
	first := bodies
	succeed(t, "convert", "nano", "--hub", hub.URL, "--downloads", filepath.Join(dir, "downloads"), "--dtype", "q4", "-o", filepath.Join(dir, "again"))
	if bodies != first {
		t.Errorf("%d files were fetched again", bodies-first)
	}
	if status, _, errs := flamingo(t, nil, "convert", "nobody/knows", "-o", filepath.Join(dir, "x")); status != statusFailed || !strings.Contains(errs, "openflamingo/OpenFlamingo-9B-vitl-mpt7b") {
		t.Errorf("status %d: %s", status, errs)
	}
}
