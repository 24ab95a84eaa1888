//go:build !js

package runtime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flamingo/convert"
	"flamingo/gpu"
	"flamingo/loader"
	"flamingo/model"
	"flamingo/tensor"
	"flamingo/tokenizer"
)

// tiny writes a model of random weights.
func tiny(t *testing.T) (dir string) {
	t.Helper()
	data, err := os.ReadFile("testdata/tiny.json")
	if err != nil {
		t.Fatal(err)
	}
	c, err := model.ParseConfig(data)
	if err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(t.TempDir(), "tiny")
	words, err := os.ReadFile("../testdata/tokenizer/byte-level.json")
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.Parse(words)
	if err != nil {
		t.Fatal(err)
	}
	c.Tokens.Image, _ = tok.TokenID("<image>")
	c.Tokens.BOS, _ = tok.TokenID("<|endoftext|>")
	checkpoint := convert.Synth(c, 1)
	checkpoint.Tokenizer = words
	if _, err := checkpoint.Write(t.Context(), convert.Options{Out: dir, Name: "tiny", DType: tensor.Q8}); err != nil {
		t.Fatal(err)
	}
	return dir
}

// edit replaces the only occurrence of a text in a file.
func edit(t *testing.T, path, from, to string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(data), from); n != 1 {
		t.Fatalf("%s has %q %d times, want once", path, from, n)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(data), from, to, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
}

// counted is a directory that takes down which files were asked for, and may fail.
type counted struct {
	loader.DirSource
	reads []string
	fail  string // the beginning of a file's name
}

func (c *counted) Read(ctx context.Context, path string, from, to int64, got func(int)) (tensor.Bytes, error) {
	c.reads = append(c.reads, path)
	if c.fail != "" && strings.HasPrefix(path, c.fail) {
		return nil, fmt.Errorf("%w: the disk is gone", loader.ErrNetwork)
	}
	return c.DirSource.Read(ctx, path, from, to, got)
}

func TestLoad(t *testing.T) {
	dir := tiny(t)
	dev := gpu.NewCPU()
	var phases []string
	last := [3]int64{}
	l, err := Load(t.Context(), dev, Options{Location: dir, Progress: func(phase string, loaded, total, fromCache int64) {
		if len(phases) == 0 || phases[len(phases)-1] != phase {
			phases = append(phases, phase)
		}
		if loaded < last[0] || total < last[1] || fromCache < last[2] || loaded > total {
			t.Errorf("%s: %d of %d, %d cached, after %v", phase, loaded, total, fromCache, last)
		}
		last = [3]int64{loaded, total, fromCache}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{PhaseManifest, PhaseFetch, PhaseCompile, PhaseSelfTest, PhaseReady}; !slices.Equal(phases, want) {
		t.Errorf("phases %v, want %v", phases, want)
	}
	if last[0] != l.Manifest.Bytes() || last[1] != last[0] {
		t.Errorf("ends at %d of %d bytes, want %d", last[0], last[1], l.Manifest.Bytes())
	}
	made, err := l.Model.NewCaptioner().Caption(t.Context(), model.Picture(model.TestCard()), model.CaptionOptions{Options: model.Options{MaxTokens: 3}}, nil)
	if err != nil || len(made.IDs) == 0 {
		t.Errorf("caption %v, %v", made, err)
	}
}

// left is what a device holds apart from temporaries, which belong to the device.
func left(dev gpu.Device) int { return dev.Stats().Bytes - dev.Arena().Bytes() }

func TestLoadFailsCleanly(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, dir string, s *counted)
		info  limits
		is    error
		code  string
		part  string
		reads int // at most, not counting repetitions
	}{
		{name: "no manifest", spoil: func(t *testing.T, dir string, _ *counted) {
			os.Remove(filepath.Join(dir, loader.ManifestName))
		}, is: loader.ErrNetwork, code: "network", part: "flamingo.json", reads: 1},
		{name: "a shape that is not the model's", spoil: func(t *testing.T, dir string, _ *counted) {
			edit(t, filepath.Join(dir, loader.ManifestName), `"name":"lm.norm.weight","dtype":"f32","shape":[32]`, `"name":"lm.norm.weight","dtype":"f32","shape":[4,8]`)
		}, is: model.ErrWeights, code: "invalid-model", part: "lm.norm.weight is [4,8], want [32]", reads: 1},
		{name: "a tensor under another name", spoil: func(t *testing.T, dir string, _ *counted) {
			edit(t, filepath.Join(dir, loader.ManifestName), `"lm.norm.weight"`, `"lm.norm.heavy"`)
		}, is: model.ErrWeights, code: "invalid-model", part: "lm.norm.heavy is not part of this model", reads: 1},
		{name: "a configuration of absurd size", spoil: func(t *testing.T, dir string, _ *counted) {
			edit(t, filepath.Join(dir, loader.ManifestName), `"vocab":320`, `"vocab":2000000000`)
		}, is: model.ErrConfig, code: "unsupported-model", part: "lm.vocab is 2000000000", reads: 1},
		{name: "buffers too small", info: limits{buffer: 1000}, is: gpu.ErrLimits, code: "limits-too-small", part: "at most 1000 in one buffer", reads: 1},
		{name: "bindings too small", info: limits{binding: 1000}, is: gpu.ErrLimits, code: "limits-too-small", part: "at most 1000 in one binding", reads: 1},
		{name: "bindings too small for the cache", info: limits{binding: 16000}, is: gpu.ErrLimits, code: "limits-too-small", part: "lm.blocks.0: append: f32 [96,64] has 24576 bytes", reads: 1},
		{name: "too few workgroups", info: limits{groups: 1}, is: gpu.ErrLimits, code: "limits-too-small", part: "at most 1 along an axis", reads: 1},
		{name: "another tokenizer", spoil: func(t *testing.T, dir string, _ *counted) {
			edit(t, filepath.Join(dir, "tokenizer.json"), `"version":"1.0"`, `"version":"2.0"`)
		}, is: loader.ErrIntegrity, code: "integrity", part: "tokenizer.json", reads: 2},
		{name: "a damaged weight", spoil: func(t *testing.T, dir string, _ *counted) {
			path := filepath.Join(dir, "model-00001-of-00001.safetensors")
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			data[len(data)-5] ^= 1
			if err := os.WriteFile(path, data, 0o644); err != nil {
				t.Fatal(err)
			}
		}, is: loader.ErrIntegrity, code: "integrity", part: "model-00001", reads: 3},
		{name: "weights that do not come", spoil: func(_ *testing.T, _ string, s *counted) { s.fail = "model-" },
			is: loader.ErrNetwork, code: "network", part: "the disk is gone", reads: 3},
		{name: "a device that is full", info: limits{allocations: 5}, is: gpu.ErrOutOfMemory, code: "out-of-memory", part: "no room", reads: 3},
		{name: "wrong numbers", spoil: func(t *testing.T, dir string, _ *counted) {
			edit(t, filepath.Join(dir, loader.ManifestName), `"logits":[`, `"logits":[9`)
		}, code: "internal", part: "computes wrong numbers", reads: 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := tiny(t)
			source := &counted{DirSource: loader.DirSource(dir)}
			if c.spoil != nil {
				c.spoil(t, dir, source)
			}
			dev := &limited{gpu.NewCPU(), c.info}
			l, err := Load(t.Context(), dev, Options{Location: dir, Source: source})
			if err == nil || l != nil || (c.is != nil && !errors.Is(err, c.is)) || !strings.Contains(fmt.Sprint(err), c.part) {
				t.Fatalf("got %v, %v; want %v that says %q", l, err, c.is, c.part)
			}
			if got := Code(err); got != c.code {
				t.Errorf("code %s, want %s", got, c.code)
			}
			if n := left(dev); n != 0 {
				t.Errorf("%d bytes are left on the device", n)
			}
			slices.Sort(source.reads)
			if files := slices.Compact(source.reads); len(files) > c.reads {
				t.Errorf("read %v, want at most %d of them", files, c.reads)
			}
		})
	}
}

// limited is a device with limits; 0 is none.
type limited struct {
	gpu.Device
	limits
}

type limits struct{ buffer, binding, groups, allocations int }

func (l *limited) Info() gpu.Info {
	i := l.Device.Info()
	i.MaxBuffer, i.MaxBinding, i.MaxGroups = l.buffer, l.binding, l.groups
	return i
}

func (l *limited) Alloc(size int, label string) (gpu.Buffer, error) {
	if l.allocations--; l.allocations == 0 {
		return nil, fmt.Errorf("%s: no room: %w", label, gpu.ErrOutOfMemory)
	}
	return l.Device.Alloc(size, label)
}

func TestLoadIsAborted(t *testing.T) {
	dir := tiny(t)
	for _, at := range []string{PhaseManifest, PhaseFetch} {
		ctx, cancel := context.WithCancel(t.Context())
		dev := gpu.NewCPU()
		_, err := Load(ctx, dev, Options{Location: dir, Progress: func(phase string, _, _, _ int64) {
			if phase == at {
				cancel()
			}
		}})
		if Code(err) != "aborted" || left(dev) != 0 {
			t.Errorf("%s: %v, %d bytes left", at, err, left(dev))
		}
		cancel()
	}
}

func TestLoadOffline(t *testing.T) {
	dir := tiny(t)
	store, err := loader.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range []Options{
		{Source: loader.DirSource(dir)},
		{Source: &counted{DirSource: loader.DirSource(dir), fail: "flamingo"}}, // the network fails
		{Offline: true},
	} {
		dev := gpu.NewCPU()
		o.Location, o.Store = dir, store
		l, err := Load(t.Context(), dev, o)
		if err != nil {
			t.Fatal(err)
		}
		if i > 0 && l.Result.FromCache != l.Manifest.Bytes() {
			t.Errorf("load %d took %d bytes from the store, want %d", i, l.Result.FromCache, l.Manifest.Bytes())
		}
		if noticed := len(l.Notices) > 0; noticed != (i == 1) {
			t.Errorf("load %d: notices %q", i, l.Notices)
		}
	}
	if _, err := Load(t.Context(), gpu.NewCPU(), Options{Location: "elsewhere", Store: store, Offline: true}); Code(err) != "offline" {
		t.Errorf("got %v, want offline", err)
	}
}
