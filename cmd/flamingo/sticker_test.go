package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// TestSticker holds a few pictures, videos and questions against PyTorch, with the weights as the
// sticker model stores them. One text may differ: where two words are as likely, rounding decides.
func TestSticker(t *testing.T) {
	const dir, model = "../../testdata/sticker", "../../models/sticker"
	type row struct {
		File, Question, Said string
		Files                []string
	}
	var expected struct{ Pictures, Videos, Questions []row }
	data, err := os.ReadFile(filepath.Join(dir, "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &expected); err != nil {
		t.Fatal(err)
	}
	cases := append(expected.Pictures[:8:8], expected.Videos[:3]...)
	cases = append(cases, expected.Questions[:8]...)
	differ := 0
	for _, want := range cases {
		args := []string{"caption", "--model", model, "--json"}
		if want.Question != "" {
			args = []string{"ask", "--model", model, "--json", "--question", want.Question}
		}
		if want.File != "" {
			args = append(args, filepath.Join(dir, want.File))
		} else {
			args = append(args, "--frames")
		}
		for _, file := range want.Files {
			args = append(args, filepath.Join(dir, file))
		}
		var got struct{ Caption, Answer, Finish string }
		if err := json.Unmarshal([]byte(succeed(t, args...)), &got); err != nil {
			t.Fatal(err)
		}
		if got.Caption+got.Answer != want.Said || got.Finish != "stop" {
			differ++
			t.Logf("%s %s %q: %q (%s), PyTorch says %q", want.File, want.Files, want.Question, got.Caption+got.Answer, got.Finish, want.Said)
		}
	}
	if differ > 1 {
		t.Errorf("%d of %d texts differ from PyTorch's, want at most 1", differ, len(cases))
	}
}
