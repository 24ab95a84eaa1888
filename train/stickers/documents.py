"""Interleaved documents: chunks of a picture and its text, in the manner of M3W, and in-context tasks
whose rule exists only in the examples.

A chunk is (item, prompt, answer): item is an index into a Library; prompt and answer are text, and the
answer is what can be told from the picture or from the examples before.
"""
import collections

import numpy as np

from stickers import concepts, scenes, speech

Chunk = collections.namedtuple("Chunk", "item prompt answer")
TASKS = ("register", "format", "name", "attribute")
NAMING = TASKS[2:]
OUTPUT, QUESTION = "Output:", "Question: {} Answer:"
# One name in five and one format in five are met only when measuring.
HELD_OUT = 5
MANY = 200  # pictures of a thing: a document seldom shows one of them twice


class Library:
    """Scenes by what they show. Items are indices into `scenes`."""

    def __init__(self, known):
        self.scenes = known
        self.alike = [i for i, s in enumerate(known) if s.kind in ("single", "group")]
        self.singles = [i for i in self.alike if known[i].kind == "single"]
        self.by_concept, self.by_colour = collections.defaultdict(list), collections.defaultdict(list)
        for i, s in enumerate(known):
            if s.kind == "single":
                self.by_concept[s.stickers[0].concept].append(i)
                pattern, colour = divmod(s.ground, len(scenes.COLOURS))
                if pattern < len(scenes.PATTERNS):
                    self.by_colour[colour].append(i)
        self.concepts = sorted(c for c, items in self.by_concept.items() if len(items) >= 2)
        self.colours = sorted(c for c, items in self.by_colour.items() if len(items) >= 2)

    def any(self, rng):
        """Any scene."""
        return int(rng.integers(len(self.scenes)))


def invented_name(rng, held_out=False):
    """A word that is none: "dax", "mibop"."""
    while True:
        parts = ["bdfgklmnprstvz"[rng.integers(14)] + "aeiou"[rng.integers(5)] for _ in range(1 + (rng.uniform() < 0.5))]
        name = "".join(parts) + "bdgklmnprstxz"[rng.integers(13)]
        if (sum(map(ord, name)) % HELD_OUT == 0) == held_out:
            return name


class Format:
    """A way to answer that only examples show: which facts, in which order, dressed how."""

    WRAPS = ("{}", "[{}]", "({})", "*{}*", "\"{}\"", "{}!", "{}?", "{} {}", "={}", "#{}")
    OPENINGS = ("", "i see ", "look: ", "it is ", "answer = ", "tag: ", "what a ", "my ", "hello ", "- ")
    JOINS = (", ", " / ", " + ", " - ", " on ", "; ")
    FIELDS = ("concept", "count", "ground", "size", "place")

    def __init__(self, rng, held_out=False):
        while True:
            self.wrap, self.opening, self.join = (int(rng.integers(len(x))) for x in (self.WRAPS, self.OPENINGS, self.JOINS))
            self.fields = tuple(rng.permutation(len(self.FIELDS))[:rng.integers(1, 4)])
            code = self.wrap * 7 + self.opening * 3 + self.join + sum((i + 2) * int(f) for i, f in enumerate(self.fields))
            plain = (self.wrap, self.opening) == (0, 0) and len(self.fields) == 1
            if (code % HELD_OUT == 0) == held_out and not plain:
                return

    def of_one(self):
        """Whether a fact is asked that only a scene with one sticker has."""
        return bool({"size", "place"} & {self.FIELDS[f] for f in self.fields})

    def say(self, scene):
        """What this format says of a scene (of one kind of sticker: the first counts)."""
        first = scene.stickers[0]
        known = {"concept": concepts.ONE[first.concept], "count": str(len(scene.stickers)),
                 "ground": speech.ground(scene), "size": scenes.size_word(first),
                 "place": scenes.PLACES[scenes.place(first)].split(" ", 2)[-1]}
        said = [known[self.FIELDS[f]] for f in self.fields]
        wrap = self.WRAPS[self.wrap]
        said[0] = wrap.format(*[said[0]] * wrap.count("{}"))
        return " " + self.OPENINGS[self.opening] + self.JOINS[self.join].join(said)


def task(kind, shots, library, rng, held_out=False):
    """A document of `shots` examples and a query, all chunks alike: the last is the query."""
    n = shots + 1
    if kind == "register":
        register = speech.REGISTERS[1 + rng.integers(len(speech.REGISTERS) - 1)]
        items = [library.any(rng) for _ in range(n)]
        return [Chunk(i, OUTPUT, speech.caption(library.scenes[i], register)) for i in items]
    if kind == "format":
        form = Format(rng, held_out)
        items = [_of(library.singles if form.of_one() else library.alike, rng) for _ in range(n)]
        return [Chunk(i, OUTPUT, form.say(library.scenes[i])) for i in items]
    if kind not in NAMING:
        raise ValueError(f"documents: task: kind is {kind!r}, want one of {TASKS}")
    keys, items_of = (library.concepts, library.by_concept) if kind == "name" else (library.colours, library.by_colour)
    ways = 2 if held_out else int(rng.integers(2, 5))
    chosen = [keys[k] for k in rng.choice(len(keys), ways, replace=False)]
    names = []
    while len(names) < ways:
        name = invented_name(rng, held_out)
        if name not in names:
            names.append(name)
    # Every rule is shown before any is shown twice.
    order = np.concatenate([rng.permutation(ways) for _ in range(shots // ways + 1)])[:shots]
    order = [*order, rng.integers(ways)]
    shown = []
    for k in order:
        fresh = [i for i in items_of[chosen[k]] if i not in shown] if len(items_of[chosen[k]]) < MANY else None
        shown.append(_of(fresh or items_of[chosen[k]], rng))
    return [Chunk(item, OUTPUT, " " + names[k]) for item, k in zip(shown, order)]


def _of(items, rng):
    return items[rng.integers(len(items))]


def mixed(n, library, rng):
    """A page: n chunks that caption and ask in any way."""
    chunks = []
    for _ in range(n):
        item = library.any(rng)
        scene = library.scenes[item]
        if rng.uniform() < 0.45:
            question, answer = speech.question(scene, rng)
            chunks.append(Chunk(item, QUESTION.format(question), answer))
        else:
            register = speech.REGISTERS[rng.integers(len(speech.REGISTERS))]
            chunks.append(Chunk(item, speech.PROMPTS[register] + ":", speech.caption(scene, register)))
    return chunks
