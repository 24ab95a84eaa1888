"""Write testdata/flamingo-mini-nano: two tiny releases in the files of flamingo-mini
(github.com/dhansmair/flamingo-mini), and what the references in this folder compute from them.

    python3 testdata/reference/mini.py

Needs numpy. Every file comes out the same, byte for byte.
"""
import json
import pathlib
import sys

import numpy as np

import clip
import flamingo
import lm
import lm_cases
import picture_cases
import tensorfile
from draw import Draw
from make import close
from nn import linear, relu

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "flamingo-mini-nano"
STEPS = 12  # of the greedy continuation
MARGIN = 3e-3  # by which a greedy token has to win, lest float32 choose another
BOS, PAD, EOS = 2, 1, 2

# Heads of the vision encoder are 64 wide, as in every published CLIP: nothing in the files says so.
CLIP = {**picture_cases.CLIP, "projection_dim": 8,
        "text_config": {**picture_cases.CLIP["text_config"], "hidden_size": 8, "vocab_size": 9},
        "vision_config": {**picture_cases.CLIP["vision_config"], "hidden_size": 64, "image_size": 18,
                          "intermediate_size": 64, "num_attention_heads": 1}}


def mini(language_model, xattn, resampler):
    return {"architectures": ["FlamingoModel"], "clip_model_type": "openai/clip-vit-large-patch14",
            "dim": 32, "dim_visual": CLIP["vision_config"]["hidden_size"], "lm": language_model,
            **{"resampler_" + k: v for k, v in resampler.items()}, "torch_dtype": "float32",
            **{"xattn_" + k: v for k, v in xattn.items()}}


# name: flamingo-mini's config.json, OPT's.
RELEASES = {
    "tiny": (mini("facebook/opt-125m",
                  {"act": "sqrelu", "dim_head": 8, "every": 2, "ff_mult": 3, "heads": 3},
                  {"act": "gelu", "depth": 2, "dim_head": 12, "ff_mult": 2, "heads": 2, "num_latents": 5,
                   "num_time_embeds": 4}),
             lm_cases.opt(hidden_size=32, num_attention_heads=2, num_hidden_layers=3, ffn_dim=48,
                          word_embed_proj_dim=32, vocab_size=272, do_layer_norm_before=True,
                          _remove_final_layer_norm=False)),
    "mini": (mini("facebook/opt-350m",
                  {"act": "relu", "dim_head": 20, "every": 1, "ff_mult": 2, "heads": 2},
                  {"act": "sqrelu", "depth": 1, "dim_head": 8, "ff_mult": 3, "heads": 4, "num_latents": 6,
                   "num_time_embeds": 3}),
             lm_cases.opt(hidden_size=32, num_attention_heads=4, num_hidden_layers=2, ffn_dim=48,
                          word_embed_proj_dim=16, vocab_size=272, do_layer_norm_before=False)),
}

# flamingo-mini has an activation more than the models that flamingo.py was written for.
flamingo.ACTIVATIONS["relu"] = relu
ACTIVATIONS = {"gelu": "gelu", "sqrelu": "squared_relu", "relu": "relu"}


def tokenizer():
    """OPT's layout: a byte-level BPE whose first ids are special, with GPT-2's letters for bytes: those
    that print stand for themselves, the others further up."""
    printing = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [b for b in range(256) if b not in printing]
    letters = [chr(b if b in printing else 256 + hidden.index(b)) for b in range(256)]
    special = {"<s>": 0, "<pad>": PAD, "</s>": EOS, "<unk>": 3}
    vocab = {name: i for i, name in enumerate([*special, *letters])}
    merges = ["i m", "im a", "ima g", "imag e", "Ġ <", "Ġ a", "a t", "c at"]
    for merge in merges:
        vocab[merge.replace(" ", "")] = len(vocab)
    stage = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": True, "special": True}
    bos = {"id": "</s>", "type_id": 0}
    return {"version": "1.0", "truncation": None, "padding": None,
            "added_tokens": [{"id": i, "content": name, **flags} for name, i in special.items()],
            "normalizer": None, "pre_tokenizer": stage,
            "post_processor": {"type": "TemplateProcessing", "pair": [],
                               "single": [{"SpecialToken": bos}, {"Sequence": {"id": "A", "type_id": 0}}],
                               "special_tokens": {"</s>": {"id": "</s>", "ids": [BOS], "tokens": ["</s>"]}}},
            "decoder": stage,
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                      "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
                      "ignore_merges": False, "vocab": vocab, "merges": merges}}


def feed_forward_tensors(draw, dim, hidden):
    draw.norm("0", dim)
    draw.linear("1", hidden, dim)
    draw.linear("3", dim, hidden)


def release_tensors(draw, c, opt):
    """One more row of embeddings than OPT has, <EOC>'s, and an output matrix of its own."""
    rows, wide, every = opt["vocab_size"] + 1, c["dim_visual"], c["xattn_every"]
    at = Draw("")
    at.random = draw.random
    lm_cases.opt_tensors(at, {**opt, "vocab_size": rows})
    for name, array in at.tensors.items():
        for i in range(0, opt["num_hidden_layers"], every):
            name = name.replace(f".layers.{i}.", f".layers.{i}.lm_block.")
        draw.put(name.replace("model.", "flamingo.lm."), array)
    draw.linear("flamingo.lm_head", rows, opt["word_embed_proj_dim"])
    inner = c["xattn_heads"] * c["xattn_dim_head"]
    for i in range(0, opt["num_hidden_layers"], every):
        at = draw.at(f"flamingo.lm.decoder.layers.{i}.xattn_block.")
        at.norm("attn.norm", c["dim"])
        at.linear("attn.to_q", inner, c["dim"])
        at.linear("attn.to_kv", 2 * inner, wide)
        at.linear("attn.to_out", c["dim"], inner)
        at.put("alpha_attn", np.array([0.8 + 0.1 * i], np.float32))
        feed_forward_tensors(at.at("ffw."), c["dim"], c["dim"] * c["xattn_ff_mult"])
        at.put("alpha_ffw", np.array([0.1 * i - 0.6], np.float32))
    at = draw.at("flamingo.resampler.")
    at.embedding("latents", c["resampler_num_latents"], wide)
    at.scaled("time_pos_emb", 0.5, c["resampler_num_time_embeds"], 1, wide)
    inner = c["resampler_heads"] * c["resampler_dim_head"]
    for i in range(c["resampler_depth"]):
        layer = at.at(f"layers.{i}.")
        layer.norm("0.norm_media", wide)
        layer.norm("0.norm_latents", wide)
        for name in "qkv":
            layer.linear("0.to_" + name, inner, wide)
        layer.linear("0.to_out", wide, inner)
        feed_forward_tensors(layer.at("1."), wide, wide * c["resampler_ff_mult"])
    at.norm("norm", wide)


def under(w, prefix, names=()):
    """The tensors under a prefix, pairs of names replaced at the beginning of what is left."""
    out = {}
    for name, array in w.items():
        if name.startswith(prefix):
            name = name[len(prefix):]
            for old, new in names:
                if name.startswith(old):
                    name = new + name[len(old):]
                    break
            out[name] = array
    return out


class Mini(lm.OPT):
    """flamingo-mini around OPT (flamingo_mini/modeling_flamingo.py): cross-attention before block i
    when xattn_every divides i."""

    def __init__(self, w, config, opt, image_token):
        opt_weights = under(w, "flamingo.lm.", [("", "model.")])
        super().__init__({name.replace(".lm_block.", "."): a for name, a in opt_weights.items()}, opt)
        self.head, self.mini, self.image_token = w["flamingo.lm_head.weight"], config, image_token
        self.resampler_weights = r = under(w, "flamingo.resampler.")
        r["time"] = r["time_pos_emb"][:, 0]
        for i in range(config["resampler_depth"]):
            at = f"layers.{i}."
            r.update(under(r, at, [("0.norm_", at + "norm_"), ("0.to_", at), ("1.0", at + "ff_norm"),
                                   ("1.1", at + "up"), ("1.3", at + "down")]))
            r[at + "kv.weight"] = np.concatenate([r[at + "k.weight"], r[at + "v.weight"]])
        self.xattn_weights = {
            i: under(w, f"flamingo.lm.decoder.layers.{i}.xattn_block.",
                     [("attn.norm", "norm"), ("attn.to_", ""), ("alpha_attn", "attn_gate"),
                      ("alpha_ffw", "ff_gate"), ("ffw.0", "ff_norm"), ("ffw.1", "up"), ("ffw.3", "down")])
            for i in range(0, self.depth, config["xattn_every"])}

    def look(self, features):
        """features [T, V, D] of pictures -> visual tokens [T, R, D], which the text then sees."""
        c = self.mini
        config = {"inputDim": c["dim_visual"], "dim": c["dim_visual"], "depth": c["resampler_depth"],
                  "heads": c["resampler_heads"], "activation": ACTIVATIONS[c["resampler_act"]],
                  "frames": c["resampler_num_time_embeds"], "temporal": "first"}
        self.media = np.stack([flamingo.resampler(self.resampler_weights, config, f[None]) for f in features])
        return self.media

    def read(self, ids):
        self.phi = np.cumsum(np.asarray(ids) == self.image_token)
        return ids

    def block(self, i, x, pos, cache):
        if i in self.xattn_weights:
            config = {"heads": self.mini["xattn_heads"], "normMedia": False,
                      "activation": ACTIVATIONS[self.mini["xattn_act"]]}
            x = flamingo.xattn(self.xattn_weights[i], config, x, self.media, self.phi[pos])
        return super().block(i, x, pos, cache)

    def logits(self, x):
        if self.c["do_layer_norm_before"]:
            x = self.norm("model.decoder.final_layer_norm", x)
        if self.narrow:
            x = self.linear("model.decoder.project_out", x)
        return linear(x, self.head)


def continuation(what, model, ids, end):
    """The likeliest token again and again, never one that a model must not write."""
    out = []
    while len(out) < STEPS and end not in out:
        last = model.full(model.read([*ids, *out]))[-1]
        last[[model.image_token, PAD]] = -np.inf
        second, first = np.argsort(last)[-2:]
        if last[first] - last[second] < MARGIN or first == EOS:
            sys.exit(f"mini: {what}: token {len(out)} is {first}, {last[first] - last[second]:.2g} above "
                     f"{second}, want {MARGIN} at least and no </s>: change the prompt")
        out.append(int(first))
    return out


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main():
    words = tokenizer()
    token = words["model"]["vocab"]
    end = len(token)  # <EOC>
    picture = [token["<"], token["image"], token[">"]]
    prompts = {"caption": [BOS, *picture],
               "two_images": [BOS, token["cat"], *picture, token["Ġa"], end, *picture, token["Ġa"]]}
    write_json(FOLDER / "tiny" / "lm" / "tokenizer.json", words)

    draw = Draw("flamingo-mini-clip")
    picture_cases.clip_tensors(draw, CLIP)
    tensorfile.write(FOLDER / "clip.safetensors", draw.tensors)
    tower, side = draw.float64(), CLIP["vision_config"]["image_size"]
    for name, (config, opt) in RELEASES.items():
        draw, expected = Draw("flamingo-mini-" + name), {}
        release_tensors(draw, config, opt)
        model = Mini(draw.float64(), config, opt, token["<"])
        for case, ids in prompts.items():
            images = draw.normal(ids.count(token["<"]), 3, side, side).astype(np.float32)
            seen = [clip.image_tower(tower, CLIP, image.astype(np.float64)) for image in images]
            features = np.stack([np.concatenate([first[None], rest]) for rest, first, _ in seen])
            visual = model.look(features)
            logits, cache = model.full(model.read(ids)), {}
            pieces = [model.step(part, cache) for part in np.split(np.array(ids), [1, 3])]
            close(f"{name}.{case}: cached against full pass", np.concatenate(pieces), logits)
            expected.update({f"{case}.image": images, f"{case}.ids": ids, f"{case}.vision_tokens": features,
                             f"{case}.visual_tokens": visual, f"{case}.logits": logits,
                             f"{case}.greedy": continuation(f"{name}.{case}", model, ids, end)})
        write_json(FOLDER / name / "config.json", config)
        write_json(FOLDER / name / "lm" / "config.json", opt)
        tensorfile.write(FOLDER / name / "model.safetensors", draw.tensors)
        tensorfile.write(FOLDER / name / "expected.safetensors", tensorfile.rounded(expected))
        print(f"{name}: greedy {[expected[c + '.greedy'] for c in prompts]}")
    print(f"{sum(f.stat().st_size for f in FOLDER.rglob('*') if f.is_file()) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
