"""The nano model: its config, its prompt, and batches of text for it."""
import numpy as np
import torch

import bpe
import preprocess
import world

VOCAB = 416
CONFIG = {
    "vision": {"family": "nfnet", "widths": [32, 64, 192, 192], "depths": [1, 2, 2, 1], "groupWidth": 16,
               "stem": [4, 8, 16, 32], "activation": "gelu", "features": 384},
    "preprocess": {"size": 96, "fit": "pad", "mean": list(preprocess.MEAN), "std": list(preprocess.STD)},
    "resampler": {"inputDim": 384, "dim": 128, "depth": 2, "heads": 4, "headDim": 32, "latents": 16,
                  "hidden": 512, "activation": "squared_relu", "frames": 8},
    "xattn": {"every": 2, "placement": "paper", "heads": 4, "headDim": 24, "hidden": 384,
              "activation": "squared_relu", "normMedia": True},
    "lm": {"family": "mpt", "dim": 96, "depth": 4, "heads": 4, "hidden": 384, "vocab": VOCAB,
           "maxPositions": 128},
    "tokens": {"bos": bpe.BOS, "eos": bpe.EOS, "pad": bpe.PAD, "endOfChunk": bpe.EOC, "image": bpe.IMAGE},
    "prompts": {"caption": "<image>Output:"},
}
SIZE = CONFIG["preprocess"]["size"]


def learn_tokenizer(seed):
    """The tokenizer, learned from 4000 captions with their prompt."""
    rng = np.random.default_rng([seed, 1])
    texts = ["Output:" + world.caption(world.sample(rng)) for _ in range(4000)]
    return bpe.Tokenizer(bpe.learn(texts, VOCAB))


def prompt_ids(tokenizer):
    """[bos] + the caption prompt's ids."""
    return [bpe.BOS] + tokenizer.encode(CONFIG["prompts"]["caption"])


def text_batch(tokenizer, rows, prompts):
    """Scene rows and one prompt (a list of ids) per row -> (ids [n, L], targets [n, L]).

    targets[i, t] is the id that follows ids[i, t], or -100 where it is not to be learned:
    inside the prompt (but bos alone is learned from) and after endOfChunk.
    """
    lines = [(p, tokenizer.encode(world.caption(r)) + [bpe.EOC]) for r, p in zip(rows, prompts)]
    length = max(len(p) + len(c) for p, c in lines) - 1
    ids = torch.full((len(lines), length), bpe.PAD)
    targets = torch.full((len(lines), length), -100)
    for i, (p, c) in enumerate(lines):
        whole = torch.tensor(p + c)
        ids[i, :len(whole) - 1] = whole[:-1]
        targets[i, len(p) - 1:len(whole) - 1] = whole[len(p):]
    return ids, targets
