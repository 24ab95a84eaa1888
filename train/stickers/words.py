"""The vocabulary: byte-level BPE learned from what this world says. The words of all names are whole, of
one thing and of several, and the first words also without the space before them, as formats write
them: the decoder need not learn to spell, which costs it more mistakes than all else."""
import os

import numpy as np

import bpe
from stickers import clips, concepts, documents, scenes, speech

VOCAB = 3072


def corpus(seed, n=6000):
    """Texts to learn the vocabulary from."""
    rng = np.random.default_rng([seed, 77])
    styles = [[0]] * len(concepts.ONE)
    for i in range(n):
        scene = scenes.sample(seed, i, styles)
        register = speech.REGISTERS[rng.integers(len(speech.REGISTERS))]
        yield speech.PROMPTS[register] + ":" + speech.caption(scene, register)
        question, answer = speech.question(scene, rng)
        yield f"Question: {question} Answer:{answer}"
        if i % 4 == 0:
            yield "Output:" + clips.caption(clips.sample(seed, i, styles))
            yield documents.invented_name(rng) + documents.Format(rng).say(scene)
    for name in (*concepts.ONE, *concepts.SEVERAL):
        for _ in range(12):
            yield " " + name
    for name in concepts.ONE:
        for _ in range(12):
            yield f"[{name}]"


def known(path, seed):
    """The tokenizer in a file, learned and written there when there is none."""
    if not os.path.exists(path):
        learn(seed).save(path)
    return bpe.Tokenizer.load(path)


def learn(seed=1):
    """The tokenizer of this world."""
    return bpe.Tokenizer(bpe.learn(corpus(seed), VOCAB))
