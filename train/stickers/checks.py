"""Pictures, videos and questions with what PyTorch says of them: what the engine is checked against.
Nothing is selected by what the model says."""
import json
import os

import numpy as np
import torch
from PIL import Image

import bpe
from stickers import clips, config, contrast, decode, documents, paint, scenes, speech

SEED = 70_000_001  # neither trained, tuned nor measured on
PICTURES, VIDEOS, QUESTIONS = 200, 10, 40


@torch.no_grad()
def look(model, pixels):
    """Pictures [n, S, S, 3] or videos [n, F, S, S, 3] -> visual tokens [n, R, dim]. In float32
    throughout, as the engine computes; GPUs round inside their convolutions, so on the CPU."""
    out = []
    for first in range(0, len(pixels), 16):
        x = pixels[first:first + 16]
        seen = model.vision(contrast.images(x.reshape(-1, *x.shape[-3:])))
        out.append(model.resampler(seen.reshape(*x.shape[:-3], *seen.shape[1:])))
    return torch.cat(out)


def rows(models, tokenizer, pixels, prompts, truths):
    """What each model says to each prompt before which it sees a picture or a video: rows of "truth",
    "said" and "ids" by the first model and "f32" by the second; null for what never ends."""
    asked = [[bpe.BOS, bpe.IMAGE] + tokenizer.encode(p) for p in prompts]
    stored, exact = (decode.greedy(m, look(m, pixels)[:, None], asked) for m in models)
    text = lambda ids: None if ids is None else tokenizer.decode(ids).strip()
    return [{"truth": truth.strip(), "said": text(ids), "ids": ids, "f32": text(other)}
            for truth, ids, other in zip(truths, stored, exact)]


def motions(having, n):
    """The first clips of n different motions: [(number, clip)]."""
    found, i = {}, 0
    while len(found) < min(n, len(clips.MOTIONS)):
        clip = clips.sample(SEED, i, having)
        found.setdefault(clip.motion, (i, clip))
        i += 1
    return list(found.values())


def questions(known, n, rng):
    """n questions, of all kinds in turn, each about a scene that has one: [(index, question, answer)]."""
    out = []
    for k in range(n):
        asked = ((int(i), speech.ask(known[i], speech.QUESTIONS[k % len(speech.QUESTIONS)], rng))
                 for i in rng.permutation(len(known)))
        out += [(i, *pair) for i, pair in asked if pair][:1]
    return out


def write(model, stored, tokenizer, atlas, folder, share=1.0):
    """Write NNN.png, video-K-F.png and expected.json, what `stored` (the model as the runtime reads it)
    and the model itself say of them, both on the CPU. share: how many of each, of the usual."""
    os.makedirs(folder, exist_ok=True)
    having = atlas.having([atlas.sets.index(s) for s in config.SEEN if s in atlas.sets])
    models = stored.eval(), model.eval()
    count = lambda n, least: max(least, int(n * share))
    known = [scenes.sample(SEED, i * scenes.FAMILY, having, scenes.KINDS[i % len(scenes.KINDS)])
             for i in range(count(PICTURES, 8))]
    pixels = np.stack([paint.picture(s, atlas, np.random.default_rng([SEED, 6, i]), augment=False)
                       for i, s in enumerate(known)])
    moving = motions(having, count(VIDEOS, 1))
    films = np.stack([clips.frames(c, atlas, np.random.default_rng([SEED, 8, i]), augment=False) for i, c in moving])
    asked = questions(known, count(QUESTIONS, len(speech.QUESTIONS)), np.random.default_rng([SEED, 7]))
    files = [f"{i:03d}.png" for i in range(len(known))]
    frames = [[f"video-{k}-{f}.png" for f in range(clips.FRAMES)] for k in range(len(films))]
    for name, x in (*zip(files, pixels), *zip(sum(frames, []), films.reshape(-1, *films.shape[2:]))):
        Image.fromarray(x).save(os.path.join(folder, name), optimize=True)

    said = {
        "pictures": [{"file": f, **row} for f, row in zip(files, rows(
            models, tokenizer, pixels, [documents.OUTPUT] * len(known), map(speech.caption, known)))],
        "videos": [{"files": f, **row} for f, row in zip(frames, rows(
            models, tokenizer, films, [documents.OUTPUT] * len(films), [clips.caption(c) for _, c in moving]))],
        "questions": [{"file": files[i], "question": q, **row} for (i, q, _), row in zip(asked, rows(
            models, tokenizer, pixels[[i for i, _, _ in asked]], [documents.QUESTION.format(q) for _, q, _ in asked],
            [a for _, _, a in asked]))]}
    with open(os.path.join(folder, "expected.json"), "w", encoding="utf-8") as f:
        parts = (f"{json.dumps(name)}: [\n" + ",\n".join(json.dumps(r) for r in found) + "\n]" for name, found in said.items())
        f.write("{" + ",\n".join(parts) + "}\n")
    for name, found in said.items():
        right, same = (sum(r["said"] == r[key] for r in found) for key in ("truth", "f32"))
        print(f"check: {len(found)} {name}, {right} right, {same} as unrounded", flush=True)
