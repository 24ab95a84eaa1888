"""The world the nano model lives in: scenes of coloured shapes and their captions.

A scene is a row of small integers (see FIELDS), so that a pool of scenes is one
array, a mirrored scene is arithmetic, and every caption is a pure function of the
row. Values that do not apply to a kind of scene are NONE.

Captions are canonical: one scene has exactly one. Scenes are unambiguous: sizes,
positions and colours that differ in words are far apart in pixels (see draw.py).
"""
import numpy as np

KINDS = ("single", "group", "pair")
COUNTS = ("two", "three", "four", "five")
SHAPES = ("circle", "square", "triangle", "star", "heart", "diamond", "cross", "ring")
PLURALS = tuple(s + ("es" if s == "cross" else "s") for s in SHAPES)
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink")
SIZES = ("small", "large")
PLACES = ("in the top left", "at the top", "in the top right",
          "on the left", "in the middle", "on the right",
          "in the bottom left", "at the bottom", "in the bottom right")
RELATIONS = ("to the left of", "above")
PATTERNS = ("plain", "shaded", "striped", "dotted", "noisy")
GROUNDS = ("white", "grey", "black", "navy", "pale blue", "pale pink", "pale green")

FIELDS = (("kind", KINDS), ("count", COUNTS), ("shape", SHAPES), ("colour", COLOURS),
          ("shape2", SHAPES), ("colour2", COLOURS), ("size", SIZES), ("place", PLACES),
          ("relation", RELATIONS), ("pattern", PATTERNS), ("ground", GROUNDS))
NAMES = tuple(name for name, _ in FIELDS)
WIDTHS = tuple(len(words) for _, words in FIELDS)
NONE = 255

(KIND, COUNT, SHAPE, COLOUR, SHAPE2, COLOUR2, SIZE, PLACE, RELATION, PATTERN,
 GROUND) = range(len(FIELDS))
SINGLE, GROUP, PAIR = range(3)

# Too close to tell apart in a small picture: (colour, ground).
TOO_CLOSE = {("pink", "pale pink"), ("yellow", "white"), ("blue", "navy"), ("purple", "navy")}


def _visible(colour, ground):
    return (COLOURS[colour], GROUNDS[ground]) not in TOO_CLOSE


def sample(rng):
    """Draw a scene row (uint8 [len(FIELDS)]) with a numpy Generator."""
    row = np.full(len(FIELDS), NONE, np.uint8)
    row[KIND] = rng.choice(3, p=(0.42, 0.26, 0.32))
    row[PATTERN] = rng.integers(len(PATTERNS))
    row[GROUND] = rng.integers(len(GROUNDS))
    fits = [c for c in range(len(COLOURS)) if _visible(c, row[GROUND])]
    row[SHAPE], row[COLOUR] = rng.integers(len(SHAPES)), rng.choice(fits)
    if row[KIND] == SINGLE:
        row[SIZE], row[PLACE] = rng.integers(len(SIZES)), rng.integers(len(PLACES))
    elif row[KIND] == GROUP:
        row[COUNT] = rng.integers(len(COUNTS))
    else:
        row[RELATION] = rng.integers(len(RELATIONS))
        while row[SHAPE2] == NONE or (row[SHAPE2], row[COLOUR2]) == (row[SHAPE], row[COLOUR]):
            row[SHAPE2], row[COLOUR2] = rng.integers(len(SHAPES)), rng.choice(fits)
    return row


def mirror(rows):
    """Scene rows [n, fields] of the pictures flipped left to right."""
    out = rows.copy()
    placed = rows[:, PLACE] != NONE
    place = rows[placed, PLACE]
    out[placed, PLACE] = place // 3 * 3 + 2 - place % 3
    swap = rows[:, RELATION] == RELATIONS.index("to the left of")
    for a, b in ((SHAPE, SHAPE2), (COLOUR, COLOUR2)):
        out[swap, a], out[swap, b] = rows[swap, b], rows[swap, a]
    return out


def caption(row):
    """The caption of a scene row, with the leading space that follows the prompt."""
    word = {name: words[v] for (name, words), v in zip(FIELDS, row) if v != NONE}
    if row[KIND] == GROUP:
        what = f" {word['count']} {word['colour']} {PLURALS[row[SHAPE]]}"
    elif row[KIND] == PAIR:
        what = (f"{_one(word['colour'], word['shape'])} {word['relation']}"
                f"{_one(word['colour2'], word['shape2'])}")
    else:
        what = f" a {word['size']} {word['colour']} {word['shape']} {word['place']}"
    return f"{what} on a {word['pattern']} {word['ground']} background"


def _one(colour, shape):
    article = "an" if colour[0] in "aeiou" else "a"
    return f" {article} {colour} {shape}"
