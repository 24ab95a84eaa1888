"""Paint scenes: stickers on backgrounds, turned, tinted and redrawn in styles that no set has.

The style augmentation is what an unseen set of drawings is met with: outlines, line drawing,
posterised, greyscale and hue-shifted colours.
"""
import numpy as np
from PIL import Image

from stickers import concepts, grounds

SIDE = 128
TILT = 0.3  # radians, the usual most
ANY_TILT = 0.06  # of the stickers lie anyhow
STYLES = ("as it is", "outlined", "line drawing", "posterised", "grey", "hue")
SHARES = (0.5, 0.16, 0.08, 0.1, 0.06, 0.1)
MONOCHROME = 64
HUE = (np.array(((0.299, 0.587, 0.114),) * 3),
       np.array(((0.701, -0.587, -0.114), (-0.299, 0.413, -0.114), (-0.3, -0.588, 0.886))),
       np.array(((0.168, 0.330, -0.497), (-0.328, 0.035, 0.292), (1.25, -1.05, -0.203))))


def _hue(angle):
    """A matrix that turns hues by an angle and keeps luma."""
    return (HUE[0] + np.cos(angle) * HUE[1] + np.sin(angle) * HUE[2]).astype(np.float32)


def restyle(x, concept, rng, dark=False):
    """A sticker [s, s, 5] as float 0..255 -> premultiplied RGBA [s, s, 4], in a style drawn with rng;
    dark says what it will lie on."""
    style = STYLES[rng.choice(len(STYLES), p=SHARES)]
    rgb, alpha, ink = x[..., :3], x[..., 3:4], x[..., 4:] / 255
    tender = concept in concepts.COLOURED
    if rgb.max() < MONOCHROME:  # of one dark colour: any will do that shows
        tint = rng.uniform(150, 255, 3) if dark else rng.uniform(0, 110, 3) * (rng.uniform() < 0.6)
        return np.concatenate((alpha / 255 * tint.astype(np.float32), alpha), -1)
    if style == "grey" and not tender:
        rgb = np.broadcast_to((rgb @ np.float32((0.299, 0.587, 0.114)))[..., None], rgb.shape)
    elif style == "hue":
        rgb = np.clip(rgb @ _hue(rng.uniform(-1, 1) * (0.12 if tender else 0.7)).T, 0, alpha)
    elif style == "posterised":
        step = np.float32(255 / rng.integers(2, 5))
        rgb = np.minimum(np.round(rgb / step) * step, alpha)
    elif style == "line drawing" and not tender:
        fill = rng.choice((0.0, 1.0), p=(0.25, 0.75))  # nothing inside, or paper
        rgb = alpha * np.float32(fill * rng.uniform(0.88, 1))
        rgb, alpha = np.broadcast_to(rgb, x.shape[:2] + (3,)), alpha * np.float32(fill)
    if style in ("outlined", "line drawing") or (style != "as it is" and rng.uniform() < 0.3):
        ink = np.clip(ink * np.float32(rng.uniform(1, 1.8)), 0, 1)
        if style == "outlined" and rng.uniform() < 0.6:  # flat colours between the lines
            step = np.float32(255 / rng.integers(2, 6))
            rgb = np.minimum(np.round(rgb / step) * step, alpha)
        pen = np.float32(rng.uniform(0, 40))
        rgb, alpha = rgb * (1 - ink) + pen * ink, np.maximum(alpha, 255 * ink)
    return np.concatenate((rgb, alpha), -1)


def _turned(x, pixels, angle, flip):
    """A premultiplied uint8 sticker [s, s, n] (n up to 5), turned, at `pixels` a side."""
    side = x.shape[0]
    c, s = np.cos(angle) * side / pixels, np.sin(angle) * side / pixels
    m = pixels / 2
    a = (-c if flip else c, s, side / 2 + (c if flip else -c) * m - s * m, (s if flip else -s), c,
         side / 2 + (-s if flip else s) * m - c * m)
    return np.stack([np.asarray(Image.fromarray(np.ascontiguousarray(b)).transform(
        (pixels, pixels), Image.AFFINE, a, Image.BILINEAR)) for b in np.moveaxis(x, -1, 0)], -1)


def paste(canvas, atlas, sticker, rng, angle=None, augment=True, flip=None):
    """Lay one sticker on a float32 canvas [S, S, 3]; angle in radians or None for a small random one."""
    side = canvas.shape[0]
    if angle is None:
        angle = rng.uniform(-np.pi, np.pi) if rng.uniform() < ANY_TILT else rng.uniform(-TILT, TILT) * (rng.uniform() < 0.8)
    flip = rng.uniform() < 0.15 if flip is None else flip
    pixels = max(8, int(round(sticker.size * side * (1 + 0.25 * abs(np.sin(2 * angle))))))
    x = _turned(atlas.sticker(sticker.style, sticker.concept, pixels), pixels, angle, flip).astype(np.float32)
    left, top = (int(round(v * side - pixels / 2)) for v in (sticker.x, sticker.y))
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + pixels, side), min(top + pixels, side)
    if x0 >= x1 or y0 >= y1:
        return
    at = canvas[y0:y1, x0:x1]
    drawn = restyle(x, sticker.concept, rng, at.mean() < 90) if augment else x[..., :4]
    drawn = drawn[y0 - top:y1 - top, x0 - left:x1 - left]
    at *= 1 - drawn[..., 3:] / 255
    at += drawn[..., :3]


def finish(canvas, rng):
    """The whole picture's colour, contrast, blur and noise: float32 -> uint8 [S, S, 3]."""
    gain, shift = rng.uniform(0.88, 1.1), rng.uniform(-10, 10)
    canvas = canvas * np.float32(gain) + (np.float32(shift) + rng.uniform(-4, 4, 3).astype(np.float32))
    if rng.uniform() < 0.12:
        beside = canvas[2:, 1:-1] + canvas[:-2, 1:-1] + canvas[1:-1, 2:] + canvas[1:-1, :-2]
        canvas[1:-1, 1:-1] = (canvas[1:-1, 1:-1] * 2 + beside) / 6
    if rng.uniform() < 0.12:
        canvas += rng.standard_normal(canvas.shape, np.float32) * np.float32(rng.uniform(1, 5))
    return np.clip(canvas + 0.5, 0, 255).astype(np.uint8)


def picture(scene, atlas, rng, side=SIDE, augment=True):
    """A scene as RGB pixels, uint8 [side, side, 3]. Without `augment` stickers are drawn as their
    sets have them, as a page shows them."""
    canvas = grounds.draw(scene.ground, side, rng).astype(np.float32)
    for sticker in scene.stickers:
        paste(canvas, atlas, sticker, rng, augment=augment)
    return finish(canvas, rng) if augment else np.clip(canvas + 0.5, 0, 255).astype(np.uint8)
