"""How often a model's greedy caption is exactly the truth, on held-out pictures."""
import math

import numpy as np
import torch

import bpe
import nano
import preprocess
import world


def interval(right, n, z=1.96):
    """Wilson's 95 % interval of a proportion."""
    p = right / n
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)


def captions(model, tokenizer, images, batch=64):
    """Greedy captions of model inputs [n, 3, S, S]: texts; one that never ends is None."""
    model.eval()
    prompt, out = nano.prompt_ids(tokenizer), []
    for i in range(0, len(images), batch):
        for ids in model.greedy(images[i:i + batch], prompt):
            out.append(tokenizer.decode(ids) if ids[-1] == bpe.EOC else None)
    return out


def report(model, tokenizer, pool, seen, device):
    """Print and return the figures: exact captions with the picture and with a blank one,
    by kind of scene, and on captions that the training pool (`seen`: a set) does not hold."""
    images, rows, _ = pool.take(np.arange(pool.n), np.zeros(pool.n, bool), device)
    truths = [world.caption(r) for r in rows]
    given = captions(model, tokenizer, images)
    right = np.array([a == b for a, b in zip(given, truths)])
    blank = torch.from_numpy(preprocess.blank(nano.SIZE)).permute(2, 0, 1)[None].to(device)
    guess = captions(model, tokenizer, blank)[0]
    blind = float(np.mean([guess == t for t in truths]))
    low, high = interval(int(right.sum()), len(right))
    new = np.array([t not in seen for t in truths])
    print(f"held-out pictures: {right.sum()} of {len(right)} captions exactly right, "
          f"{100 * right.mean():.1f} % (95 % interval {100 * low:.1f} to {100 * high:.1f})")
    print(f"  of them with a caption not in the training pool: {right[new].sum()} of {new.sum()}")
    for k, kind in enumerate(world.KINDS):
        mine = rows[:, world.KIND] == k
        print(f"  {kind}: {right[mine].sum()} of {mine.sum()}")
    print(f"the same model on a blank picture: {100 * blind:.1f} % right (it says {guess!r})")
    for given_one, truth in [(g, t) for g, t in zip(given, truths) if g != t][:12]:
        print(f"  wrong: {given_one!r}\n  truth: {truth!r}")
    return {"pictures": len(right), "exact": float(right.mean()), "interval": [low, high],
            "exact_new_captions": float(right[new].mean()) if new.any() else None, "exact_blank": blind}
