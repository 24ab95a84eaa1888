"""Draw scenes with PIL: shapes on patterned backgrounds, in pictures of many sizes.

All lengths are fractions of the picture's longer side, which becomes the model's 96
pixels: what "small" and "large" mean does not depend on the picture's shape.
"""
import math

import numpy as np
from PIL import Image, ImageDraw

import world

MIN_SIDE, MAX_SIDE, MAX_ASPECT = 80, 320, 1.3
SUPERSAMPLE = 4

COLOUR_RGB = {"red": (214, 36, 40), "orange": (246, 140, 20), "yellow": (250, 216, 40),
              "green": (36, 156, 60), "blue": (40, 92, 222), "purple": (126, 46, 166),
              "pink": (246, 110, 184)}
GROUND_RGB = {"white": (248, 248, 248), "grey": (140, 140, 140), "black": (20, 20, 20),
              "navy": (24, 34, 88), "pale blue": (184, 214, 246),
              "pale pink": (250, 206, 216), "pale green": (194, 234, 194)}
DIAMETER = {"small": (0.19, 0.23), "large": (0.36, 0.42)}
GROUP_DIAMETER = (0.19, 0.23)
PAIR_DIAMETER = (0.23, 0.29)
# Where the centre may lie along an axis, as a fraction of that axis.
BANDS = ((0.15, 0.28), (0.46, 0.54), (0.72, 0.85))


def _outline(shape):
    """Corner points of a shape inside the unit circle, y down."""
    if shape == "square":
        return [(-.82, -.82), (.82, -.82), (.82, .82), (-.82, .82)]
    if shape == "triangle":
        return [(0, -.95), (.95, .75), (-.95, .75)]
    if shape == "diamond":
        return [(0, -1), (.72, 0), (0, 1), (-.72, 0)]
    if shape == "cross":
        a, b = .34, .95
        return [(-a, -b), (a, -b), (a, -a), (b, -a), (b, a), (a, a), (a, b), (-a, b),
                (-a, a), (-b, a), (-b, -a), (-a, -a)]
    if shape == "star":
        radii = (1, .42)
        return [(radii[i % 2] * math.sin(i * math.pi / 5), -radii[i % 2] * math.cos(i * math.pi / 5))
                for i in range(10)]
    if shape == "heart":
        ts = [2 * math.pi * i / 40 for i in range(40)]
        return [(math.sin(t) ** 3,
                 -(13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)) / 16.5)
                for t in ts]
    raise ValueError(f"draw: shape: got {shape!r}, want one of {world.SHAPES}")


def _stamp(shape, pixels, tilt):
    """An antialiased mask (mode L) of a shape, pixels x pixels, turned by tilt radians."""
    n = pixels * SUPERSAMPLE
    mask = Image.new("L", (n, n), 0)
    pen = ImageDraw.Draw(mask)
    if shape in ("circle", "ring"):
        pen.ellipse((0, 0, n - 1, n - 1), fill=255)
        if shape == "ring":
            r = n * 0.22
            pen.ellipse((r, r, n - 1 - r, n - 1 - r), fill=0)
    else:
        c, s, half = math.cos(tilt), math.sin(tilt), n / 2
        pen.polygon([(half + half * (x * c - y * s), half + half * (x * s + y * c))
                     for x, y in _outline(shape)], fill=255)
    return mask.reduce(SUPERSAMPLE)


def _tone_field(pattern, w, h, rng):
    """How far each pixel leans to the second tone, [h, w] in 0..1 (noise: -1..1)."""
    side = max(w, h)
    if pattern == "plain":
        return np.zeros((h, w), np.float32)
    if pattern == "noisy":
        cells = rng.standard_normal((int(rng.integers(56, 80)),) * 2).astype(np.float32)
        rows = np.arange(h) * cells.shape[0] // side
        cols = np.arange(w) * cells.shape[0] // side
        return np.clip(cells[rows][:, cols] * 0.6, -1, 1)
    y, x = np.mgrid[0:h, 0:w].astype(np.float32) / side
    if pattern == "shaded":
        angle = rng.uniform(0, 2 * math.pi)
        t = x * math.cos(angle) + y * math.sin(angle)
        return (t - t.min()) / (t.max() - t.min())
    if pattern == "striped":
        angle = rng.choice((0, .25, .5, .75)) * math.pi
        period = rng.uniform(0.09, 0.14)
        t = (x * math.cos(angle) + y * math.sin(angle)) / period + rng.uniform()
        edge = period * side / (2 * math.pi)
        return np.clip(0.5 + np.sin(2 * math.pi * t) * edge, 0, 1)
    period = rng.uniform(0.10, 0.14)
    u = np.abs((x / period + rng.uniform()) % 1 - 0.5)
    v = np.abs((y / period + rng.uniform()) % 1 - 0.5)
    return np.clip((0.29 - np.hypot(u, v)) * period * side + 0.5, 0, 1)


def _ground(row, w, h, rng):
    base = np.array(GROUND_RGB[world.GROUNDS[row[world.GROUND]]], np.float32)
    base = base + rng.uniform(-6, 6, 3)
    towards = 1 if base.mean() < 110 else -1
    pattern = world.PATTERNS[row[world.PATTERN]]
    strength = towards * rng.uniform(34, 46) * (1.1 if pattern == "shaded" else 1)
    field = _tone_field(pattern, w, h, rng)[..., None] * np.float32(strength)
    return Image.fromarray(np.clip(base.astype(np.float32) + field, 0, 255).astype(np.uint8))


def _place_group(n, d, w, h, rng):
    """n centres at least 1.2 d apart and inside the picture."""
    m = d / 2 + 2
    while True:
        spots = []
        for _ in range(60):
            spot = (rng.uniform(m, w - m), rng.uniform(m, h - m))
            if all(math.dist(spot, other) >= 1.2 * d for other in spots):
                spots.append(spot)
            if len(spots) == n:
                return spots


def _place_pair(relation, d, w, h, rng):
    """Two centres clearly apart along the relation's axis and close along the other."""
    sideways = relation == "to the left of"
    along, across = (w, h) if sideways else (h, w)
    m = d / 2 + 2
    gap = max(1.15 * d, 0.36 * along)
    first = rng.uniform(m, along - m - gap)
    second = rng.uniform(first + gap, along - m)
    middle = rng.uniform(m, across - m)
    other = np.clip(middle + rng.uniform(-0.08, 0.08) * across, m, across - m)
    return [(first, middle), (second, other)] if sideways else [(middle, first), (other, second)]


def _band(cell, length, d, rng):
    low, high = (f * length for f in BANDS[cell])
    m = d / 2 + 1
    return float(np.clip(rng.uniform(low, high), m, length - m))


def _objects(row, w, h, rng):
    """(shape, colour, centre, diameter) of everything in the scene."""
    side = max(w, h)
    shape, colour = world.SHAPES[row[world.SHAPE]], world.COLOURS[row[world.COLOUR]]
    if row[world.KIND] == world.SINGLE:
        d = rng.uniform(*DIAMETER[world.SIZES[row[world.SIZE]]]) * side
        r, c = divmod(int(row[world.PLACE]), 3)
        return [(shape, colour, (_band(c, w, d, rng), _band(r, h, d, rng)), d)]
    if row[world.KIND] == world.GROUP:
        d = rng.uniform(*GROUP_DIAMETER) * side
        n = int(row[world.COUNT]) + 2
        return [(shape, colour, at, d) for at in _place_group(n, d, w, h, rng)]
    d = rng.uniform(*PAIR_DIAMETER) * side
    one, two = _place_pair(world.RELATIONS[row[world.RELATION]], d, w, h, rng)
    other = world.SHAPES[row[world.SHAPE2]], world.COLOURS[row[world.COLOUR2]]
    return [(shape, colour, one, d), (*other, two, d)]


def picture(row, rng, longer=None):
    """Draw a scene row: (RGB PIL image, centres [(x, y)] of its shapes in pixels). The longer
    side is 80 to 320 pixels, or `longer`."""
    if longer is None:
        longer = int(round(math.exp(rng.uniform(math.log(MIN_SIDE), math.log(MAX_SIDE)))))
    aspect = 1.0 if rng.uniform() < 0.3 else rng.uniform(1, MAX_ASPECT)
    shorter = int(round(longer / aspect))
    w, h = (longer, shorter) if rng.uniform() < 0.5 else (shorter, longer)
    image = _ground(row, w, h, rng)
    objects = _objects(row, w, h, rng)
    for shape, colour, (x, y), d in objects:
        pixels = max(8, int(round(d)))
        stamp = _stamp(shape, pixels, rng.uniform(-0.12, 0.12))
        ink = np.clip(np.array(COLOUR_RGB[colour]) + rng.integers(-9, 10, 3), 0, 255)
        image.paste(tuple(int(v) for v in ink), (round(x - pixels / 2), round(y - pixels / 2)), stamp)
    return image, [centre for _, _, centre, _ in objects]
