package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestNano captions the held-out pictures with the nano model, as a person would.
func TestNano(t *testing.T) {
	data, err := os.ReadFile("../../testdata/nano/expected.json")
	if err != nil {
		t.Fatal(err)
	}
	var expected []struct {
		File, Caption string
		IDs           []int32
	}
	if err := json.Unmarshal(data, &expected); err != nil {
		t.Fatal(err)
	}
	out := succeed(t, "caption", "--model", "../../models/nano", "--json", "../../testdata/nano/pictures")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != len(expected) {
		t.Fatalf("%d captions, want %d", len(lines), len(expected))
	}
	same := 0
	for i, want := range expected {
		got := line[answer](t, lines[i])
		if filepath.Base(got.File) != want.File || got.Finish != "stop" {
			t.Errorf("%s: finish %s, want %s to stop", got.File, got.Finish, want.File)
		}
		// PyTorch's ids end with the token that ends the chunk.
		if got.Caption == strings.TrimSpace(want.Caption) && slices.Equal(got.IDs, want.IDs[:len(want.IDs)-1]) {
			same++
		} else {
			t.Logf("%s: %q, PyTorch %q", want.File, got.Caption, want.Caption)
		}
	}
	// The nano model is stored as q8, PyTorch's is f32.
	if 20*same < 19*len(expected) {
		t.Errorf("%d of %d captions are PyTorch's, want 19 in 20", same, len(expected))
	}
}
