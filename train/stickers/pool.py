"""Pools of painted scenes on disk, as memory-mapped pixels. Scene i of a pool depends on
(seed, i) alone."""
import json
import multiprocessing
import os
import shutil

import numpy as np

from stickers import paint, scenes

CHUNK = 256
_atlas = None  # what forked workers paint from: too large to send to them


def _fill(job):
    path, styles, seed, n, first, augment, crowds = job
    pixels = np.load(path, mmap_mode="r+")
    for i in range(first, min(first + CHUNK, n)):
        scene = scenes.sample(seed, i, styles, crowds=crowds)
        rng = np.random.default_rng([seed, 4, i])
        pixels[i] = paint.picture(scene, _atlas, rng, augment=rng.uniform() < augment)


def read_stamp(path):
    """What a stamp beside an array says of it; {} when there is none."""
    if not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8") as f:
        return json.load(f)


class Pool:
    """n scenes in `scenes` and their pictures in `pixels`, uint8 [n, S, S, 3]; painted on first use.
    augment: share of the pictures that are redrawn in other styles; crowds: as in scenes.sample."""

    def __init__(self, folder, atlas, seed, n, styles, workers=2, augment=1.0, crowds=0.0):
        global _atlas
        _atlas, having = atlas, atlas.having(styles)
        path, stamp = os.path.join(folder, "pixels.npy"), os.path.join(folder, "pool.json")
        recipe = {"seed": seed, "n": n, "side": paint.SIDE, "styles": list(styles), "augment": augment,
                  "crowds": crowds, "version": 3}
        if read_stamp(stamp) != recipe:
            os.makedirs(folder, exist_ok=True)
            np.lib.format.open_memmap(path, "w+", np.uint8, (n, paint.SIDE, paint.SIDE, 3))
            jobs = [(path, having, seed, n, i, augment, crowds) for i in range(0, n, CHUNK)]
            with multiprocessing.get_context("fork").Pool(workers) as p:
                for _ in p.imap_unordered(_fill, jobs):
                    pass
            with open(stamp, "w") as f:
                json.dump(recipe, f)
        self.scenes = [scenes.sample(seed, i, having, crowds=crowds) for i in range(n)]
        self.pixels = np.load(path, mmap_mode="r")


class Pools:
    """Pool after pool of n scenes each, painted when it is their turn; the last `keep` stay on disk."""

    def __init__(self, folder, atlas, seed, n, styles, workers=2, keep=2, augment=1.0, crowds=0.0):
        self.n, self.keep, self.folder = n, keep, folder
        self._make = lambda k: Pool(self._path(k), atlas, seed + k, n, styles, workers, augment, crowds)
        self._number, self._pool = None, None

    def _path(self, k):
        return os.path.join(self.folder, f"pool-{k}")

    def at(self, k):
        """Pool number k."""
        if k != self._number:
            shutil.rmtree(self._path(k - self.keep), ignore_errors=True)
            self._number, self._pool = k, self._make(k)
        return self._pool
