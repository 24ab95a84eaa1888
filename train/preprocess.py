"""Picture -> model input, by the "pad" rule of the model's config.

The picture is resized with PIL's antialiased bicubic filter so that its longer side
is `size`, and centred on a size x size canvas whose border is the mean colour, which
is exactly zero after normalisation.
"""
import numpy as np
from PIL import Image

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def fitted_size(w, h, size):
    """(w, h) after the resize: the longer side is size, the other rounds half up."""
    longer = max(w, h)
    return tuple(max(1, (2 * n * size + longer) // (2 * longer)) for n in (w, h))


def fit(image, size):
    """RGB PIL image -> (canvas uint8 [size, size, 3], box (left, top, width, height)).

    Outside the box the canvas is 0 and means nothing: normalise() puts the mean there.
    """
    w, h = fitted_size(*image.size, size)
    pixels = np.asarray(image.convert("RGB").resize((w, h), Image.BICUBIC))
    left, top = (size - w) // 2, (size - h) // 2
    canvas = np.zeros((size, size, 3), np.uint8)
    canvas[top:top + h, left:left + w] = pixels
    return canvas, (left, top, w, h)


def normalise(canvases, boxes):
    """uint8 [n, S, S, 3] and boxes [n, 4] -> float32 [n, S, S, 3], zeros outside the boxes."""
    size = canvases.shape[1]
    x = (canvases.astype(np.float32) / np.float32(255) - np.float32(MEAN)) / np.float32(STD)
    at = np.arange(size)
    boxes = np.asarray(boxes, np.int64)
    inside = lambda start, length: (at >= start[:, None]) & (at < (start + length)[:, None])
    mask = inside(boxes[:, 1], boxes[:, 3])[:, :, None] & inside(boxes[:, 0], boxes[:, 2])[:, None, :]
    return x * mask[..., None]


def blank(size):
    """A mean-coloured input, float32 [size, size, 3]: what a model sees of nothing."""
    return np.zeros((size, size, 3), np.float32)
