"""The concepts: what a sticker shows, in words."""
import os

HERE = os.path.dirname(os.path.abspath(__file__))


def _read():
    with open(os.path.join(HERE, "concepts.txt"), encoding="utf-8") as f:
        return [line.rstrip("\n").split("\t") for line in f if line.strip() and not line.startswith("#")]


_ROWS = _read()
ICONS = tuple(r[0] for r in _ROWS)
ONE = tuple(r[1] for r in _ROWS)
SEVERAL = tuple(r[2] for r in _ROWS)
COUNTS = ("no", "one", "two", "three", "four", "five")
# Their colour is part of what they are: no greyscale and no turned hue for them.
COLOURED = frozenset(i for i, n in enumerate(ONE) if set(n.split()) & {
    "red", "blue", "green", "yellow", "pink", "brown", "lemon", "tangerine", "tomato", "banana", "eggplant", "peach",
    "pear", "orange", "carrot", "melon", "strawberry", "moon", "sun"})


def article(words):
    """"a red apple", "an owl"."""
    sounds_open = words[0] in "aeiou" and not words.startswith(("uni", "one", "eu"))
    return ("an " if sounds_open else "a ") + words


def counted(concept, n):
    """"an owl", "three owls"."""
    return article(ONE[concept]) if n == 1 else f"{COUNTS[n]} {SEVERAL[concept]}"
