"""What the frozen encoder sees, computed once: features of scenes and clips on disk, float16,
memory-mapped. A chunk of them is written at a time, so that a stopped run goes on."""
import json
import multiprocessing
import os

import numpy as np
import torch

from stickers import clips, contrast, pool

CHUNK = 128
_atlas = None


def _cached(folder, name, shape, recipe, fill, report=20):
    """A memory-mapped array whose chunks `fill(first, last)` gives in order; resumes where it was."""
    path, stamp = os.path.join(folder, name + ".npy"), os.path.join(folder, name + ".json")
    os.makedirs(folder, exist_ok=True)
    state = pool.read_stamp(stamp)
    done = state.get("done", 0) if state.get("recipe") == recipe else 0
    if not done:
        np.lib.format.open_memmap(path, "w+", np.float16, shape)
    for first in range(done, shape[0], CHUNK):
        last = min(first + CHUNK, shape[0])
        array = np.load(path, mmap_mode="r+")
        array[first:last] = fill(first, last)
        array.flush()
        with open(stamp + ".part", "w") as f:
            json.dump({"recipe": recipe, "done": last}, f)
        os.replace(stamp + ".part", stamp)
        if first // CHUNK % report == 0:
            print(f"features: {name} {last} of {shape[0]}", flush=True)
    return np.load(path, mmap_mode="r")


@torch.no_grad()
def see(vision, pixels, device, batch=64):
    """uint8 [n, S, S, 3] -> features [n, V, dim], float16."""
    out = [vision(contrast.images(pixels[i:i + batch], device)).half().cpu().numpy() for i in range(0, len(pixels), batch)]
    return np.concatenate(out)


def of_pool(vision, pictures, folder, name, recipe, device, mirrored=False):
    """Features [n, V, dim] of a pool's pictures, or of these flipped left to right."""
    pixels = pictures.pixels[:, :, ::-1] if mirrored else pictures.pixels
    with torch.no_grad():
        shape = (len(pixels), *see(vision, pixels[:1], device).shape[1:])
    return _cached(folder, name, shape, recipe, lambda first, last: see(vision, pixels[first:last], device))


def _film(job):
    seed, i, having, augment = job
    return clips.frames(clips.sample(seed, i, having), _atlas, np.random.default_rng([seed, 5, i]), augment=augment)


def of_clips(vision, atlas, seed, n, styles, folder, name, recipe, device, workers=2, augment=True):
    """(clips, features [n, frames, V, dim])."""
    global _atlas
    _atlas, having = atlas, atlas.having(styles)
    shape = see(vision, np.zeros((1, *_film((seed, 0, having, augment)).shape[1:]), np.uint8), device).shape
    with multiprocessing.get_context("fork").Pool(workers) as p:
        def fill(first, last):
            films = np.stack(p.map(_film, [(seed, i, having, augment) for i in range(first, last)], 8))
            return see(vision, films.reshape(-1, *films.shape[2:]), device).reshape(last - first, clips.FRAMES, *shape[1:])

        features = _cached(folder, name, (n, clips.FRAMES, *shape[1:]), recipe, fill, 5)
    return [clips.sample(seed, i, having) for i in range(n)], features
