package convert

import (
	"context"
	"encoding/json"
	"image"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"flamingo/model"
	"flamingo/tensor"
)

// inBrowser leaves out of some tests what takes minutes there and is run natively: a browser that
// emulates its GPU is slow, and the kernels have tests of their own.
const inBrowser = runtime.GOOS == "js"

// TestNanoPictures captions the held-out pictures and wants PyTorch's tokens.
func TestNanoPictures(t *testing.T) {
	var list []struct {
		File, Caption string
		IDs           []int32
	}
	data, err := os.ReadFile(filepath.Join(nano, "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &list); err != nil || len(list) < 20 {
		t.Fatalf("%d held-out pictures, want 20 or more: %v", len(list), err)
	}
	cases := []struct {
		dtype  tensor.DType
		misses int // pictures that may differ
	}{{tensor.Q8, 1}, {tensor.F32, 0}}
	if inBrowser {
		cases = cases[:1]
	}
	for _, c := range cases {
		m := openNano(t, c.dtype)
		captioner := m.NewCaptioner()
		misses := 0
		for _, p := range list {
			var pieces strings.Builder
			got, err := captioner.Caption(context.Background(), model.Picture(readPNG(t, filepath.Join(nano, "pictures", p.File))), model.CaptionOptions{},
				func(tok model.Token) { pieces.WriteString(tok.Text) })
			if err != nil {
				t.Fatal(err)
			}
			if pieces.String() != got.Text {
				t.Errorf("%s: the pieces make %q, the caption is %q", p.File, pieces.String(), got.Text)
			}
			want := slices.DeleteFunc(slices.Clone(p.IDs), func(id int32) bool { return id == m.Config.Tokens.EndOfChunk })
			if !slices.Equal(got.IDs, want) || got.Text != strings.TrimSpace(p.Caption) {
				misses++
				t.Logf("%v: %s: got %q, want %q", c.dtype, p.File, got.Text, p.Caption)
			}
		}
		captioner.Close()
		t.Logf("%v: %d of %d pictures have PyTorch's tokens", c.dtype, len(list)-misses, len(list))
		if misses > c.misses {
			t.Errorf("%v: %d pictures differ, want at most %d", c.dtype, misses, c.misses)
		}
	}
}

func readPNG(t *testing.T, path string) model.Image {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	b := img.Bounds()
	rgba := image.NewRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
	draw.Draw(rgba, rgba.Bounds(), img, b.Min, draw.Src)
	return model.Image{Width: b.Dx(), Height: b.Dy(), Pixels: tensor.GoBytes(rgba.Pix)}
}
