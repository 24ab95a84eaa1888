//go:build unix

package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// asCommand makes the test's own program the command.
const asCommand = "FLAMINGO_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	os.Exit(m.Run())
}

// TestDocs runs what docs/command-line.md shows, in a copy of what it speaks of.
func TestDocs(t *testing.T) {
	page, err := os.ReadFile("../../docs/command-line.md")
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{"models/nano", "testdata/nano", "web/samples"} {
		if err := os.CopyFS(dir+"/"+name, os.DirFS("../../"+name)); err != nil {
			t.Fatal(err)
		}
	}
	blocks := strings.Split(string(page), "```sh\n")[1:]
	if len(blocks) < 8 {
		t.Fatalf("%d blocks, want one for each ability", len(blocks))
	}
	for _, b := range blocks {
		code, _, _ := strings.Cut(b, "```")
		if strings.HasPrefix(code, "go build") {
			continue
		}
		code = strings.ReplaceAll(code, "/tmp/", dir+"/")
		run := exec.CommandContext(t.Context(), "sh", "-eu")
		run.Dir, run.Env = dir, append(os.Environ(), asCommand+"=1")
		run.Stdin = strings.NewReader(strings.ReplaceAll(code, "build/flamingo", `"`+self+`"`))
		if out, err := run.CombinedOutput(); err != nil || len(out) == 0 || strings.Contains(string(out), "flamingo: ") {
			t.Errorf("%v, from\n%s\n%s", err, code, out)
		} else {
			t.Logf("%s\n%s", code, out)
		}
	}
}
