"""What a caption says, read back, and how right it is."""
import collections
import math
import re

from stickers import concepts, scenes, speech

Said = collections.namedtuple("Said", "counts relation ground size place")
_NAMES = {**{n: (i, False) for i, n in enumerate(concepts.SEVERAL)}, **{n: (i, True) for i, n in enumerate(concepts.ONE)}}
_COUNT = {w: n for n, w in enumerate(concepts.COUNTS)}
_GROUNDS = sorted(((scenes.ground_words(g), g) for g in range(scenes.GROUNDS)), key=lambda x: -len(x[0]))


def wilson(right, n, z=1.96):
    """Wilson's 95 % interval of a proportion; (0, 1) of nothing."""
    if not n:
        return 0.0, 1.0
    p = right / n
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, (middle - half) / (1 + z * z / n)), min(1.0, (middle + half) / (1 + z * z / n))


def _thing(words):
    """"three owls" -> (concept, 3, size word), or None for what is no thing of this world."""
    first, _, rest = words.strip().partition(" ")
    n = 1 if first in ("a", "an") else _COUNT.get(first)
    size = None
    if n == 1 and rest.split(" ")[0] in scenes.SIZES and rest not in _NAMES:
        size, rest = rest.split(" ", 1) if " " in rest else (None, rest)
    return (_NAMES[rest][0], n, size) if n and rest in _NAMES else None


def read(text):
    """What a caption of the "sentence" register says: Said, with None for what is not said.
    relation is (first concept, "left" or "above", second concept)."""
    text, ground = text.strip(), None
    for words, g in _GROUNDS:
        if text.endswith(" " + words):
            text, ground = text[:-len(words) - 1], g
            break
    counts, relation, size, place = collections.Counter(), None, None, None
    for side, words in speech.RELATIONS.items():
        if f" {words} " in text:
            a, b = (_thing(x) for x in text.split(f" {words} ", 1))
            if a and b:
                relation = (b[0], speech.OPPOSITE[side], a[0]) if side in ("right", "below") else (a[0], side, b[0])
            for thing in filter(None, (a, b)):
                counts[thing[0]] += thing[1]
            return Said(counts, relation, ground, None, None)
    for words in sorted(scenes.PLACES, key=len, reverse=True):
        if text.endswith(" " + words):
            text, place = text[:-len(words) - 1], scenes.PLACES.index(words)
            break
    for part in re.split(r", | and ", text):
        thing = _thing(part)
        if thing:
            counts[thing[0]] += thing[1]
            size = size or thing[2]
    return Said(counts, None, ground, size, place)


class Tally:
    """Counts how often each figure is right."""

    def __init__(self):
        self.right, self.n = collections.Counter(), collections.Counter()

    def add(self, name, right):
        """One more case."""
        self.right[name] += bool(right)
        self.n[name] += 1

    def table(self):
        """{name: {"value", "low", "high", "n"}}."""
        out = {}
        for name in self.n:
            low, high = wilson(self.right[name], self.n[name])
            out[name] = {"value": self.right[name] / self.n[name], "low": low, "high": high, "n": self.n[name]}
        return out


def captions(given, known):
    """Figures of captions (texts, None for one that never ends) of scenes: a table as of Tally, with
    the objects' F1 over all pictures and a CIDEr against the one true caption."""
    tally, hit, said_n, true_n = Tally(), 0, 0, 0
    squares = []
    for text, scene in zip(given, known):
        said, counts = read(text or ""), dict(scenes.counts(scene))
        right = len(set(said.counts) & set(counts))
        hit, said_n, true_n = hit + right, said_n + len(said.counts), true_n + len(counts)
        squares.append((right, len(said.counts), len(counts)))
        tally.add("exact", text == speech.caption(scene))
        tally.add("background", said.ground == scene.ground)
        if scene.kind == "group":
            tally.add("count", sum(said.counts.values()) == len(scene.stickers))
        if scene.kind == "several":
            tally.add("every count of several", said.counts == counts)
        if scene.kind == "single":
            s = scene.stickers[0]
            tally.add("size", said.size == scenes.size_word(s))
            tally.add("place", said.place == scenes.place(s))
        if scene.kind == "pair":
            a, b = scene.stickers
            true = (a.concept, scenes.relation(a, b), b.concept)
            tally.add("relation", said.relation == true)
            if set(said.counts) == set(counts):
                tally.add("relation, objects known", said.relation == true)
    f1 = 2 * hit / max(1, said_n + true_n)
    # The spread of a ratio of sums, by its linear part.
    n = len(squares)
    terms = [2 * h - f1 * (s + t) for h, s, t in squares]
    error = math.sqrt(sum(x * x for x in terms)) / max(1, said_n + true_n)
    out = {"object F1": {"value": f1, "low": f1 - 1.96 * error, "high": f1 + 1.96 * error, "n": n}, **tally.table()}
    each = cider(given, [speech.caption(s) for s in known])
    mean = sum(each) / max(1, n)
    error = math.sqrt(sum((x - mean) ** 2 for x in each)) / max(1, n)
    out["CIDEr"] = {"value": mean, "low": mean - 1.96 * error, "high": mean + 1.96 * error, "n": n}
    return out


def cider(given, truths):
    """CIDEr of each text (n-grams up to 4, tf-idf over the truths, times 10) with one reference each."""
    grams = lambda text: [collections.Counter(zip(*(text.split()[i:] for i in range(n)))) for n in range(1, 5)]
    refs = [grams(t) for t in truths]
    seen = [collections.Counter(g for r in refs for g in r[n]) for n in range(4)]
    weigh = lambda c, n: {g: k * math.log(len(truths) / max(1, seen[n][g])) for g, k in c.items()}
    out = []
    for text, ref in zip(given, refs):
        mine, total = grams(text or ""), 0.0
        for n in range(4):
            a, b = weigh(mine[n], n), weigh(ref[n], n)
            norm = math.sqrt(sum(v * v for v in a.values()) * sum(v * v for v in b.values()))
            total += 10 / 4 * sum(v * b.get(g, 0) for g, v in a.items()) / norm if norm else 0
        out.append(total)
    return out
