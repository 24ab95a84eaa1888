"""Videos of 8 frames: something happens to one or two stickers. Only the order of the frames tells
motions apart that are each other's reverse, and no single frame tells any."""
import collections

import numpy as np

from stickers import concepts, grounds, paint, scenes

FRAMES = 8
Clip = collections.namedtuple("Clip", "motion concept other style second ground")
WORDS = {"left": "moves to the left", "right": "moves to the right", "up": "moves up", "down": "moves down",
         "grow": "grows", "shrink": "shrinks", "spin": "spins", "appear": "appears", "vanish": "disappears",
         "turn": "turns into", "swap": "swap places", "meet": "move together", "part": "move apart"}
MOTIONS = tuple(WORDS)
TWO = ("swap", "meet", "part")
REVERSE = {"left": "right", "right": "left", "up": "down", "down": "up", "grow": "shrink", "shrink": "grow",
           "appear": "vanish", "vanish": "appear", "meet": "part", "part": "meet"}


def sample(seed, i, styles):
    """Clip number i of the world with this seed; styles as in scenes.sample."""
    rng = np.random.default_rng([seed, 3, i])
    one, two = (int(c) for c in rng.choice(len(concepts.ONE), 2, replace=False))
    return Clip(MOTIONS[rng.integers(len(MOTIONS))], one, two, int(rng.choice(styles[one])),
                int(rng.choice(styles[two])), scenes.sample_ground(rng))


def event(clip):
    """What happens: "a dog turns into a cat"."""
    one, two = (concepts.counted(c, 1) for c in (clip.concept, clip.other))
    if clip.motion in TWO:
        return f"{one} and {two} {WORDS[clip.motion]}"
    return f"{one} {WORDS[clip.motion]}" + (f" {two}" if clip.motion == "turn" else "")


def caption(clip):
    """The one caption of a clip, with the space that follows a prompt."""
    return f" {event(clip)} {scenes.ground_words(clip.ground)}"


def _paths(clip, rng):
    """What each frame holds: a list per frame of (sticker, angle)."""
    t = np.linspace(0, 1, FRAMES)
    still = rng.uniform(-0.25, 0.25) if rng.uniform() < 0.7 else rng.uniform(-np.pi, np.pi)
    size = rng.uniform(0.26, 0.44)
    low, high = size / 2 + 0.01, 1 - size / 2 - 0.01
    x, y = rng.uniform(low, high, 2)
    one = lambda x, y, size=size, angle=still: (scenes.Sticker(clip.concept, clip.style, x, y, size), angle)
    two = lambda x, y, size=size: (scenes.Sticker(clip.other, clip.second, x, y, size), 0.0)
    change = int(rng.integers(2, FRAMES - 1))
    if clip.motion in ("left", "right", "up", "down"):
        travel = rng.uniform(0.35, min(0.6, high - low))
        start = rng.uniform(low, high - travel)
        way = start + travel * (t if clip.motion in ("right", "down") else 1 - t)
        drift = rng.uniform(-0.04, 0.04) * t
        if clip.motion in ("left", "right"):
            return [[one(v, np.clip(y + d, low, high))] for v, d in zip(way, drift)]
        return [[one(np.clip(x + d, low, high), v)] for v, d in zip(way, drift)]
    if clip.motion in ("grow", "shrink"):
        small, large = rng.uniform(0.2, 0.28), rng.uniform(0.44, 0.62)
        sizes = small + (large - small) * (t if clip.motion == "grow" else 1 - t)
        x, y = rng.uniform(large / 2, 1 - large / 2, 2)
        return [[one(x, y, s)] for s in sizes]
    if clip.motion == "spin":
        turns = rng.choice((-1, 1)) * rng.uniform(1.4, 3.2) * np.pi * t + still
        return [[one(x, y, angle=a)] for a in turns]
    if clip.motion in ("appear", "vanish"):
        return [[one(x, y)] if (i >= change) == (clip.motion == "appear") else [] for i in range(FRAMES)]
    if clip.motion == "turn":
        return [[one(x, y) if i < change else two(x, y)] for i in range(FRAMES)]
    size = rng.uniform(0.22, 0.32)
    m = size / 2 + 0.01
    y = rng.uniform(m, 1 - m)
    if clip.motion == "swap":
        a, b = rng.uniform(m, 0.36), rng.uniform(0.64, 1 - m)
        lift = np.sin(np.pi * t) * rng.uniform(0.14, 0.2)
        bend = 1 if y < 0.5 else -1
        return [[one(a + (b - a) * s, np.clip(y + bend * u, m, 1 - m), size),
                 two(b + (a - b) * s, np.clip(y - bend * u, m, 1 - m), size)] for s, u in zip(t, lift)]
    near, far = size * rng.uniform(0.9, 1.1) / 2, rng.uniform(0.32, 0.5 - m)
    reach = near + (far - near) * (1 - t if clip.motion == "meet" else t)
    return [[one(0.5 - r, y, size), two(0.5 + r, y, size)] for r in reach]


def frames(clip, atlas, rng, side=paint.SIDE, augment=True):
    """A clip as RGB pixels, uint8 [FRAMES, side, side, 3]."""
    ground = grounds.draw(clip.ground, side, rng).astype(np.float32)
    look, flip, out = rng.integers(1 << 31), rng.uniform() < 0.15, []
    for held in _paths(clip, rng):
        canvas = ground.copy()
        for sticker, angle in held:  # the same style in every frame
            paint.paste(canvas, atlas, sticker, np.random.default_rng([look, sticker.concept]), angle, augment, flip)
        out.append(paint.finish(canvas, np.random.default_rng([look, 1])) if augment
                   else np.clip(canvas + 0.5, 0, 255).astype(np.uint8))
    return np.stack(out)
