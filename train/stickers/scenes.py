"""Scenes: which stickers lie where on which background. A scene is facts alone; paint.py draws it
and speech.py speaks of it.

Lengths are fractions of the picture's side, y grows downwards. Scenes come in families of FAMILY:
members show the same concepts and differ in all else, so that they are each other's hard negatives
and no word of a caption can be told from the concepts alone.
"""
import collections
import math

import numpy as np

from stickers import concepts

Sticker = collections.namedtuple("Sticker", "concept style x y size")
Scene = collections.namedtuple("Scene", "kind stickers ground")

# "crowd" is for stage 1 alone, where the more there is to see, the more there is to learn.
CROWD = 9
KINDS = ("single", "group", "pair", "several")
SHARES = (0.34, 0.2, 0.24, 0.22)
FAMILY = 4
COLOURS = ("white", "grey", "black", "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown")
PATTERNS = ("plain", "shaded", "striped", "dotted", "checked", "grainy")
LANDSCAPES = ("in a meadow", "on a beach", "in a desert", "in the snow", "under a night sky", "on the sea",
              "in the mountains", "on a road")
# Patterns by colours, then landscapes.
GROUNDS = len(PATTERNS) * len(COLOURS) + len(LANDSCAPES)
PLACES = ("in the top left", "at the top", "in the top right", "on the left", "in the middle", "on the right",
          "in the bottom left", "at the bottom", "in the bottom right")
SIZES = ("small", "large")
DIAMETER = ((0.22, 0.30), (0.44, 0.58))
BANDS = ((0.13, 0.26), (0.46, 0.54), (0.74, 0.87))
MARGIN = 0.01


def ground_words(ground):
    """"on a striped blue background", "on a beach"."""
    pattern, colour = divmod(ground, len(COLOURS))
    if pattern >= len(PATTERNS):
        return LANDSCAPES[ground - len(PATTERNS) * len(COLOURS)]
    return f"on a {PATTERNS[pattern]} {COLOURS[colour]} background"


def sample_ground(rng):
    """A ground: landscapes one time in six."""
    plain = len(PATTERNS) * len(COLOURS)
    return int(plain + rng.integers(len(LANDSCAPES)) if rng.uniform() < 1 / 6 else rng.integers(plain))


def sample(seed, i, styles, kind=None, crowds=0.0):
    """Scene number i of the world with this seed. styles: which sets there are (an Atlas's
    `having`: concept -> style indices); kind: one of KINDS, or None for any; crowds: share of
    families that are crowds."""
    family = np.random.default_rng([seed, 1, i // FAMILY])
    drawn = KINDS[family.choice(len(KINDS), p=SHARES)]
    shown = family.choice(len(concepts.ONE), CROWD, replace=False)
    if crowds and family.uniform() < crowds:
        drawn = "crowd"
    rng = np.random.default_rng([seed, 2, i])
    return arrange(kind or drawn, shown, rng, styles)


def arrange(kind, shown, rng, styles, ground=None):
    """A scene of a kind with the first of these concepts (CROWD of them); all else is drawn with rng."""
    make = {"single": _single, "group": _group, "pair": _pair, "several": _several,
            "crowd": _crowd}[kind]
    same = {}
    uniform = rng.uniform() < 0.5
    stickers = []
    for concept, x, y, size in make(list(shown), rng):
        if not uniform or concept not in same:
            same[concept] = int(rng.choice(styles[concept]))
        stickers.append(Sticker(int(concept), same[concept], float(x), float(y), float(size)))
    return Scene(kind, tuple(stickers), sample_ground(rng) if ground is None else ground)


def _inside(v, size):
    return float(np.clip(v, size / 2 + MARGIN, 1 - size / 2 - MARGIN))


def _single(shown, rng):
    size = rng.uniform(*DIAMETER[rng.integers(2)])
    return [(shown[0], _inside(rng.uniform(*BANDS[rng.integers(3)]), size),
             _inside(rng.uniform(*BANDS[rng.integers(3)]), size), size)]


def _apart(n, size, gap, rng, good=lambda spots: True):
    """n centres at least gap * size apart; the size shrinks until they fit."""
    while True:
        for _ in range(4):
            spots = []
            for _ in range(40):
                spot = rng.uniform(size / 2 + MARGIN, 1 - size / 2 - MARGIN, 2)
                if all(math.dist(spot, s) >= gap * size for s in spots):
                    spots.append(spot)
                if len(spots) == n:
                    break
            if len(spots) == n and good(spots):
                return spots, size
        size *= 0.95


def _group(shown, rng):
    spots, size = _apart(rng.integers(2, 6), rng.uniform(0.21, 0.33), 1.05, rng)
    return [(shown[0], x, y, size) for x, y in spots]


def _pair(shown, rng):
    size = rng.uniform(0.24, 0.4)
    gap = max(1.05 * size, 0.34)
    m = size / 2 + MARGIN
    first = rng.uniform(m, 1 - m - gap)
    second = rng.uniform(first + gap, 1 - m)
    middle = rng.uniform(m, 1 - m)
    other = _inside(middle + rng.uniform(-0.1, 0.1), size)
    one, two = (shown[0], shown[1]) if rng.uniform() < 0.5 else (shown[1], shown[0])
    spots = [(first, middle), (second, other)]
    if rng.uniform() < 0.5:
        spots = [(y, x) for x, y in spots]
    return [(one, *spots[0], size), (two, *spots[1], size)]


def _several(shown, rng):
    kinds = int(rng.integers(2, 5))
    total = int(rng.integers(max(3, kinds), 6))
    counts = np.ones(kinds, int)
    for _ in range(total - kinds):
        counts[rng.integers(kinds)] += 1
    which = np.repeat(rng.permutation(shown[:kinds]), counts)

    def ordered(spots):
        left = sorted(min(s[0] for s, w in zip(spots, which) if w == k) for k in set(which))
        return all(b - a >= 0.06 for a, b in zip(left, left[1:]))

    spots, size = _apart(total, rng.uniform(0.22, 0.33), 0.92, rng, ordered)
    return [(c, x, y, size * rng.uniform(0.92, 1.05)) for c, (x, y) in zip(which, spots)]


def _crowd(shown, rng):
    which = rng.permutation(shown)[:rng.integers(6, CROWD + 1)]
    if rng.uniform() < 0.5:
        return _mixed(which, rng)
    spots, size = _apart(len(which), rng.uniform(0.22, 0.29), 0.9, rng)
    return [(c, x, y, size * rng.uniform(0.92, 1.05)) for c, (x, y) in zip(which, spots)]


def _mixed(shown, rng):
    """One or two large stickers, and small ones where there is room."""
    large = int(rng.integers(1, 3))
    placed = []
    for k, concept in enumerate(shown):
        size = rng.uniform(0.38, 0.6) if k < large else rng.uniform(0.2, 0.32)
        for _ in range(30):
            x, y = rng.uniform(size / 2 + MARGIN, 1 - size / 2 - MARGIN, 2)
            if all(math.dist((x, y), p[1:3]) >= 0.45 * (size + p[3]) for p in placed):
                placed.append((concept, x, y, size))
                break
    return placed


def place(sticker):
    """Index into PLACES of where a sticker is."""
    column, row = (0 if v < 0.36 else 1 if v < 0.64 else 2 for v in (sticker.x, sticker.y))
    return row * 3 + column


def size_word(sticker):
    """"small" or "large"."""
    return SIZES[sticker.size > 0.37]


def relation(one, two):
    """How one sticker lies to another: "left", "right", "above" or "below"."""
    dx, dy = two.x - one.x, two.y - one.y
    if abs(dx) > abs(dy):
        return "left" if dx > 0 else "right"
    return "above" if dy > 0 else "below"


def counts(scene):
    """[(concept, how many)], from left to right by the leftmost of each."""
    left, n = {}, collections.Counter(s.concept for s in scene.stickers)
    for s in scene.stickers:
        left[s.concept] = min(left.get(s.concept, 2), s.x)
    return [(c, n[c]) for c in sorted(left, key=left.get)]


def mirror(scene):
    """The scene of the picture flipped left to right. Of a pair the left one still comes first: a
    picture has one caption."""
    turned = tuple(s._replace(x=1 - s.x) for s in scene.stickers)
    if scene.kind == "pair" and relation(*turned) == "right":
        turned = turned[::-1]
    return scene._replace(stickers=turned)
