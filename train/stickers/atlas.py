"""The atlas: every sticker of every set as pixels, at the sizes that painting starts from.

build() reads what rasterise.mjs wrote. Colours are multiplied by alpha, so that resampling leaves
no fringe; the ink is where a draughtsman's line would go.
"""
import json
import os

import numpy as np
from PIL import Image, ImageFilter

SIDES = (96, 64, 48, 32)
UNSEEN = "openmoji"


def _ink(rgba):
    """Lines of a premultiplied RGBA sticker [s, s, 4]: its contour and edges inside, uint8 [s, s]."""
    alpha = Image.fromarray(rgba[..., 3])
    grown, shrunk = (np.asarray(alpha.filter(f(3)), np.int16) for f in (ImageFilter.MaxFilter, ImageFilter.MinFilter))
    contour = grown - shrunk
    soft = np.stack([np.asarray(Image.fromarray(rgba[..., c]).filter(ImageFilter.BoxBlur(1)), np.float32) for c in range(3)])
    gy, gx = np.gradient(soft, axis=(1, 2))
    inner = np.sqrt((gy ** 2 + gx ** 2).max(0)) * 7 - 40
    ink = Image.fromarray(np.clip(np.maximum(contour, inner), 0, 255).astype(np.uint8))
    return np.asarray(ink.filter(ImageFilter.BoxBlur(0.6)))


def build(folder):
    """Write atlas-SIDE.npy, [sets, concepts, side, side, 5] uint8: premultiplied RGBA and ink."""
    with open(os.path.join(folder, "atlas.json"), encoding="utf-8") as f:
        info = json.load(f)
    side, shape = info["side"], (len(info["sets"]), len(info["icons"]))
    raw = np.fromfile(os.path.join(folder, "atlas.rgba"), np.uint8).reshape(*shape, side, side, 4)
    out = [np.zeros((*shape, s, s, 5), np.uint8) for s in SIDES]
    for at in np.ndindex(*shape):
        x = raw[at].astype(np.uint16)
        x[..., :3] = (x[..., :3] * x[..., 3:] + 127) // 255
        x = x.astype(np.uint8)
        bands = [Image.fromarray(np.ascontiguousarray(b)) for b in (*np.moveaxis(x, -1, 0), _ink(x))]
        for s, o in zip(SIDES, out):
            o[at] = np.stack([np.asarray(b.resize((s, s), Image.BOX if s < side else Image.NEAREST)) for b in bands], -1)
    for s, o in zip(SIDES, out):
        np.save(os.path.join(folder, f"atlas-{s}.npy"), o)


class Atlas:
    """Stickers of all sets. `trained` and `unseen` are style indices; having(styles) tells which of
    them each concept has."""

    def __init__(self, folder):
        with open(os.path.join(folder, "atlas.json"), encoding="utf-8") as f:
            info = json.load(f)
        if not os.path.exists(os.path.join(folder, f"atlas-{SIDES[-1]}.npy")):
            build(folder)
        self.icons, self.sets = info["icons"], info["sets"]
        paths = {s: os.path.join(folder, f"atlas-{s}.npy") for s in SIDES}
        self.levels = {s: np.load(p, mmap_mode="r") for s, p in paths.items() if os.path.exists(p)}
        self.unseen = [self.sets.index(UNSEEN)]
        self.trained = [i for i, s in enumerate(self.sets) if s != UNSEEN]
        self._there = self.levels[SIDES[-1]][..., 3].any((2, 3))

    def having(self, styles):
        """[concept] -> the given styles that draw it."""
        return [[s for s in styles if self._there[s, c]] for c in range(len(self.icons))]

    def sticker(self, style, concept, pixels):
        """[s, s, 5] uint8 at the smallest stored size that is no smaller than `pixels`, or the largest."""
        side = min((s for s in self.levels if s >= pixels), default=max(self.levels))
        return self.levels[side][style, concept]
