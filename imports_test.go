package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// importRules say what each package may import of the project and from
// elsewhere. Every package has a row: a new one needs a decision. Paths are
// relative to the module, "" is the server at the root. Tests may import more.
var importRules = map[string]struct{ own, foreign []string }{
	"":          {},
	"tensor":    {foreign: []string{"github.com/x448/float16"}},
	"tokenizer": {},
	"shaders":   {},
	"gpu":       {own: []string{"tensor", "shaders"}},
	"gpu/webgpu": {
		own:     []string{"gpu", "tensor", "shaders"},
		foreign: []string{"github.com/cogentcore/webgpu/wgpu"},
	},
	"ops":               {own: []string{"gpu", "tensor"}},
	"model":             {own: []string{"ops", "gpu", "tensor", "tokenizer"}},
	"loader":            {own: []string{"tensor"}, foreign: []string{"github.com/hack-pad/go-indexeddb/idb", "github.com/hack-pad/safejs"}},
	"wasm":              {own: []string{"runtime", "model", "loader", "gpu", "gpu/webgpu", "tokenizer", "tensor"}},
	"runtime":           {own: []string{"model", "loader", "gpu", "tokenizer", "tensor"}},
	"convert":           {own: []string{"checkpoint", "model", "ops", "gpu", "loader", "tokenizer", "tensor"}},
	"checkpoint":        {own: []string{"loader", "tensor"}},
	"hub":               {},
	"picture":           {foreign: []string{"*"}}, // native only, so its decoders cost a visitor nothing
	"cmd/flamingo":      {own: []string{"convert", "checkpoint", "hub", "picture", "runtime", "model", "ops", "gpu", "gpu/webgpu", "loader", "tokenizer", "tensor", "shaders"}, foreign: []string{"*"}},
	"tools/precompress": {foreign: []string{"github.com/andybalholm/brotli"}},
	"tools/wasmrun":     {},
}

// jsPackages may touch JavaScript, in files whose name ends in _js.go.
var jsPackages = []string{"gpu/webgpu", "loader", "wasm"}

// leafImports are third-party packages that only files with a certain ending may import.
var leafImports = map[string]string{"github.com/hack-pad/go-indexeddb/idb": "_js.go", "syscall/js": "_js.go"}

// goPackage is the part of `go list -json` that the rules look at.
type goPackage struct {
	ImportPath string
	Dir        string
	Imports    []string
	GoFiles    []string
	CgoFiles   []string
}

// goList runs go list -json for packages, with extra environment.
func goList(t *testing.T, env []string, args ...string) []goPackage {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Dir,Imports,GoFiles,CgoFiles"}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %v: %v\n%s", args, err, stderr.String())
	}
	var list []goPackage
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
}

const module = "flamingo"

// relative gives the path of one of our packages inside the module.
func relative(importPath string) (rel string, ours bool) {
	if importPath == module {
		return "", true
	}
	return strings.CutPrefix(importPath, module+"/")
}

// targets are the builds of the project: each sees other files.
var targets = []struct {
	name string
	env  []string
	args []string
}{
	{"native", []string{"CGO_ENABLED=0"}, nil},
	{"native WebGPU", []string{"CGO_ENABLED=1"}, []string{"-tags=webgpu"}},
	{"js", []string{"GOOS=js", "GOARCH=wasm"}, nil},
}

func TestImportRules(t *testing.T) {
	for _, target := range targets {
		// -e: a package may have no file for this target.
		for _, p := range goList(t, target.env, append(target.args, "-e", "./...")...) {
			rel, _ := relative(p.ImportPath)
			rule, ok := importRules[rel]
			if !ok {
				t.Errorf("%s: package %s has no row in importRules: decide what it may import", target.name, p.ImportPath)
				continue
			}
			for _, imp := range p.Imports {
				if problem := checkImport(rel, imp, rule.own, rule.foreign); problem != "" {
					t.Errorf("%s: %s imports %s: %s", target.name, p.ImportPath, imp, problem)
				}
			}
			checkLeaves(t, p)
		}
	}
}

// checkImport says what is wrong with an import, or nothing.
func checkImport(rel, imp string, own, foreign []string) string {
	if to, ours := relative(imp); ours {
		if !slices.Contains(own, to) {
			return "it may import of the project: " + strings.Join(own, ", ")
		}
		return ""
	}
	if imp == "syscall/js" && !slices.Contains(jsPackages, rel) {
		return "only " + strings.Join(jsPackages, ", ") + " may touch JavaScript"
	}
	if first, _, _ := strings.Cut(imp, "/"); !strings.Contains(first, ".") {
		return "" // the standard library
	}
	if !slices.Contains(foreign, imp) && !slices.Contains(foreign, "*") {
		return "it may import from elsewhere: " + strings.Join(foreign, ", ")
	}
	return ""
}

// checkLeaves looks into each file for the imports that only leaves may have.
func checkLeaves(t *testing.T, p goPackage) {
	for _, name := range slices.Concat(p.GoFiles, p.CgoFiles) {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.ImportsOnly)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, spec := range file.Imports {
			imp, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Error(err)
			}
			if ending, leaf := leafImports[imp]; leaf && !strings.HasSuffix(name, ending) {
				t.Errorf("%s/%s imports %s: only files named *%s may", p.ImportPath, name, imp, ending)
			}
		}
	}
}

func TestImportRulesBite(t *testing.T) {
	for _, c := range []struct {
		from, imp string
		ok        bool
	}{
		{"ops", "flamingo/gpu", true}, {"ops", "flamingo/model", false}, {"ops", "flamingo/gpu/webgpu", false},
		{"ops", "math", true}, {"ops", "encoding/json", true}, {"ops", "syscall/js", false},
		{"gpu/webgpu", "github.com/cogentcore/webgpu/wgpu", true}, {"gpu", "github.com/cogentcore/webgpu/wgpu", false},
		{"loader", "flamingo/gpu", false}, {"loader", "syscall/js", true}, {"tensor", "flamingo", false},
		{"", "flamingo/tensor", false}, {"cmd/flamingo", "flamingo/wasm", false}, {"cmd/flamingo", "example.org/x", true},
	} {
		rule := importRules[c.from]
		if problem := checkImport(c.from, c.imp, rule.own, rule.foreign); (problem == "") != c.ok {
			t.Errorf("%q importing %s: %q, want allowed: %v", c.from, c.imp, problem, c.ok)
		}
	}
}

// TestWasmStaysSmall keeps out of the browser what costs megabytes there.
func TestWasmStaysSmall(t *testing.T) {
	banned := map[string]string{
		"net/http":      "7.5 MB raw: use fetch",
		"crypto/sha256": "use crypto.subtle",
		"image/jpeg":    "the browser decodes pictures",
		"image/png":     "the browser decodes pictures",
		"os/exec":       "nothing to execute",
	}
	for _, p := range goList(t, []string{"GOOS=js", "GOARCH=wasm"}, "-deps", "./wasm") {
		if why := banned[p.ImportPath]; why != "" {
			t.Errorf("package wasm depends on %s (%s); `GOOS=js GOARCH=wasm go list -deps -json ./wasm` shows who imports it", p.ImportPath, why)
		}
	}
}
