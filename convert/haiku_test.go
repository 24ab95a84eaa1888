package convert

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flamingo/model"
	"flamingo/ops"
	"flamingo/tensor"
)

const (
	nfnetHaiku = "../testdata/nfnet-haiku"
	haikuFile  = nfnetHaiku + "/F0_haiku.npz"
)

// haikuConfig is the fixture's, with or without the final convolution.
func haikuConfig(t *testing.T, final bool) model.NFNetConfig {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(nfnetHaiku, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := ParseNFNet(text, final)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// openTower opens an NFNet on the device under test.
func openTower(t *testing.T, path string, c model.NFNetConfig, flavour Flavour) *model.Tower {
	t.Helper()
	file, err := OpenNFNet(path, c, flavour)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	want := ops.GELU
	if flavour == DeepMindFlavour {
		want = ops.GELUTanh
	}
	if got := file.Config.Vision.Activation; got != want {
		t.Errorf("activation: got %v, want %v", got, want)
	}
	tower, err := file.Upload(device, tensor.F32)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tower.Close)
	return tower
}

// nfnetFeatures computes the features of a picture of the fixture, "0" or "1".
func nfnetFeatures(t *testing.T, tower *model.Tower, picture string) tensor.Tensor {
	t.Helper()
	g := openGolden(t, filepath.Join(nfnetHaiku, "expected.safetensors"))
	got, err := tower.Features(t.Context(), g.floats(picture+".image"))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestHaikuGolden compares DeepMind's own form with a float64 reference: both feature maps, of a
// picture with even sides and of one with odd ones.
func TestHaikuGolden(t *testing.T) {
	g := openGolden(t, filepath.Join(nfnetHaiku, "expected.safetensors"))
	for _, c := range []struct {
		name  string
		final bool
	}{{"features", true}, {"stage", false}} {
		tower := openTower(t, haikuFile, haikuConfig(t, c.final), DeepMindFlavour)
		for _, picture := range []string{"0", "1"} {
			absolute(t, picture+"."+c.name, nfnetFeatures(t, tower, picture), g.floats(picture+"."+c.name), 1e-4)
		}
	}
}

// TestHaikuNames holds the translation of names, of which one in the wrong place may still have the
// right shape.
func TestHaikuNames(t *testing.T) {
	blocks := map[string]string{"nf_block": "stages.0.0", "nf_block_7": "stages.2.3"}
	for from, want := range map[string]string{
		"NFNet/~/stem_conv0/w":                                "stem.conv1.weight",
		"NFNet/~/stem_conv3/gain":                             "stem.conv4.gain",
		"NFNet/~/nf_block/~/conv0/w":                          "stages.0.0.conv1.weight",
		"NFNet/~/nf_block_7/~/conv1/bias":                     "stages.2.3.conv2.bias",
		"NFNet/~/nf_block_7/~/conv1b/gain":                    "stages.2.3.conv2b.gain",
		"NFNet/~/nf_block_7/~/conv2/w":                        "stages.2.3.conv3.weight",
		"NFNet/~/nf_block_7/~/conv_shortcut/w":                "stages.2.3.downsample.conv.weight",
		"NFNet/~/nf_block_7/~/squeeze_excite/~/linear/w":      "stages.2.3.attn_last.fc1.weight",
		"NFNet/~/nf_block_7/~/squeeze_excite/~/linear_1/b":    "stages.2.3.attn_last.fc2.bias",
		"NFNet/~/nf_block_7/skip_gain":                        "stages.2.3.skipinit_gain",
		"NFNet/~/final_conv/bias":                             "final_conv.bias",
		"NFNet/~/linear/w":                                    "head.fc.weight",
		"NFNet/~/nf_block_8/~/conv0/w":                        "NFNet/~/nf_block_8/~/conv0/w", // of a deeper variant
		"NFNet/~/nf_block_7/~/conv9/w":                        "NFNet/~/nf_block_7/~/conv9/w",
		"NFNet/~/nf_block_7/~/squeeze_excite/~/linear/~/up/w": "NFNet/~/nf_block_7/~/squeeze_excite/~/linear/~/up/w",
		"w": "w",
	} {
		if got := haikuName(from, blocks); got != want {
			t.Errorf("%s: got %s, want %s", from, got, want)
		}
	}
}

// TestHaikuPieces reads kernels in pieces that begin and end anywhere.
func TestHaikuPieces(t *testing.T) {
	file, err := OpenNFNet(haikuFile, haikuConfig(t, true), DeepMindFlavour)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, name := range []string{"vision.stem.1.weight", "vision.stages.1.0.conv2.weight", "vision.stages.1.0.squeeze.weight", "vision.stages.1.0.conv1.bias"} {
		v := file.rules[name]
		whole, err := v.read(0, v.len)
		if err != nil {
			t.Fatal(err)
		}
		var pieces []float32
		for at := 0; at < v.len; at += 13 {
			x, err := v.read(at, min(at+13, v.len))
			if err != nil {
				t.Fatal(err)
			}
			pieces = append(pieces, x...)
		}
		if !slices.Equal(pieces, whole) {
			t.Errorf("%s: pieces of 13 values make another tensor than reading it at once", name)
		}
	}
}

func TestParseNFNetNames(t *testing.T) {
	for text, want := range map[string]string{
		"F0": "F0", "F6": "F6", "f3": "F3", " F1\n": "F1", "dm_nfnet_f3": "F3", "DM_NFNet_F5": "F5",
	} {
		for _, final := range []bool{true, false} {
			c, err := ParseNFNet([]byte(text), final)
			if err != nil || c != (model.NFNetConfig{Variant: want, NoFinal: !final}) {
				t.Errorf("%q: got %+v, %v; want %s", text, c, err, want)
			}
		}
	}
	c := haikuConfig(t, false)
	want := model.NFNetConfig{
		Widths: [4]int{32, 64, 96, 96}, Depths: [4]int{1, 2, 3, 1}, GroupWidth: 16, Stem: [4]int{2, 4, 8, 16}, Features: 128, NoFinal: true,
	}
	if c != want {
		t.Errorf("JSON: got %+v, want %+v", c, want)
	}
}

func TestParseNFNetErrors(t *testing.T) {
	sound := `{"channels":[32,64,96,96],"depths":[1,2,3,1],"group_size":16,"stem_channels":16,"num_features":128}`
	if _, err := ParseNFNet([]byte(sound), true); err != nil {
		t.Fatal(err)
	}
	edit := func(from, to string) string { return strings.Replace(sound, from, to, 1) }
	for _, row := range []struct{ text, want string }{
		{"", "want F0 to F6"},
		{"F7", `"F7", want F0 to F6`},
		{"F10", "want F0 to F6"},
		{"F-1", "want F0 to F6"},
		{"resnet50", "dm_nfnet_f0 to dm_nfnet_f6"},
		{"nfnet_f3", "want dm_nfnet_f3"},
		{"nfnet_f3", "timm's own variant"},
		{"nfnet_foo", `got "nfnet_foo", want F0 to F6`},
		{"nfnet_f" + strings.Repeat("3", 1<<16), "want F0 to F6"},
		{"dm_nfnet_3", "want F0 to F6"},
		{"nano", "want F0 to F6"},
		{"[1]", "or JSON"},
		{strings.Repeat("F", 1<<16), "want F0 to F6"},
		{"{", "unexpected EOF"},
		{sound + "}", "something follows"},
		{edit(`"depths"`, `"depth"`), `unknown field "depth"`},
		{edit("[1,2,3,1]", "[1,2,3]"), "depths has 3 numbers"},
		{edit("[1,2,3,1]", "[1,2,3,1,1]"), "depths has 5 numbers"},
		{edit("[32,64,96,96]", "null"), "channels has 0 numbers"},
		{edit("[1,2,3,1]", "[1,2,3,1e30]"), "cannot unmarshal"},
		{edit("[1,2,3,1]", "[1,2,3,0.5]"), "cannot unmarshal"},
		{edit(`"stem_channels":16`, `"stem_channels":20`), "stem_channels is 20, want a multiple of 8"},
		{edit(`"stem_channels":16`, `"stem_channels":-8`), "stem_channels is -8"},
		{edit(`"stem_channels":16`, `"alpha":0.2`), "stem_channels is 0"},
		{edit("{", `{"bottle_ratio":0.25,`), "bottle_ratio is 0.25, which is not supported; want 0.5"},
		{edit("{", `{"se_ratio":1,`), "se_ratio is 1"},
		{edit("{", `{"alpha":1,`), "alpha is 1, which is not supported; want 0.2"},
	} {
		_, err := ParseNFNet([]byte(row.text), true)
		if !errors.Is(err, ErrCheckpoint) || !strings.Contains(err.Error(), row.want) || !strings.Contains(err.Error(), "NFNet's configuration") || len(err.Error()) > 400 {
			t.Errorf("%.60q: got %v, want an ErrCheckpoint with %q", row.text, err, row.want)
		}
	}
}

// TestNFNetAbsurd gives numbers that parse but that no encoder has: nothing may be sized by them.
func TestNFNetAbsurd(t *testing.T) {
	sound := haikuConfig(t, true)
	for _, row := range []struct {
		want string
		edit func(c *model.NFNetConfig)
	}{
		{"vision.depths[2] is 1000000000, want 1 to 256", func(c *model.NFNetConfig) { c.Depths[2] = 1e9 }},
		{"vision.depths[0] is -1", func(c *model.NFNetConfig) { c.Depths[0] = -1 }},
		{"vision.widths[3] is 9223372036854775807", func(c *model.NFNetConfig) { c.Widths[3] = 1<<63 - 1 }},
		{"vision.widths[1] is 66: its half is no multiple of groupWidth 16", func(c *model.NFNetConfig) { c.Widths[1] = 66 }},
		{"vision.groupWidth is 0", func(c *model.NFNetConfig) { c.GroupWidth = 0 }},
		{"vision.groupWidth is -16", func(c *model.NFNetConfig) { c.GroupWidth = -16 }},
		{"vision.features is 1073741824", func(c *model.NFNetConfig) { c.Features = 1 << 30 }},
		{"vision.features is -4", func(c *model.NFNetConfig) { c.Features = -4 }},
		{"vision.stem[0] is 536870912", func(c *model.NFNetConfig) { c.Stem[0] = 1 << 29 }},
		{`vision.variant is "F9"`, func(c *model.NFNetConfig) { *c = model.NFNetConfig{Variant: "F9"} }},
	} {
		c := sound
		row.edit(&c)
		if _, err := OpenNFNet(haikuFile, c, DeepMindFlavour); err == nil || !strings.Contains(err.Error(), row.want) || !strings.Contains(err.Error(), haikuFile) {
			t.Errorf("got %v, want %s and %q", err, haikuFile, row.want)
		}
	}
}
