"""Batches of the language and the Flamingo stage: pairs of a picture and text, videos and their text,
and interleaved documents, as token ids with the picture that each position sees.
"""
import numpy as np
import torch

import bpe
from stickers import clips, concepts, documents, scenes, speech

DATASETS = ("pairs", "videos", "pages", "tasks")
# The paper's order of weights: interleaved documents count most.
LAMBDA = {"pairs": 1.0, "videos": 0.5, "pages": 0.5, "tasks": 1.0}
SIZES = {"pairs": 32, "videos": 16, "pages": 6, "tasks": 24}
TASKS = (0.12, 0.3, 0.33, 0.25)  # shares, in the order of documents.TASKS
LONGEST = 224
SLOTS = 4  # things that a caption mentions, at most
# How often every example of a rule shows the same picture: the first step to seeing what is alike.
SAME = 0.2


def share(rows, workers):
    """How many of a step's rows each of the workers draws."""
    return max(1, rows // workers)


class Batch:
    """ids and targets [n, L] (targets are the ids that follow, -100 where nothing is learned), phi
    [n, L], answers [n, L] (whether the target belongs to an answer), and items: per row the scenes or
    clips in order; `video` says which of the two. last [n, L]: targets of the last answers; names [n, L]:
    those of last answers that are names which the row's examples show."""

    def __init__(self, rows, after=None, video=False):
        """rows: lists of (item, prompt ids, answer ids); after: which rows have pictures after their
        text, so that text sees the next one."""
        after = after if after is not None else [False] * len(rows)
        lines = [_line(row, late) for row, late in zip(rows, after)]
        length = min(max(len(ids) for ids, _ in lines) - 1, LONGEST)
        self.ids = torch.full((len(rows), length), bpe.PAD)
        self.targets, self.answers = torch.full_like(self.ids, -100), torch.zeros_like(self.ids, dtype=torch.bool)
        for i, (ids, said) in enumerate(lines):
            n = min(len(ids) - 1, length)
            ids, said = torch.tensor(ids), torch.tensor(said)
            self.ids[i, :n], self.targets[i, :n], self.answers[i, :n] = ids[:n], ids[1:n + 1], said[1:n + 1]
        self.targets[(self.targets == bpe.IMAGE) | (self.targets == bpe.PAD)] = -100
        count = (self.ids == bpe.IMAGE).cumsum(1)
        total = torch.tensor([len(row) for row in rows])[:, None]
        late = torch.tensor(after)[:, None]
        # The next picture's number, 0 behind the last; a tag sees its own.
        follow = torch.where(self.ids == bpe.IMAGE, count, torch.where(count < total, count + 1, torch.zeros_like(count)))
        self.phi = torch.where(late, follow, count)
        self.items, self.video = [[item for item, _, _ in row] for row in rows], video
        self.last = self.answers & (self.targets >= 0) & (count == count.amax(1, keepdim=True))
        self.names = torch.zeros_like(self.last)

    def seen(self):
        """Which picture each position sees, counted over the batch, or -1 for none: [n, L]."""
        starts = torch.tensor([0] + [len(items) for items in self.items[:-1]]).cumsum(0)
        return torch.where(self.phi > 0, starts[:, None] + self.phi - 1, -torch.ones_like(self.phi))


def _line(row, late):
    ids, said = [bpe.BOS], [False]
    for _, prompt, answer in row:
        text, spoken = prompt + answer, [False] * len(prompt) + [True] * len(answer)
        if late:
            ids, said = ids + text + [bpe.EOC, bpe.IMAGE], said + spoken + [True, False]
        else:
            ids, said = ids + [bpe.IMAGE] + text + [bpe.EOC], said + [False] + spoken + [True]
    return ids + [bpe.EOS], said + [False]


class Source:
    """Draws batches. library: documents.Library; films: list of clips."""

    def __init__(self, tokenizer, library, films):
        self.tokenizer, self.library, self.films = tokenizer, library, films

    def _row(self, chunks):
        e = self.tokenizer.encode
        return [(c.item, e(c.prompt), e(c.answer)) for c in chunks]

    def facts(self, item, video):
        """[(id, slot)] of the words for what a scene or a clip shows, in no sentence."""
        said = facts_of_clip(self.films[item]) if video else facts(self.library.scenes[item])
        return [(i, slot) for words, slot in said for i in self.tokenizer.encode(" " + words)]

    def draw(self, dataset, rng, n=None):
        """One Batch of a data set, of n rows if not as many as usual."""
        n = n or SIZES[dataset]
        if dataset == "pairs":
            # The canonical caption is what "Output:" means when nothing else was shown.
            return Batch([self._row([self._pair(rng)]) for _ in range(n)])
        if dataset == "videos":
            return Batch([self._row([self._film(rng)]) for _ in range(n)], video=True)
        if dataset == "pages":
            # As the paper has it, half of the pages let text see the next picture.
            return Batch([self._row(documents.mixed(int(rng.integers(2, 7)), self.library, rng)) for _ in range(n)],
                         [bool(rng.uniform() < 0.5) for _ in range(n)])
        kinds = rng.choice(len(documents.TASKS), n, p=TASKS)
        docs = [self._task(documents.TASKS[k], rng) for k in kinds]
        batch = Batch([self._row(d) for d in docs])
        shown = torch.tensor([documents.TASKS[k] in documents.NAMING and d[-1].answer in [c.answer for c in d[:-1]]
                              for k, d in zip(kinds, docs)])
        batch.names = batch.last & shown[:, None]
        return batch

    def _pair(self, rng):
        item = self.library.any(rng)
        scene, kind = self.library.scenes[item], rng.uniform()
        if kind < 0.55:
            return documents.Chunk(item, documents.OUTPUT, speech.caption(scene))
        if kind < 0.7:
            register = speech.REGISTERS[1 + rng.integers(len(speech.REGISTERS) - 1)]
            return documents.Chunk(item, speech.PROMPTS[register] + ":", speech.caption(scene, register))
        question, answer = speech.question(scene, rng)
        return documents.Chunk(item, documents.QUESTION.format(question), answer)

    def _film(self, rng):
        item = int(rng.integers(len(self.films)))
        film = self.films[item]
        if rng.uniform() < 0.75:
            return documents.Chunk(item, documents.OUTPUT, clips.caption(film))
        return documents.Chunk(item, "Question: what happens? Answer:", " " + clips.event(film))

    def _task(self, kind, rng):
        chunks = documents.task(kind, int(rng.integers(1, 9)), self.library, rng)
        if kind in documents.NAMING and rng.uniform() < SAME:
            shown = {}
            chunks = [c._replace(item=shown.setdefault(c.answer, c.item)) for c in chunks]
        return chunks


def facts(scene):
    """[(words, slot)] of what a scene shows: a thing and its number have the slot of their turn in the
    caption, so that a sum over slots still tells what belongs together; what is said of the whole has slot 0."""
    said = [(f"{concepts.ONE[c]} {concepts.COUNTS[n]}", k) for k, (c, n) in enumerate(mentioned(scene))]
    if scene.kind == "single":
        said.append((f"{scenes.size_word(scene.stickers[0])} {_bare(scenes.PLACES[scenes.place(scene.stickers[0])])}", 0))
    if scene.kind == "pair":
        said.append((scenes.relation(*scene.stickers), 0))
    return [*said, (_bare(scenes.ground_words(scene.ground)), 0)]


def mentioned(scene):
    """[(concept, how many)] in the order of the caption."""
    return [(s.concept, 1) for s in scene.stickers] if scene.kind == "pair" else scenes.counts(scene)


def facts_of_clip(film):
    """[(words, slot)] of what happens in a clip and where."""
    said = [(concepts.ONE[film.concept], 0), (clips.WORDS[film.motion], 0), (_bare(scenes.ground_words(film.ground)), 0)]
    return [*said, (concepts.ONE[film.other], 1)] if film.motion in clips.TWO or film.motion == "turn" else said


def _bare(words):
    """"in the top left", "on a striped blue background" -> "top left", "striped blue"."""
    return words.split(" ", 2)[-1].removesuffix(" background")


class Bags:
    """Facts of every picture of a batch, row after row: ids [m, SLOTS, most], padded; `known` [m] says
    whose are not withheld."""

    def __init__(self, batch, source, rng=None, drop=0.0):
        """drop: how often a row's are withheld."""
        rows, known = [], []
        for items in batch.items:
            gone = drop > 0 and rng.uniform() < drop
            known += [not gone] * len(items)
            for item in items:
                rows.append([[] for _ in range(SLOTS)])
                for i, slot in source.facts(item, batch.video):
                    rows[-1][slot].append(i)
        self.ids = torch.full((len(rows), SLOTS, max(len(ids) for row in rows for ids in row)), bpe.PAD)
        for i, row in enumerate(rows):
            for slot, ids in enumerate(row):
                self.ids[i, slot, :len(ids)] = torch.tensor(ids, dtype=torch.long)
        self.known = torch.tensor(known)
