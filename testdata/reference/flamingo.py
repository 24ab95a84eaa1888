"""Perceiver Resampler and gated cross-attention, float64 numpy, with the runtime's parameter names
and configurations (model/resampler.go, model/xattn.go).

Three variants: the paper (Alayrac et al. 2022, arXiv 2204.14198, sections 3.1.1 and 3.1.2,
appendix A.1), OpenFlamingo (Awadalla et al. 2023, arXiv 2308.01390; open_flamingo/src/helpers.py)
and flamingo-mini (github.com/dhansmair/flamingo-mini). They differ in activation, temporal
embeddings, the projection of the features and the LayerNorm on the visual tokens.
"""
import numpy as np

from nn import ACTIVATIONS, attention, dot_scores, layer_norm, linear, merge_heads, split_heads


def norm(w, name, x):
    return layer_norm(x, w[name + ".weight"], w[name + ".bias"])


def feed_forward(w, at, x, act):
    """The dense branch; its norm is part of it, the residual is not."""
    h = act(linear(norm(w, at + "ff_norm", x), w[at + "up.weight"]))
    return linear(h, w[at + "down.weight"])


def temporal(table, frames, mode):
    """Temporal embeddings of frames from table [T0, D]: [frames, D].

    "first": its first rows, row 0 also for a picture (flamingo-mini). "interpolate": linear
    interpolation that keeps both end points (paper, section 4.1.4, which says only "linearly
    interpolating"); a picture gets row 0."""
    if mode == "first":
        if frames > len(table):
            raise ValueError(f"flamingo: temporal: got {frames} frames, want at most {len(table)}")
        return table[:frames]
    at = np.linspace(0.0, len(table) - 1.0, frames)
    below = np.minimum(at.astype(int), len(table) - 2)
    share = (at - below)[:, None]
    return table[below] * (1 - share) + table[below + 1] * share


def resampler(w, config, features):
    """features [frames, V, Din] of one picture or video -> visual tokens [R, D]."""
    x = features
    if config["inputDim"] != config["dim"]:
        x = linear(x, w["project.weight"], w["project.bias"])
    if config["frames"]:
        x = x + temporal(w["time"], len(x), config["temporal"])[:, None]
    x = x.reshape(-1, config["dim"])
    z = w["latents"]
    for i in range(config["depth"]):
        at = f"layers.{i}."
        media, latents = norm(w, at + "norm_media", x), norm(w, at + "norm_latents", z)
        kv = linear(np.concatenate([media, latents]), w[at + "kv.weight"])
        q, k, v = (split_heads(t, config["heads"])
                   for t in (linear(latents, w[at + "q.weight"]), *np.split(kv, 2, -1)))
        z = z + linear(merge_heads(attention(dot_scores(q, k), v)), w[at + "out.weight"])
        z = z + feed_forward(w, at, z, ACTIVATIONS[config["activation"]])
    return norm(w, "norm", z)


def xattn(w, config, y, media, phi):
    """y [L, D] text; media [T, R, Dv] visual tokens; phi [L] which picture each position sees, from
    1, or 0 for none, where attention adds nothing."""
    pictures, per_picture, _ = media.shape
    tokens = media.reshape(-1, media.shape[-1])
    if config["normMedia"]:
        tokens = norm(w, "norm_media", tokens)
    q, k, v = (split_heads(t, config["heads"])
               for t in (linear(norm(w, "norm", y), w["q.weight"]),
                         *np.split(linear(tokens, w["kv.weight"]), 2, -1)))
    allowed = phi[:, None] == np.repeat(np.arange(1, pictures + 1), per_picture)
    a = linear(merge_heads(attention(dot_scores(q, k), v, allowed)), w["out.weight"])
    y = y + np.tanh(w["attn_gate"]) * a
    return y + np.tanh(w["ff_gate"]) * feed_forward(w, "", y, ACTIVATIONS[config["activation"]])
