package convert

import (
	"fmt"
	"math"
	"strings"

	"flamingo/model"
	"flamingo/ops"
)

// clipHead is the width of a head in every published CLIP.
const clipHead = 64

// The mean and standard deviation of the pictures that CLIP was trained on.
var (
	clipMean = [3]float32{0.48145466, 0.4578275, 0.40821073}
	clipStd  = [3]float32{0.26862954, 0.26130258, 0.27577711}
)

// A clipFile is CLIP's image tower in one of its two published spellings: OpenAI's, which open_clip
// shares, and that of Hugging Face.
type clipFile struct {
	part
	names clipNames
}

type clipNames struct {
	class, positions, patch, pre, post, project string
	block                                       string // with a %d
	norm1, norm2, out, up, down                 string // in a block
	fused                                       bool   // queries, keys and values are one matrix
	projectRows                                 bool   // the projection is [Embed, Width], not its transpose
}

var (
	openaiNames = clipNames{
		class: "class_embedding", positions: "positional_embedding", patch: "conv1.weight", pre: "ln_pre", post: "ln_post", project: "proj",
		block: "transformer.resblocks.%d.", norm1: "ln_1", norm2: "ln_2", out: "attn.out_proj", up: "mlp.c_fc", down: "mlp.c_proj",
		fused: true,
	}
	huggingFaceNames = clipNames{
		class: "vision_model.embeddings.class_embedding", positions: "vision_model.embeddings.position_embedding.weight",
		patch: "vision_model.embeddings.patch_embedding.weight", pre: "vision_model.pre_layrnorm", post: "vision_model.post_layernorm",
		project: "visual_projection.weight", block: "vision_model.encoder.layers.%d.",
		norm1: "layer_norm1", norm2: "layer_norm2", out: "self_attn.out_proj", up: "mlp.fc1", down: "mlp.fc2",
		projectRows: true,
	}
)

// findCLIP recognises the spelling and the prefix of the names in a file.
func findCLIP(p part) (clipFile, error) {
	if q, err := p.locate(huggingFaceNames.patch, "", "clip.", "vision_encoder."); err == nil && p.file != nil {
		return clipFile{q, huggingFaceNames}, nil
	}
	q, err := p.locate(openaiNames.patch, "visual.", "", "vision_encoder.", "vision_encoder.visual.")
	return clipFile{q, openaiNames}, err
}

// config reads what shapes tell. heads is 0 for the published width of a head.
func (f clipFile) config(heads int, embed bool) (model.CLIPConfig, error) {
	var c model.CLIPConfig
	var err error
	dim := func(name string, axes, axis int) (n int) {
		if err == nil {
			n, err = f.dim(name, axes, axis)
		}
		return n
	}
	c.Width, c.Patch = dim(f.names.patch, 4, 0), dim(f.names.patch, 4, 3)
	c.Positions = dim(f.names.positions, 2, 0)
	c.Depth = f.count(f.names.block + f.names.norm1 + ".weight")
	c.Hidden = dim(fmt.Sprintf(f.names.block, 0)+f.names.up+".weight", 2, 0)
	if c.Heads = heads; heads == 0 {
		c.Heads = c.Width / clipHead
	}
	if embed {
		axis := 1
		if f.names.projectRows {
			axis = 0
		}
		c.Embed = dim(f.names.project, 2, axis)
	}
	return c, err
}

// clipSize is the side of the pictures that a tower takes.
func clipSize(c model.CLIPConfig) int {
	return c.Patch * int(math.Round(math.Sqrt(float64(c.Positions-1))))
}

// rules for the runtime's tensors of the tower.
func (f clipFile) rules(c model.CLIPConfig, to rules) {
	n := f.names
	to["vision.patch.weight"] = f.tensor(n.patch, c.Width, 3, c.Patch, c.Patch).kernels(c.Width, 3, c.Patch*c.Patch, nil)
	to["vision.class"] = f.tensor(n.class, c.Width)
	to["vision.positions"] = f.tensor(n.positions, c.Positions, c.Width)
	f.layer(n.pre, "vision.norm", []int{c.Width}, to)
	for i := range c.Depth {
		b := clipFile{f.in(n.block, i), n}
		out := fmt.Sprintf("vision.blocks.%d.", i)
		b.layer(n.norm1, out+"norm1", []int{c.Width}, to)
		b.attention(c.Width, out, to)
		b.layer(n.out, out+"out", []int{c.Width, c.Width}, to)
		b.layer(n.norm2, out+"norm2", []int{c.Width}, to)
		b.layer(n.up, out+"up", []int{c.Hidden, c.Width}, to)
		b.layer(n.down, out+"down", []int{c.Width, c.Hidden}, to)
	}
	if c.Embed > 0 {
		f.layer(n.post, "vision.embed_norm", []int{c.Width}, to)
		if n.projectRows {
			to["vision.embed.weight"] = f.tensor(n.project, c.Embed, c.Width)
		} else {
			to["vision.embed.weight"] = f.tensor(n.project, c.Width, c.Embed).transposed(c.Width, c.Embed)
		}
	}
}

// layer is a norm or a linear with its bias.
func (p part) layer(name, runtime string, shape []int, to rules) {
	to[runtime+".weight"] = p.tensor(name+".weight", shape...)
	to[runtime+".bias"] = p.tensor(name+".bias", shape[0])
}

func (f clipFile) attention(w int, out string, to rules) {
	if f.names.fused {
		in, bias := f.tensor("attn.in_proj_weight", 3*w, w), f.tensor("attn.in_proj_bias", 3*w)
		to[out+"q.weight"], to[out+"q.bias"] = in.slice(0, w*w), bias.slice(0, w)
		to[out+"kv.weight"], to[out+"kv.bias"] = in.slice(w*w, 3*w*w), bias.slice(w, 3*w)
		return
	}
	f.layer("self_attn.q_proj", out+"q", []int{w, w}, to)
	to[out+"kv.weight"] = stack(f.tensor("self_attn.k_proj.weight", w, w), f.tensor("self_attn.v_proj.weight", w, w))
	to[out+"kv.bias"] = stack(f.tensor("self_attn.k_proj.bias", w), f.tensor("self_attn.v_proj.bias", w))
}

// transposed is a small matrix [rows, columns] with its axes changed; it is read whole each time.
func (v values) transposed(rows, columns int) values {
	return values{v.len, func(from, to int) ([]float32, error) {
		x, err := v.read(0, v.len)
		if err != nil {
			return nil, err
		}
		out := make([]float32, to-from)
		for i := range out {
			c, r := (from+i)/rows, (from+i)%rows
			out[i] = x[r*columns+c]
		}
		return out, nil
	}}
}

// clipRest are the tensors of a CLIP file that a captioner has no use for: the text tower, and what
// only the embedding needs.
func (f clipFile) rest(name string) bool {
	if f.prefix != "" && !strings.HasPrefix(name, f.prefix) {
		return true
	}
	name = strings.TrimPrefix(name, f.prefix)
	if f.names == huggingFaceNames {
		return !strings.HasPrefix(name, "vision_model.") || strings.HasSuffix(name, ".position_ids") || strings.HasPrefix(name, f.names.post)
	}
	return name == f.names.project || strings.HasPrefix(name, f.names.post) || among("token_embedding", "ln_final", "text_projection", "logit_scale",
		"input_resolution", "context_length", "vocab_size")(name) || (f.prefix == "" && strings.HasPrefix(name, "text"))
}

// clipActivation is what the tower was trained with: OpenAI's with QuickGELU.
func clipActivation(quick bool) ops.Activation {
	if quick {
		return ops.QuickGELU
	}
	return ops.GELU
}
