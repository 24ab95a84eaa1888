"""Sizes of the sticker model, and which sets it learns from how often."""
import bpe
import preprocess
from stickers import paint, words

CONFIG = {
    "vision": {"family": "nfnet", "widths": [32, 96, 256, 384], "depths": [1, 2, 4, 2], "groupWidth": 16,
               "stem": [4, 8, 16, 32], "activation": "relu", "features": 384},
    "preprocess": {"size": paint.SIDE, "fit": "pad", "mean": list(preprocess.MEAN), "std": list(preprocess.STD)},
    "resampler": {"inputDim": 384, "dim": 256, "depth": 2, "heads": 8, "headDim": 32, "latents": 24,
                  "hidden": 1024, "activation": "squared_relu", "frames": 8},
    "xattn": {"every": 2, "placement": "paper", "heads": 8, "headDim": 32, "hidden": 1024,
              "activation": "squared_relu", "normMedia": True},
    "lm": {"family": "mpt", "dim": 256, "depth": 6, "heads": 8, "hidden": 1024, "vocab": words.VOCAB,
           "maxPositions": 1024},
    "tokens": {"bos": bpe.BOS, "eos": bpe.EOS, "pad": bpe.PAD, "endOfChunk": bpe.EOC, "image": bpe.IMAGE},
    "prompts": {"caption": "<image>Output:", "ask": "<image>Question: {question} Answer:"},
}
# How often a set is drawn from, among those that have the concept.
SHARES = {"noto": 3, "twemoji": 3, "fluent-emoji": 3, "fluent-emoji-flat": 3, "emojione": 3, "noto-v1": 2,
          "fluent-emoji-high-contrast": 1, "emojione-monotone": 1}
# The five that figures are given for.
SEEN = ("noto", "twemoji", "fluent-emoji", "fluent-emoji-flat", "emojione")


def styles(atlas):
    """Style indices for training, each as often as its share."""
    return [atlas.sets.index(name) for name, n in SHARES.items() if name in atlas.sets for _ in range(n)]
