"""Write testdata/families: for each case a config.json, a model.safetensors with random weights
and an expected.safetensors with what the references in this folder compute from them.

    python3 testdata/reference/make.py [CASE...]     # all cases by default

Needs numpy. Every file comes out the same, byte for byte. Each reference is checked against
itself first; a check that fails stops the program before it writes that case.
"""
import json
import pathlib
import sys

import numpy as np

import clip
import flamingo
import lm_cases
import picture_cases
import tensorfile
from draw import Draw

FAMILIES = pathlib.Path(__file__).resolve().parent.parent / "families"
TOKENS = 11
TOLERANCE = 1e-12  # of float64 values of order 1


def close(what, got, want):
    error = np.abs(got - want).max()
    if not error < TOLERANCE:
        sys.exit(f"make: {what}: got a difference of {error:.2g}, want less than {TOLERANCE}; "
                 "the two passes of the reference disagree: mend it before writing fixtures")


def write(case, config, draw, expected):
    folder = FAMILIES / case
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    tensorfile.write(folder / "model.safetensors", draw.tensors)
    tensorfile.write(folder / "expected.safetensors", tensorfile.rounded(expected))
    print(f"{case}: {sum(f.stat().st_size for f in folder.iterdir()) / 1000:.0f} kB")


def make_lm(case):
    family, config, tensors, *more = lm_cases.CASES[case]
    draw = Draw(case)
    tensors(draw, config, *more)
    ids = draw.random.randint(0, config["vocab_size"], TOKENS)
    ids[8] = ids[2]  # an embedding whose second place only positions and context tell
    model = family(draw.float64(), config)
    logits = model.full(ids)

    cache = {}
    pieces = [model.step(part, cache) for part in np.split(ids, [1, 5, 6, 9])]
    close(f"{case}: cached against full pass", np.concatenate(pieces), logits)
    close(f"{case}: full pass of a prefix against that of all", model.full(ids[:7]), logits[:7])
    write(case, config, draw, {"ids": ids, "logits": logits})


def make_resampler(case):
    config, tokens, counts = picture_cases.RESAMPLERS[case]
    draw = Draw(case)
    picture_cases.resampler_tensors(draw, config)
    weights, expected = draw.float64(), {}
    for frames in counts:
        x = draw.normal(frames, tokens, config["inputDim"]).astype(np.float32).astype(np.float64)
        y = flamingo.resampler(weights, config, x)
        close(f"{case}: {frames} frames with tokens in another order",
              flamingo.resampler(weights, config, x[:, ::-1]), y)
        expected[f"frames.{frames}.x"] = x.reshape(-1, config["inputDim"])
        expected[f"frames.{frames}.y"] = y
    if config["frames"]:
        table = weights["time"]
        close(f"{case}: as many frames as temporal embeddings",
              flamingo.temporal(table, len(table), config["temporal"]), table)
        close(f"{case}: one frame", flamingo.temporal(table, 1, config["temporal"]), table[:1])
    write(case, config, draw, expected)


def make_xattn(case):
    config, dim, media_dim, per_picture, phi = picture_cases.XATTNS[case]
    draw = Draw(case)
    picture_cases.xattn_tensors(draw, config, dim, media_dim)
    weights, phi = draw.float64(), np.array(phi)
    y, media = (draw.normal(*shape).astype(np.float32).astype(np.float64)
                for shape in ((len(phi), dim), (phi.max(), per_picture, media_dim)))
    out = flamingo.xattn(weights, config, y, media, phi)
    # A position sees one picture, so nothing changes when that is the only one there.
    for i, picture in enumerate(phi):
        alone = media[max(picture, 1) - 1:][:1]
        close(f"{case}: position {i} with its picture alone",
              flamingo.xattn(weights, config, y[i:i + 1], alone, np.minimum(phi[i:i + 1], 1)), out[i:i + 1])
    write(case, config, draw,
          {"y": y, "media": media.reshape(-1, media_dim), "phi": phi, "out": out})


def make_clip(case):
    config = picture_cases.CLIP
    draw = Draw(case)
    picture_cases.clip_tensors(draw, config)
    side = config["vision_config"]["image_size"]
    image = draw.normal(3, side, side).astype(np.float32).astype(np.float64)
    tokens, class_token, embedding = clip.image_tower(draw.float64(), config, image)
    write(case, config, draw,
          {"image": image, "tokens": tokens, "class": class_token, "embedding": embedding})


CASES = {**dict.fromkeys(lm_cases.CASES, make_lm), **dict.fromkeys(picture_cases.RESAMPLERS, make_resampler),
         **dict.fromkeys(picture_cases.XATTNS, make_xattn), "clip": make_clip}

if __name__ == "__main__":
    for name in sys.argv[1:] or CASES:
        if name not in CASES:
            sys.exit(f"make: case {name!r} is not known, want some of {', '.join(CASES)}")
        CASES[name](name)
