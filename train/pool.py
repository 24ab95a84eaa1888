"""Pools of drawn and preprocessed pictures, kept on disk as memory-mapped arrays.

Picture i of a pool depends on (seed, i) alone, so any number of processes draws the same
pool, and a held-out pool is one with another seed.
"""
import json
import multiprocessing
import os

import numpy as np
import torch

import draw
import preprocess
import world

GRID = 3  # the encoder's feature grid, per side


def scene(seed, i):
    """Scene row, RGB picture and shapes' centres number i of the pool with this seed."""
    rng = np.random.default_rng([seed, i])
    row = world.sample(rng)
    return (row, *draw.picture(row, rng))


def cells(row, centres, image_size, box, size):
    """Where the shapes are on the feature grid: int array [GRID, GRID, 3] of shape, colour
    (world.NONE where there is none) and how many centres fall into the cell."""
    grid = np.full((GRID, GRID, 3), world.NONE, np.uint8)
    grid[..., 2] = 0
    for i, centre in enumerate(centres):
        x, y = (int((c / n * length + start) * GRID / size)
                for c, n, start, length in zip(centre, image_size, box[:2], box[2:]))
        second = i == 1 and row[world.KIND] == world.PAIR
        grid[y, x, :2] = row[[world.SHAPE2, world.COLOUR2] if second else [world.SHAPE, world.COLOUR]]
        grid[y, x, 2] += 1
    return grid


def _arrays(folder, n, size, mode):
    shapes = {"pixels": ((n, size, size, 3), np.uint8), "boxes": ((n, 4), np.int16),
              "rows": ((n, len(world.FIELDS)), np.uint8), "cells": ((n, GRID, GRID, 3), np.uint8)}
    return {k: np.lib.format.open_memmap(os.path.join(folder, k + ".npy"), mode, dtype=t, shape=s)
            if mode == "w+" else np.load(os.path.join(folder, k + ".npy"), mmap_mode=mode)
            for k, (s, t) in shapes.items()}


def _fill(job):
    folder, seed, n, size, first, last = job
    arrays = _arrays(folder, n, size, "r+")
    for i in range(first, last):
        row, image, centres = scene(seed, i)
        arrays["pixels"][i], box = preprocess.fit(image, size)
        arrays["boxes"][i], arrays["rows"][i] = box, row
        arrays["cells"][i] = cells(row, centres, image.size, box, size)


class Pool:
    """n pictures; draws them on first use and reads them from `folder` afterwards."""

    def __init__(self, folder, seed, n, size, workers=2):
        recipe = {"seed": seed, "n": n, "size": size, "version": 1}
        stamp = os.path.join(folder, "pool.json")
        if not os.path.exists(stamp) or json.load(open(stamp)) != recipe:
            os.makedirs(folder, exist_ok=True)
            _arrays(folder, n, size, "w+")
            jobs = [(folder, seed, n, size, i, min(i + 500, n)) for i in range(0, n, 500)]
            with multiprocessing.get_context("fork").Pool(workers) as p:
                for _ in p.imap_unordered(_fill, jobs):
                    pass
            with open(stamp, "w") as f:
                json.dump(recipe, f)
        self.n = n
        self.arrays = _arrays(folder, n, size, "r")

    def batch(self, rng, size, device):
        """A random batch, half of it mirrored: (images [size, 3, S, S], rows, cells)."""
        return self.take(np.sort(rng.integers(self.n, size=size)), rng.uniform(size=size) < 0.5, device)

    def take(self, at, flipped, device):
        """The pictures at these indices; where `flipped`, mirrored with their scene row and cells."""
        pixels, boxes, rows, grids = (self.arrays[k][at] for k in ("pixels", "boxes", "rows", "cells"))
        size = pixels.shape[1]
        pixels[flipped] = pixels[flipped, :, ::-1]
        boxes[flipped, 0] = size - boxes[flipped, 0] - boxes[flipped, 2]
        rows[flipped] = world.mirror(rows[flipped])
        grids[flipped] = grids[flipped, :, ::-1]
        images = torch.from_numpy(preprocess.normalise(pixels, boxes)).permute(0, 3, 1, 2)
        return images.to(device), rows, grids
