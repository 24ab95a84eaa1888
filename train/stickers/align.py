"""What comes before stage 3: resampler and first cross-attention learn, without the decoder, to add a
picture's facts as stage 2 had them, which takes an eighth of the time for a picture.

A visual token has no place of its own. Here the first of them get one, by a contrast with the words'
embeddings: one token for every cell of the encoder's grid tells what lies there, and one for every
turn of the caption what is mentioned then. That loss needs no gate to open, so it goes first.
"""
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import flamingo
import stage
from stickers import batches, concepts, contrast, interleave, language, scenes

ROWS = {"pairs": 160, "videos": 24}  # pictures and videos of a step
QUERIES = 3  # tokens of each that look
CELLS = contrast.GRID ** 2
TOLD = CELLS + batches.SLOTS  # visual tokens that have a place
SHARE = 0.3  # weight of the contrast


class Reader(nn.Module):
    """Reads tokens with a place; thrown away afterwards."""

    def __init__(self, model, tokenizer):
        super().__init__()
        dim = model.lm.embed.weight.shape[1]
        self.read = flamingo.linear(model.config["resampler"]["dim"], dim)
        self.heat = nn.Parameter(torch.tensor(2.5))  # log of the inverse temperature
        grounds = [scenes.ground_words(g) for g in range(scenes.GROUNDS)]
        with torch.no_grad():
            embed = model.lm.embed.weight.cpu()
            spelled = [embed[tokenizer.encode(" " + words)].mean(0) for words in (*concepts.ONE, *grounds)]
            spelled = torch.stack(spelled)
        self.register_buffer("names", F.normalize(spelled - spelled.mean(0), dim=-1))

    def forward(self, tokens):
        """tokens [n, dim] -> logits [n, concepts + grounds]."""
        return self.heat.clamp(max=4.6).exp() * F.normalize(self.read(tokens), dim=-1) @ self.names.T


def told(known):
    """What the tokens with a place tell of scenes: weights [n * TOLD, concepts + grounds] that sum to one."""
    cells, _ = contrast.parts(known)
    turns = torch.zeros(len(known), batches.SLOTS, cells.shape[1])
    for i, scene in enumerate(known):
        turns[i, :, len(concepts.ONE) + scene.ground] = 1
        for k, (concept, _) in enumerate(batches.mentioned(scene)):
            turns[i, k] = 0
            turns[i, k, concept] = 1
    return torch.cat((cells.unflatten(0, (len(known), CELLS)), turns), 1).flatten(0, 1)


def first(model):
    """The first cross-attention."""
    return model.xattn[min(model.xattn, key=int)]


def loss(model, reader, source, media, rng, device, amp, workers=1):
    """How far the first cross-attention is from adding the facts' words, for a few tokens of each row,
    and how far the tokens with a place are from telling: (loss, figures)."""
    total, figures = 0.0, {}
    for name, n in ROWS.items():
        b = source.draw(name, rng, batches.share(n, workers))
        columns = torch.from_numpy(1 + rng.choice(b.ids.shape[1] - 1, QUERIES, replace=False))
        phi = b.phi[:, columns].to(device)
        with torch.no_grad():
            y = model.lm.embed(b.ids[:, columns].to(device))
            want = language.facts(model.lm.embed.weight, batches.Bags(b, source), device)
            want = want[:, None] * (phi > 0).unsqueeze(-1)
        with amp():
            seen = model.resampler(media.of(sum(b.items, []), b.video).to(device))
            added = first(model)(y, seen[:, None], flamingo.sight(phi, 1)) - y
        figures[name] = (added.float() - want).square().sum() / want.square().sum()
        total = total + batches.LAMBDA[name] * figures[name]
        if not b.video:
            weights = told([source.library.scenes[items[0]] for items in b.items]).to(device)
            logits = reader(seen[:, :TOLD].flatten(0, 1).float())
            total = total - SHARE * (weights * logits.log_softmax(-1)).sum(-1).mean()
            right = (weights.gather(1, logits.argmax(-1, keepdim=True)) > 0).float().view(-1, TOLD)
            figures["cells"], figures["turns"] = right[:, :CELLS].mean(), right[:, CELLS:].mean()
    gate = abs(torch.tanh(first(model).attn_gate).item())
    return total, {**{k: v.item() for k, v in figures.items()}, "gate": gate}


def train(model, source, media, steps, seed, folder, device, amp, workers=1, lr=2e-3, muon_lr=0.02):
    """Run it, or what is left of it, in so many processes."""
    interleave.freeze(model)
    reader = Reader(model, source.tokenizer).to(device)
    named = [(n, p) for n, p in model.named_parameters() if n.startswith("resampler.")]
    named += [("first." + n, p) for n, p in first(model).named_parameters()]
    groups = stage.groups(named, lr, 0.0, muon_lr) + stage.groups(list(reader.named_parameters()), lr, 0.0)
    stage.run("align", nn.ModuleDict({"model": model, "reader": reader}), groups,
              lambda rng, _: loss(model, reader, source, media, rng, device, amp, workers), steps, seed, folder, workers)
