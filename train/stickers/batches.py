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
SIZES = {"pairs": 48, "videos": 16, "pages": 8, "tasks": 16}
LONGEST = 224


class Batch:
    """ids and targets [n, L] (targets are the ids that follow, -100 where nothing is learned), phi
    [n, L], answers [n, L] (whether the target belongs to an answer), and items: per row the scenes or
    clips in order; `video` says which of the two."""

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

    def draw(self, dataset, rng):
        """One Batch of a data set."""
        n = SIZES[dataset]
        if dataset == "pairs":
            # The canonical caption is what "Output:" means when nothing else was shown.
            return Batch([self._row([self._pair(rng)]) for _ in range(n)])
        if dataset == "videos":
            return Batch([self._row([self._film(rng)]) for _ in range(n)], video=True)
        if dataset == "pages":
            # As the paper has it, half of the pages let text see the next picture.
            return Batch([self._row(documents.mixed(int(rng.integers(2, 7)), self.library, rng)) for _ in range(n)],
                         [bool(rng.uniform() < 0.5) for _ in range(n)])
        kinds = rng.choice(len(documents.TASKS), n, p=(0.16, 0.28, 0.36, 0.2))
        return Batch([self._row(self._task(documents.TASKS[k], rng)) for k in kinds])

    def _pair(self, rng):
        item = self.library.any(rng)
        scene, kind = self.library.scenes[item], rng.uniform()
        if kind < 0.55:
            return documents.Chunk(item, documents.OUTPUT, speech.caption(scene))
        if kind < 0.7:
            register = speech.REGISTERS[1 + rng.integers(len(speech.REGISTERS) - 1)]
            return documents.Chunk(item, speech.PROMPTS[register] + ":", speech.caption(scene, register))
        question, answer = speech.question(scene, rng)
        return documents.Chunk(item, f"Question: {question} Answer:", answer)

    def _film(self, rng):
        item = int(rng.integers(len(self.films)))
        film = self.films[item]
        if rng.uniform() < 0.75:
            return documents.Chunk(item, documents.OUTPUT, clips.caption(film))
        return documents.Chunk(item, "Question: what happens? Answer:", " " + clips.event(film))

    def _task(self, kind, rng):
        most = 8 if kind in ("name", "attribute") else 4
        return documents.task(kind, int(rng.integers(1, most + 1)), self.library, rng)


def facts(scene):
    """The words for what a scene shows, in no sentence."""
    words = [f" {concepts.ONE[c]} {concepts.COUNTS[n]}" for c, n in scenes.counts(scene)]
    if scene.kind == "single":
        words.append(f" {scenes.size_word(scene.stickers[0])} {scenes.PLACES[scenes.place(scene.stickers[0])]}")
    if scene.kind == "pair":
        words.append(" " + speech.RELATIONS[scenes.relation(*scene.stickers)])
    return "".join(words) + " " + scenes.ground_words(scene.ground)


def bags(batch, source, rng, drop):
    """Ids of the facts behind each image tag, [tags, most] padded, in the order of batch.ids; a row
    of pads for those dropped. Pages whose pictures come last have none: their text is there first."""
    rows = []
    for i, items in enumerate(batch.items):
        tags = int((batch.ids[i] == bpe.IMAGE).sum())
        gone = rng.uniform() < drop
        for item in items[:tags]:
            text = " " + clips.event(source.films[item]) if batch.video else facts(source.library.scenes[item])
            rows.append([] if gone else source.tokenizer.encode(text))
    out = torch.full((len(rows), max(1, max(map(len, rows)))), bpe.PAD)
    for i, row in enumerate(rows):
        out[i, :len(row)] = torch.tensor(row, dtype=torch.long)
    return out
