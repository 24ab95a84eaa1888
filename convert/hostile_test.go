//go:build !js

package convert

import (
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flamingo/tensor"
)

const (
	wte    = "lang_encoder.transformer.wte.weight"
	upOf0  = "perceiver.layers.0.1.1.weight"
	blockA = "lang_encoder.transformer.blocks.1.gated_cross_attn_layer."
)

func TestHostileTensors(t *testing.T) {
	if err := newRelease(t).convert(tensor.F32); err != nil {
		t.Fatal(err)
	}
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, row := range []struct {
		name  string
		spoil func(r *release)
		want  []string
	}{
		{
			"missing from the checkpoint", func(r *release) { r.edit(&r.Checkpoint, func(c contents) { delete(c, "perceiver.norm.weight") }) },
			[]string{"checkpoint.pt", "perceiver.norm.weight is missing, want [96]"},
		},
		{
			"missing from a block", func(r *release) { r.edit(&r.Checkpoint, func(c contents) { delete(c, blockA+"attn.to_out.weight") }) },
			[]string{"checkpoint.pt", blockA + "attn.to_out.weight is missing, want [64,512]"},
		},
		{
			"missing from the language model", func(r *release) { r.lm(func(c contents) { delete(c, "transformer.ln_f.weight") }) },
			[]string{"pytorch_model.bin", "transformer.ln_f.weight is missing, want [64]"},
		},
		{
			"missing from CLIP", func(r *release) { r.edit(&r.Vision, func(c contents) { delete(c, "visual.ln_pre.bias") }) },
			[]string{"ViT.pt", "visual.ln_pre.bias is missing, want [96]"},
		},
		{
			"no embedding in the language model", func(r *release) { r.lm(func(c contents) { delete(c, "transformer.wte.weight") }) },
			[]string{"pytorch_model.bin", "wte.weight is missing; the file holds transformer.blocks.0."},
		},
		{
			"no picture encoder in CLIP's file", func(r *release) { r.Vision = r.Checkpoint },
			[]string{"checkpoint.pt", "conv1.weight is missing; the file holds"},
		},
		{
			"too much in the checkpoint", func(r *release) {
				r.edit(&r.Checkpoint, func(c contents) { c["perceiver.project.weight"] = tensor.New(tensor.F32, 2) })
			},
			[]string{"checkpoint.pt", "perceiver.project.weight is not part of this model"},
		},
		{
			"too much in the language model", func(r *release) {
				r.lm(func(c contents) { c["transformer.wpe.weight"] = tensor.New(tensor.F32, 2) })
			},
			[]string{"pytorch_model.bin", "transformer.wpe.weight is not part of this model"},
		},
		{
			"too much in CLIP", func(r *release) {
				r.edit(&r.Vision, func(c contents) { c["visual.transformer.resblocks.0.gamma"] = tensor.New(tensor.F32, 2) })
			},
			[]string{"ViT.pt", "visual.transformer.resblocks.0.gamma is not part of this model"},
		},
		{
			"half a layer more", func(r *release) {
				r.edit(&r.Checkpoint, func(c contents) { c["perceiver.layers.6.0.to_q.weight"] = tensor.New(tensor.F32, 512, 96) })
			},
			[]string{"checkpoint.pt", "perceiver.layers.6.0.to_kv.weight is missing, want [1024,96]"},
		},
		{
			"another shape", func(r *release) {
				r.edit(&r.Checkpoint, func(c contents) { c["perceiver.layers.1.0.to_out.weight"] = tensor.New(tensor.F32, 512, 96) })
			},
			[]string{"checkpoint.pt", "perceiver.layers.1.0.to_out.weight is [512,96], want [96,512]"},
		},
		{
			"another shape in the language model", func(r *release) {
				r.lm(func(c contents) { c["transformer.blocks.2.attn.Wqkv.weight"] = tensor.New(tensor.F32, 128, 64) })
			},
			[]string{"pytorch_model.bin", "transformer.blocks.2.attn.Wqkv.weight is [128,64], want [192,64]"},
		},
		{
			"another number of axes", func(r *release) {
				r.edit(&r.Checkpoint, func(c contents) { c["perceiver.latents"] = tensor.New(tensor.F32, 1, 64, 96) })
			},
			[]string{"checkpoint.pt", "perceiver.latents is [1,64,96], want 2 axes"},
		},
		{
			"gates by the channel", func(r *release) {
				r.edit(&r.Checkpoint, func(c contents) { c[blockA+"attn_gate"] = tensor.New(tensor.F32, 64) })
			},
			[]string{"checkpoint.pt", blockA + "attn_gate is [64], want [1]"},
		},
		{
			"no rows", func(r *release) {
				r.edit(&r.Checkpoint, func(c contents) { c["perceiver.latents"] = tensor.New(tensor.F32, 0, 96) })
			},
			[]string{"resampler.latents is 0, want 1 to"},
		},
		{
			"NaN in the checkpoint", func(r *release) { r.edit(&r.Checkpoint, func(c contents) { c.set(upOf0, 4711, nan) }) },
			[]string{"checkpoint.pt: " + upOf0 + ": value 4711 is NaN, want finite weights"},
		},
		{
			"∞ in the language model", func(r *release) { r.lm(func(c contents) { c.set("transformer.ln_f.weight", 7, inf) }) },
			[]string{"pytorch_model.bin: transformer.ln_f.weight: value 7 is +Inf, want finite weights"},
		},
		{
			"-∞ in CLIP", func(r *release) {
				r.edit(&r.Vision, func(c contents) { c.set("visual.transformer.resblocks.1.attn.in_proj_weight", 9300, -inf) })
			},
			[]string{"ViT.pt: visual.transformer.resblocks.1.attn.in_proj_weight: value 9300 is -Inf, want finite weights"},
		},
		{
			"NaN in a row of the embedding that is compared", func(r *release) { r.edit(&r.Checkpoint, func(c contents) { c.set(wte, 0, nan) }) },
			[]string{"checkpoint.pt: " + wte + ": value 0 is NaN"},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRelease(t)
			row.spoil(r)
			r.stops(tensor.F32, row.want...)
		})
	}
}

// TestHostileRange stores values that do not fit: f16 ends at 65504, as do the scales of blocks.
func TestHostileRange(t *testing.T) {
	for _, row := range []struct {
		dtype tensor.DType
		value float32
		want  string
	}{
		{tensor.F16, 7e4, "resampler.layers.0.up.weight: value 100 is 70000, too large for f16; convert with --dtype f32"},
		{tensor.Q8, -1e8, "too large for q8"},
		{tensor.Q4, 1e8, "too large for q4"},
		{tensor.F32, 1e8, ""},
	} {
		t.Run(row.dtype.String(), func(t *testing.T) {
			r := newRelease(t)
			r.edit(&r.Checkpoint, func(c contents) { c.set(upOf0, 100, row.value) })
			if row.want != "" {
				r.stops(row.dtype, "resampler.layers.0.up.weight", row.want, "--dtype f32")
			} else if err := r.convert(row.dtype); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestHostileParts puts together what does not belong together.
func TestHostileParts(t *testing.T) {
	for _, row := range []struct {
		name  string
		spoil func(r *release)
		want  []string
	}{
		{
			"a language model with another embedding", func(r *release) {
				r.lm(func(c contents) {
					x := c["transformer.wte.weight"]
					c["transformer.wte.weight"] = tensor.FromF32(slices.Repeat([]float32{0.5, -0.5}, x.Shape.Len()/2), x.Shape...)
				})
			},
			[]string{"pytorch_model.bin", "transformer.wte.weight differs from that in", "checkpoint.pt", "not the language model that the checkpoint was trained with"},
		},
		{
			"a fine-tuned row", func(r *release) { r.lm(func(c contents) { c.set("transformer.wte.weight", 0, 3) }) },
			[]string{"row 0 of transformer.wte.weight differs"},
		},
		{
			"a deeper language model", func(r *release) {
				r.lm(func(c contents) {
					for name, x := range maps.Clone(c) {
						for _, more := range []string{"4", "5"} {
							c[strings.Replace(name, ".blocks.3.", ".blocks."+more+".", 1)] = x
						}
					}
				})
				r.write("lm/config.json", mergeJSON(r.T, filepath.Join(openFlamingoNano, "lm", "config.json"), `{"n_layers": 6}`))
			},
			[]string{"checkpoint.pt", "before block 5: found false, but every 2 blocks means true", "is this the language model it was trained with?"},
		},
		{
			"a shallower language model", func(r *release) {
				r.lm(func(c contents) {
					maps.DeleteFunc(c, func(name string, _ tensor.Tensor) bool {
						return strings.Contains(name, ".blocks.2.") || strings.Contains(name, ".blocks.3.")
					})
				})
				r.write("lm/config.json", mergeJSON(r.T, filepath.Join(openFlamingoNano, "lm", "config.json"), `{"n_layers": 2}`))
			},
			[]string{"checkpoint.pt", "lang_encoder.transformer.blocks.3.gated_cross_attn_layer.attn_gate is not part of this model"},
		},
		{
			"a narrower language model", func(r *release) {
				r.lm(func(c contents) { c.halve(64, 192, 256) })
				r.write("lm/config.json", mergeJSON(r.T, filepath.Join(openFlamingoNano, "lm", "config.json"), `{"d_model": 32}`))
			},
			[]string{"checkpoint.pt", blockA + "attn.norm.weight is [64], want [32]"},
		},
		{
			"a config.json of another width than the weights", func(r *release) { r.lmConfig(`{"d_model": 128}`) },
			[]string{"checkpoint.pt", blockA + "attn.norm.weight is [64], want [128]"},
		},
		{
			"a language model of another family", func(r *release) { r.LM = filepath.Join(families, "opt") },
			[]string{"checkpoint.pt", "before block 1: found false", "is this the language model it was trained with?"},
		},
		{
			"a config.json of another family", func(r *release) { r.lmConfig(`{"model_type": "mpt", "attn_config": {"qk_ln": true}}`) },
			[]string{"pytorch_model.bin", "transformer.blocks.0.norm_1.weight is missing, want [64]"},
		},
		{
			"a CLIP of another width", func(r *release) { r.edit(&r.Vision, func(c contents) { c.halve(96, 288, 384) }) },
			[]string{"ViT.pt", "width is 96 by the layout and 48 by the tensors"},
		},
		{
			"a CLIP of another width than the resampler", func(r *release) {
				r.edit(&r.Vision, func(c contents) { c.halve(96, 288, 384) })
				r.layout(`{"vision": {"width": 48}}`)
			},
			[]string{"checkpoint.pt", "perceiver.latents has 96 channels, the vision encoder gives 48"},
		},
		{
			"a checkpoint that is a language model", func(r *release) { r.Checkpoint = filepath.Join(r.LM, "pytorch_model.bin") },
			[]string{"pytorch_model.bin", "perceiver.latents is missing; the file holds transformer.blocks.0."},
		},
		{
			"nothing that says which tokens are new", func(r *release) { r.Layout = "" },
			[]string{"<image>", "<|endofchunk|>", "--tokenizer"},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRelease(t)
			row.spoil(r)
			r.stops(tensor.F32, row.want...)
		})
	}
}
