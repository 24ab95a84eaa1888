"""The pictures that the rest of the project is tested and shown with, and what the trained
model makes of them. Nothing is selected by what the model says."""
import collections
import json
import os

import numpy as np

import draw
import export
import pool
import world

# Seeds of their own: neither trained nor measured on.
PICTURES_SEED, SAMPLES_SEED = 7_000_001, 7_000_002
PER_KIND = 8
SAMPLE_LONGER_SIDE = 320


def test_pictures():
    """24 held-out pictures, eight of each kind: [(scene row, RGB picture)]."""
    chosen, taken, i = [], collections.Counter(), 0
    while len(chosen) < PER_KIND * len(world.KINDS):
        row, image, _ = pool.scene(PICTURES_SEED, i)
        i += 1
        if taken[row[world.KIND]] < PER_KIND:
            taken[row[world.KIND]] += 1
            chosen.append((row, image))
    return chosen


def samples():
    """One large picture of every shape, kinds, patterns and grounds as varied as possible."""
    rng, chosen = np.random.default_rng(SAMPLES_SEED), []
    for shape in range(len(world.SHAPES)):
        rows = [r for r in (world.sample(rng) for _ in range(400))
                if r[world.SHAPE] == shape and r[world.KIND] == shape % len(world.KINDS)]
        fields = (world.PATTERN, world.GROUND, world.COLOUR, world.COUNT, world.PLACE, world.RELATION)
        known = lambda r: sum(r[f] != world.NONE and any(r[f] == c[f] for c, _ in chosen) for f in fields)
        row = min(rows, key=known)
        chosen.append((row, draw.picture(row, rng, SAMPLE_LONGER_SIDE)[0]))
    return chosen


def write(model, tokenizer, root):
    """Write testdata/nano and web/samples below root. Returns how many of the test pictures
    the model captions exactly."""
    folder = os.path.join(root, "testdata", "nano")
    os.makedirs(os.path.join(folder, "pictures"), exist_ok=True)
    export.checkpoint(model, tokenizer, folder)
    scenes = test_pictures()
    images, names = [image for _, image in scenes], [f"{i:02d}.png" for i in range(len(scenes))]
    for image, name in zip(images, names):
        image.save(os.path.join(folder, "pictures", name), optimize=True)
    export.golden(model, tokenizer, images[:2], os.path.join(folder, "golden.safetensors"))
    right = export.expected(model, tokenizer, images, names, [world.caption(r) for r, _ in scenes],
                            os.path.join(folder, "expected.json"))

    folder = os.path.join(root, "web", "samples")
    os.makedirs(folder, exist_ok=True)
    listed = []
    for row, image in samples():
        alt = world.caption(row).strip()
        name = alt.split(" on a ")[0].replace(" ", "-") + ".png"
        image.save(os.path.join(folder, name), optimize=True)
        listed.append({"file": name, "alt": alt})
    with open(os.path.join(folder, "samples.json"), "w", encoding="utf-8") as f:
        f.write("[\n" + ",\n".join(json.dumps(r) for r in listed) + "\n]\n")
    return right
