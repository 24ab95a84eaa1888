//go:build !js

package runtime

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"flamingo/gpu"
	"flamingo/loader"
	"flamingo/model"
	"flamingo/tensor"
)

// manifestOf declares the f32 weights of a configuration, of which there are none.
func manifestOf(t *testing.T, change func(*model.Config)) (*loader.Manifest, model.Config) {
	t.Helper()
	data, err := os.ReadFile("testdata/tiny.json")
	if err != nil {
		t.Fatal(err)
	}
	c, err := model.ParseConfig(data)
	if err != nil {
		t.Fatal(err)
	}
	if change(&c); c.Validate() != nil {
		t.Fatal(c.Validate())
	}
	m := &loader.Manifest{Name: "tiny"}
	for _, e := range model.Spec(c) {
		n, err := tensor.F32.Bytes(e.Shape)
		if err != nil {
			t.Fatal(err)
		}
		m.Tensors = append(m.Tensors, loader.TensorEntry{Name: e.Name, DType: tensor.F32, Shape: e.Shape, Bytes: int64(n)})
	}
	return m, c
}

// TestTrial puts models on trial for devices of all kinds: each refusal names what is too large, the
// device and all that the model needs.
func TestTrial(t *testing.T) {
	const mega = 1 << 20
	for _, c := range []struct {
		name   string
		change func(*model.Config)
		info   gpu.Info
		room   int64
		part   string // of the error; "" where there is none
	}{
		{name: "no limits"},
		{name: "wide limits", info: gpu.Info{MaxBuffer: mega, MaxBinding: mega, MaxGroups: 4096}, room: mega},
		{name: "a weight, buffers", info: gpu.Info{MaxBuffer: 40_000},
			part: "lm.embed.weight has 40960 bytes, the device takes at most 40000 in one buffer"},
		{name: "a weight, bindings", info: gpu.Info{MaxBuffer: mega, MaxBinding: 40_000},
			part: "lm.embed.weight has 40960 bytes, the device takes at most 40000 in one binding"},
		{name: "a picture", change: func(c *model.Config) { c.Preprocess.Size = 256 }, info: gpu.Info{MaxBuffer: mega - 1},
			part: "pixels has 1048576 bytes, the device takes at most 1048575 in one buffer"},
		{name: "a picture, bindings", change: func(c *model.Config) { c.Preprocess.Size = 256 }, info: gpu.Info{MaxBinding: mega - 1},
			part: "vision: conv2d: f32 [256,256,4] has 1048576 bytes, the device takes at most 1048575 in one binding"},
		{name: "workgroups", info: gpu.Info{MaxGroups: 7}, part: "workgroups, the device takes at most 7 along an axis"},
		{name: "all of it", room: 300_000, part: "the device holds at most 300000; use a smaller model, or WebGPU"},
	} {
		m, config := manifestOf(t, func(to *model.Config) {
			if c.change != nil {
				c.change(to)
			}
		})
		c.info.Description = "the device"
		w := newTrial(c.info)
		w.room = c.room
		if err := w.caption(t.Context(), m, config); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		err := w.verdict(m)
		switch {
		case c.part == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.part != "" && (Code(err) != "limits-too-small" || !strings.Contains(fmt.Sprint(err), c.part)):
			t.Errorf("%s: got %v, want it to say %q", c.name, err, c.part)
		}
	}
}

// TestTrialWeighs holds the numbers of a refusal against a real load.
func TestTrialWeighs(t *testing.T) {
	dir, dev := tiny(t), gpu.NewCPU()
	l, err := Load(t.Context(), dev, Options{Location: dir})
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Model.NewSession(t.Context(), model.Room{Tokens: 96, Images: 1})
	if err != nil {
		t.Fatal(err)
	}
	prompt := make([]int32, 95)
	prompt[0] = l.Model.Config.Tokens.Image
	if _, err := s.Logits(t.Context(), model.Prompt{IDs: prompt, Media: []model.Media{model.Preprocessed(tensor.New(tensor.F32, 3, 32, 32))}}); err != nil {
		t.Fatal(err)
	}
	w := newTrial(gpu.Info{MaxGroups: 1})
	if err := w.caption(t.Context(), l.Manifest, l.Model.Config); err != nil {
		t.Fatal(err)
	}
	weights, kv := 0, 2*96*2*32*4 // blocks, tokens, keys and values, width, bytes
	for _, e := range l.Manifest.Tensors {
		weights += int(e.Bytes)
	}
	all := 0
	for _, n := range w.Held() {
		all += n
	}
	want := fmt.Sprintf("the model needs %d bytes (%d of weights, %d of KV cache, %d of activations and the rest)", all, weights, kv, all-weights-kv)
	if err := w.verdict(l.Manifest); !strings.Contains(fmt.Sprint(err), want) {
		t.Errorf("got %v, want it to say %q", err, want)
	}
	if all -= w.Arena().Bytes(); all != left(dev) {
		t.Errorf("apart from temporaries the trial holds %d bytes, the device %d", all, left(dev))
	}
}

// TestTrialForgets weighs a family whose sessions need something for a moment only.
func TestTrialForgets(t *testing.T) {
	m, c := manifestOf(t, func(c *model.Config) { c.LM.Family = "chinchilla" })
	w := newTrial(gpu.Info{})
	if err := w.caption(t.Context(), m, c); err != nil {
		t.Fatal(err)
	}
	if n, ok := w.Held()["distances"]; !ok || n != 0 {
		t.Errorf("%d bytes of distances are held, %v; want them to have come and gone", n, w.Held())
	}
}

func TestRoom(t *testing.T) {
	for _, c := range []struct {
		kind, arch string
		want       int64
	}{{"cpu", "wasm", 4 << 30}, {"cpu", "amd64", 0}, {"webgpu", "wasm", 0}} {
		if got := roomOf(gpu.Info{Kind: c.kind}, c.arch); got != c.want {
			t.Errorf("%s on %s: %d bytes, want %d", c.kind, c.arch, got, c.want)
		}
	}
}
