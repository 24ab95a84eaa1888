"""Paint the sample pictures and videos of the page for the sticker model: show_samples.py --atlas FOLDER --out FOLDER

Scenes are listed here, and the rest of each is drawn from a seed and a number, the last of its row: one that the
shipped model says rightly, because a page shows what its model can do. What it gets wrong is in its card. Drawings are
of the sets whose licence lets the page have them. Videos need ffmpeg.
"""
import argparse
import json
import os
import subprocess

import numpy as np
from PIL import Image

from stickers import clips, concepts, paint, scenes, speech
from stickers.atlas import Atlas

# Of its own: neither trained nor measured on.
SEED = 70_000_002
SETS = ("noto", "fluent-emoji-flat")
SIDE = 256  # a page shows them larger than the model sees them
FPS = 4
PICTURES = (
    ("single", ("penguin",), "in the snow", 0),
    ("pair", ("fox", "mushroom"), "in a meadow", 0),
    ("group", ("owl",), "under a night sky", 4),
    ("several", ("octopus", "crab", "turtle", "fish"), "on a beach", 9),
    ("group", ("doughnut",), "on a dotted pink background", 0),
    ("single", ("hot-beverage",), "on a striped orange background", 0),
)
VIDEOS = (("turn", ("dog", "cat"), "on a checked grey background", 7), ("up", ("rocket", "star"), "under a night sky", 0))


def ground(words):
    """Index of the ground that is called so."""
    return next(g for g in range(scenes.GROUNDS) if scenes.ground_words(g) == words)


def film(frames, path):
    """Write frames as a WebM that loses nothing but the resolution of colours."""
    command = ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{SIDE}x{SIDE}", "-r", str(FPS),
               "-i", "-", "-c:v", "libvpx-vp9", "-lossless", "1", "-pix_fmt", "yuv420p", "-g", "1", "-threads", "1",
               "-fflags", "+bitexact", "-flags:v", "+bitexact", path]
    subprocess.run(command, input=frames.tobytes(), check=True)


def main():
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--atlas", default="build/stickers", help="folder of the atlas")
    args.add_argument("--out", default="web/samples/sticker", help="folder to write to")
    args = args.parse_args()
    atlas = Atlas(args.atlas)
    having = atlas.having([atlas.sets.index(s) for s in SETS])
    os.makedirs(args.out, exist_ok=True)
    listed = []

    def file_of(words, kind):
        alt = words.strip()
        name = alt.replace(",", "").replace(" ", "-") + "." + kind
        listed.append({"file": name, "alt": alt})
        return os.path.join(args.out, name)

    for i, (kind, shown, words, number) in enumerate(PICTURES):
        rng = np.random.default_rng([SEED, i, number])
        scene = scenes.arrange(kind, [concepts.ICONS.index(s) for s in shown], rng, having, ground(words))
        picture = paint.picture(scene, atlas, rng, side=SIDE, augment=False)
        Image.fromarray(picture).save(file_of(speech.caption(scene), "png"), optimize=True)
    for i, (motion, shown, words, number) in enumerate(VIDEOS):
        rng = np.random.default_rng([SEED, len(PICTURES) + i, number])
        one, two = (concepts.ICONS.index(s) for s in shown)
        clip = clips.Clip(motion, one, two, int(rng.choice(having[one])), int(rng.choice(having[two])), ground(words))
        film(clips.frames(clip, atlas, rng, side=SIDE, augment=False), file_of(clips.caption(clip), "webm"))
        listed[-1]["fps"] = FPS
    with open(os.path.join(args.out, "samples.json"), "w", encoding="utf-8") as f:
        f.write("[\n" + ",\n".join(json.dumps(r) for r in listed) + "\n]\n")


if __name__ == "__main__":
    main()
