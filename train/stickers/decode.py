"""Greedy answers of many rows at once, each token computed once."""
import torch

import bpe
import flamingo

LIMIT = 40  # tokens of an answer
BANNED = (bpe.BOS, bpe.PAD, bpe.IMAGE)


class Memory:
    """Keys and values of the tokens so far, [n, most, dim] each, for every block of a decoder."""

    def __init__(self, lm, most):
        self.lm, self.most, self.kept = lm, most, [None] * len(lm.blocks)

    def at(self, places):
        """Attention (as flamingo.mix) of new tokens at places [n, m] to all up to themselves."""
        upto, block = int(places.max()) + 1, iter(range(len(self.kept)))
        rows = torch.arange(len(places), device=places.device)[:, None]
        bias = self.lm.away(torch.arange(upto, device=places.device) - places[..., None])

        def attention(qkv, heads):
            q, k, v = qkv.chunk(3, -1)
            i = next(block)
            if self.kept[i] is None:
                self.kept[i] = k.new_zeros((2, len(places), self.most, k.shape[-1]))
            for kept, new in zip(self.kept[i], (k, v)):
                kept[rows, places] = new
            return flamingo.attend(q, *self.kept[i][:, :, :upto], heads, bias)

        return attention


def say(model, tokens, rows, tokenizer):
    """Greedy answers as texts, None for one that never ends; arguments as for greedy."""
    return [None if ids is None else tokenizer.decode(ids) for ids in greedy(model, tokens, rows)]


@torch.no_grad()
def greedy(model, tokens, rows, batch=64):
    """Greedy answers: visual tokens [n, K, R, dim] and ids per row -> ids of each without the one that
    ends it, None for one that never ends."""
    out = []
    for first in range(0, len(rows), batch):
        out += _greedy(model, tokens[first:first + batch], rows[first:first + batch])
    return out


def _greedy(model, media, rows):
    device, n = media.device, len(rows)
    length = torch.tensor([len(r) for r in rows], device=device)
    ids = torch.full((n, int(length.max())), bpe.PAD, device=device)
    for i, r in enumerate(rows):
        ids[i, :len(r)] = torch.tensor(r, device=device)
    memory = Memory(model.lm, ids.shape[1] + LIMIT)

    def states(ids, places, phi):
        see = flamingo.sight(phi, media.shape[1])
        return model.lm.through(model.lm.embed(ids), memory.at(places), media, model.xattn, see)

    phi = (ids == bpe.IMAGE).cumsum(1)
    seen = states(ids, torch.arange(ids.shape[1], device=device).expand(n, -1), phi)
    last, phi = seen[torch.arange(n), length - 1], phi[:, -1:]
    said, done = [[] for _ in rows], [False] * n
    for step in range(LIMIT):
        logits = last.float() @ model.lm.embed.weight.T
        logits[:, BANNED] = float("-inf")
        new = logits.argmax(-1)
        for i, token in enumerate(new.tolist()):
            done[i] = done[i] or token in (bpe.EOC, bpe.EOS)
            if not done[i]:
                said[i].append(token)
        if all(done):
            break
        last = states(new[:, None], (length + step)[:, None], phi)[:, 0]
    return [ids if ended else None for ids, ended in zip(said, done)]
