"""Draw backgrounds: plain colours, gradients, patterns, noise, and simple landscapes."""
import math

import numpy as np
from PIL import Image, ImageDraw

from stickers import scenes

RGB = {"white": (247, 247, 247), "grey": (138, 138, 138), "black": (22, 22, 22), "red": (206, 44, 44),
       "orange": (243, 146, 36), "yellow": (245, 216, 60), "green": (62, 160, 74), "blue": (56, 108, 214),
       "purple": (132, 64, 172), "pink": (244, 158, 196), "brown": (122, 80, 46)}


def _field(pattern, side, rng):
    """How far each pixel leans to the second tone, [side, side] in 0..1 (grainy: -1..1)."""
    if pattern == "plain":
        return 0.0
    if pattern == "grainy":
        n = int(rng.integers(side // 3, side // 2))
        cells = rng.standard_normal((n, n), np.float32) * np.float32(0.6)
        at = np.arange(side) * n // side
        return np.clip(cells[at][:, at], -1, 1)
    along = (np.arange(side, dtype=np.float32) + 0.5) / side
    y, x = along[:, None], along[None, :]
    if pattern == "shaded":
        angle = rng.uniform(0, 2 * math.pi)
        t = x * math.cos(angle) + y * math.sin(angle)
        return (t - t.min()) / (t.max() - t.min())
    period = rng.uniform(0.09, 0.16)
    if pattern == "striped":
        angle = rng.choice((0, 0.25, 0.5, 0.75)) * math.pi
        t = (x * math.cos(angle) + y * math.sin(angle)) / period + rng.uniform()
        return np.clip(0.5 + np.sin(2 * math.pi * t) * period * side / 3, 0, 1)
    x, y = x / period + rng.uniform(), y / period + rng.uniform()
    if pattern == "checked":
        return ((np.floor(x) + np.floor(y)) % 2).astype(np.float32)
    far = np.hypot(np.abs(x % 1 - 0.5), np.abs(y % 1 - 0.5))
    return np.clip((0.29 - far) * period * side + 0.5, 0, 1)


def _patterned(pattern, colour, side, rng):
    base = np.array(RGB[colour], np.float32) + rng.uniform(-12, 12, 3).astype(np.float32)
    strength = rng.uniform(30, 48) * (1 if base.mean() < 100 else -1)
    if pattern == "shaded":
        strength *= 1.5
    field = np.broadcast_to(np.float32(strength) * _field(pattern, side, rng), (side, side))
    return np.clip(base + field[..., None], 0, 255).astype(np.uint8)


def _bands(draw, side, stops):
    """Horizontal bands: (end as a fraction of the height, RGB at its top, RGB at its bottom)."""
    top = 0
    for end, a, b in stops:
        bottom = int(round(end * side))
        for y in range(top, bottom):
            t = (y - top) / max(1, bottom - top)
            draw.line((0, y, side, y), fill=tuple(int(p + (q - p) * t) for p, q in zip(a, b)))
        top = bottom


def _landscape(words, side, rng):
    image = Image.new("RGB", (side, side))
    draw = ImageDraw.Draw(image)
    h = rng.uniform(0.38, 0.58)
    sky, pale = (120, 178, 238), (206, 230, 250)

    def hill(height, colour):
        x, w, top = rng.uniform(-0.1, 1.1) * side, rng.uniform(0.25, 0.5) * side, (h - height) * side
        draw.polygon(((x - w, h * side), (x, top), (x + w, h * side)), fill=colour)
        return x, w, top

    if words == "under a night sky":
        _bands(draw, side, ((0.85, (10, 12, 44), (36, 40, 92)), (1, (16, 30, 30), (10, 20, 20))))
        for x, y, r in zip(rng.uniform(0, side, 26), rng.uniform(0, 0.82 * side, 26), rng.uniform(0.3, 1.2, 26)):
            draw.ellipse((x - r, y - r, x + r, y + r), fill=(240, 240, 210))
    elif words == "on a road":
        _bands(draw, side, ((h, sky, pale), (1, (104, 150, 80), (84, 130, 66))))
        m = rng.uniform(0.35, 0.65) * side
        draw.polygon(((m - 4, h * side), (m + 4, h * side), (side * 0.95, side), (side * 0.05, side)), fill=(84, 84, 90))
        for t in (0.12, 0.35, 0.66):
            y, w = (h + (1 - h) * t) * side, 1 + 3 * t
            x = m + (side / 2 - m) * t
            end = y + 9 * (t + 0.3)
            draw.polygon(((x - w, y), (x + w, y), (x + 1.3 * w, end), (x - 1.3 * w, end)), fill=(236, 232, 200))
    elif words == "in the mountains":
        _bands(draw, side, ((h, sky, pale), (1, (116, 128, 112), (90, 104, 88))))
        for _ in range(4):
            x, w, top = hill(rng.uniform(0.15, 0.34), (112 + int(rng.integers(-9, 10)), 116, 128))
            snow = top + 0.25 * (h * side - top)
            draw.polygon(((x - w * 0.25, snow), (x, top), (x + w * 0.25, snow)), fill=(246, 248, 252))
    else:
        low = {"in a meadow": ((132, 190, 78), (84, 150, 56)), "on a beach": ((238, 218, 160), (224, 196, 128)),
               "in a desert": ((232, 180, 100), (206, 144, 70)), "in the snow": ((238, 242, 250), (216, 226, 242)),
               "on the sea": ((40, 110, 190), (18, 70, 140))}[words]
        above = ((250, 206, 140), (252, 232, 190)) if words == "in a desert" else \
            ((176, 192, 214), (222, 230, 240)) if words == "in the snow" else (sky, pale)
        sea = ((h - 0.14, *above), (h, (60, 140, 206), (84, 172, 220))) if words == "on a beach" else ((h, *above),)
        _bands(draw, side, (*sea, (1, *low)))
        if words == "on the sea":
            for x, y in zip(rng.uniform(0, side, 16), rng.uniform(h * side + 3, side, 16)):
                draw.arc((x - 5, y - 2, x + 5, y + 3), 200, 340, fill=(150, 200, 236))
        elif words != "on a beach":
            for _ in range(2):
                hill(rng.uniform(0.05, 0.14), tuple(int(0.86 * v) for v in low[0]))
    return np.clip(np.asarray(image, np.int16) + rng.integers(-9, 10, 3, np.int16), 0, 255).astype(np.uint8)


def draw(ground, side, rng):
    """A ground (an index as in scenes.py) as RGB pixels, uint8 [side, side, 3]."""
    pattern, colour = divmod(ground, len(scenes.COLOURS))
    if pattern < len(scenes.PATTERNS):
        return _patterned(scenes.PATTERNS[pattern], scenes.COLOURS[colour], side, rng)
    return _landscape(scenes.LANDSCAPES[ground - len(scenes.PATTERNS) * len(scenes.COLOURS)], side, rng)
