package convert

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"flamingo/checkpoint"
	"flamingo/tensor"
)

// A renamed file has other names for its tensors.
type renamed struct {
	tensors
	names map[string]string // new → old
}

// rename gives the tensors of a file new names; those that become "" disappear.
func rename(file tensors, to func(name string) string) renamed {
	r := renamed{file, map[string]string{}}
	for _, e := range file.Entries() {
		if name := to(e.Name); name != "" {
			r.names[name] = e.Name
		}
	}
	return r
}

func (r renamed) Entries() []checkpoint.Entry {
	var list []checkpoint.Entry
	for _, name := range slices.Sorted(maps.Keys(r.names)) {
		e, _ := r.Find(name)
		list = append(list, e)
	}
	return list
}

func (r renamed) Find(name string) (checkpoint.Entry, bool) {
	old, ok := r.names[name]
	if !ok {
		return checkpoint.Entry{}, false
	}
	e, ok := r.tensors.Find(old)
	e.Name = name
	return e, ok
}

func (r renamed) Floats(name string, from, to int) ([]float32, error) {
	return r.tensors.Floats(r.names[name], from, to)
}

// haikuRoot is what the names of DeepMind's parameters begin with.
const haikuRoot = "NFNet/~/"

// haiku presents DeepMind's parameters of an NFNet under timm's names and in its layout: kernels
// [out, in, y, x] where haiku has [y, x, in, out].
type haiku struct {
	renamed
	sync.Mutex
	name  string // of the kernel at hand, whole: it is small, and its rows are asked for one by one
	whole []float32
}

// openHaiku translates the names of an NFNet with the given depths: haiku numbers blocks through.
func openHaiku(file tensors, depths [4]int) *haiku {
	blocks := map[string]string{}
	n := 0
	for s, depth := range depths {
		for i := range depth {
			name := "nf_block"
			if n > 0 {
				name = fmt.Sprintf("nf_block_%d", n)
			}
			blocks[name] = fmt.Sprintf("stages.%d.%d", s, i)
			n++
		}
	}
	return &haiku{renamed: rename(file, func(name string) string { return haikuName(name, blocks) })}
}

// haikuName is timm's name of a haiku parameter, or the name as it is where it has none.
func haikuName(name string, blocks map[string]string) string {
	module, param := name[:max(strings.LastIndex(name, "/"), 0)], name[strings.LastIndex(name, "/")+1:]
	path := strings.Split(strings.TrimPrefix(module, haikuRoot), "/~/")
	switch param {
	case "w":
		param = "weight"
	case "b":
		param = "bias"
	}
	layer := func(names map[string]string, at string) string {
		if to, ok := names[at]; ok {
			return to + "." + param
		}
		return name
	}
	block, inside := blocks[path[0]]
	switch {
	case !inside:
		return layer(map[string]string{
			"stem_conv0": "stem.conv1", "stem_conv1": "stem.conv2", "stem_conv2": "stem.conv3", "stem_conv3": "stem.conv4",
			"final_conv": "final_conv", "linear": "head.fc",
		}, path[0])
	case len(path) == 1 && param == "skip_gain":
		return block + ".skipinit_gain"
	}
	to := layer(map[string]string{
		"conv0": "conv1", "conv1": "conv2", "conv1b": "conv2b", "conv2": "conv3", "conv_shortcut": "downsample.conv",
		"squeeze_excite/linear": "attn_last.fc1", "squeeze_excite/linear_1": "attn_last.fc2",
	}, strings.Join(path[1:], "/"))
	if to == name {
		return name
	}
	return block + "." + to
}

// Find gives shapes in timm's layout.
func (h *haiku) Find(name string) (checkpoint.Entry, bool) {
	e, ok := h.renamed.Find(name)
	switch s := e.Shape; {
	case strings.HasSuffix(name, ".weight") && len(s) == 4:
		e.Shape = tensor.Shape{s[3], s[2], s[0], s[1]}
	case strings.HasSuffix(name, ".weight") && len(s) == 2 && strings.Contains(name, "attn_last"):
		e.Shape = tensor.Shape{s[1], s[0], 1, 1}
	case strings.HasSuffix(name, ".gain") && len(s) == 1:
		e.Shape = tensor.Shape{s[0], 1, 1, 1}
	}
	return e, ok
}

func (h *haiku) Floats(name string, from, to int) ([]float32, error) {
	if !strings.HasSuffix(name, ".weight") {
		return h.renamed.Floats(name, from, to)
	}
	e, _ := h.Find(name)
	h.Lock()
	defer h.Unlock()
	if h.name != name {
		x, err := h.renamed.Floats(name, 0, e.Shape.Len())
		if err != nil {
			return nil, err
		}
		// [area, in, out] → [out, in, area]; a linear has an area of one.
		out, in := e.Shape[0], e.Shape[1]
		area := e.Shape.Len() / max(out*in, 1)
		h.whole = make([]float32, len(x))
		for k := range area {
			for c := range in {
				for o := range out {
					h.whole[(o*in+c)*area+k] = x[(k*in+c)*out+o]
				}
			}
		}
		h.name = name
	}
	return append([]float32(nil), h.whole[from:to]...), nil
}
