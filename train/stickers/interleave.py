"""Stage 3: resampler, gated cross-attention and the embedding of <EOC> learn to show the frozen
decoder what the frozen encoder sees. Gates start at zero, so it starts as the decoder.

Every step visits every data set and adds their losses, weighted, before it updates (paper, 3.2.2).

The decoder met facts in stage 2, as sums of their words, where cross-attention adds what it sees. The
first cross-attention begins with them (align.py), and while this stage starts, that loss goes on and
fades out.
"""
import numpy as np
import torch

import bpe
import stage
from stickers import batches, language, packed

FROZEN = ("vision.", "lm.")
PULL, FADED = 4.0, 0.4  # weight of that loss, and when it is gone, as a share of the steps
SIZES = {"pairs": 96, "videos": 16, "pages": 6, "tasks": 12}  # rows of a step


class Media:
    """Features of the items of a source: of scenes [n, V, dim] in one or more arrays, and of clips."""

    def __init__(self, stills, films):
        """stills: list of arrays [n, V, dim] that follow each other; films [n, F, V, dim]."""
        self.stills, self.films = stills, films
        self.starts = np.cumsum([0] + [len(x) for x in stills])

    def of(self, items, video):
        """Features of items, float32."""
        if video:
            return torch.from_numpy(self.films[items].astype(np.float32))
        out = [None] * len(items)
        for i, item in enumerate(items):
            part = int(np.searchsorted(self.starts, item, "right")) - 1
            out[i] = self.stills[part][item - self.starts[part]]
        return torch.from_numpy(np.stack(out).astype(np.float32))


def loss(model, source, media, rng, device, amp, pull=0.0, workers=1):
    """Loss and figures of one batch of every data set, or of one worker's share of the rows; pull: weight of
    how far what the first cross-attention adds is from the facts' words, a squared distance as a share of
    the words' own."""
    drawn = [source.draw(name, rng, batches.share(SIZES[name], workers)) for name in batches.DATASETS]
    rows, added = packed.Packed(drawn, device), []
    with amp():
        seen = torch.cat([model.resampler(media.of(sum(b.items, []), b.video).to(device)) for b in drawn])
        states = model.lm.through(model.lm.embed(rows.ids), rows.mix(model.lm), seen, model.xattn, rows.see, added)
    total, figures, right = language.text_loss(model.lm, states, rows.answers & (rows.targets >= 0), rows, amp)
    figures.update(language.last_answers(right, rows))
    if pull:
        with torch.no_grad():
            bags = [batches.Bags(b, source) for b in drawn]
            want = rows.shown(torch.cat([language.facts(model.lm.embed.weight, x, device) for x in bags]))
        seeing = (rows.seen >= 0).unsqueeze(1)
        far = ((added[0].float() - want).square() * seeing).sum() / want.square().sum()
        total, figures["apart"] = total + pull * far, far.item()
    gates = [abs(torch.tanh(x.attn_gate).item()) for x in model.xattn.values()]
    return total, {**figures, "gate": float(np.mean(gates))}


def freeze(model):
    """Leave resampler and cross-attention to learn."""
    model.train()
    model.vision.eval()
    for name, p in model.named_parameters():
        p.requires_grad_(not name.startswith(FROZEN))


def train(model, source, media, steps, seed, folder, device, amp, workers=1, lr=1.2e-3, muon_lr=0.015):
    """Run the stage, or what is left of it, in so many processes."""
    freeze(model)
    words = model.lm.embed.weight.requires_grad_(True)
    only = torch.zeros(len(words), 1, device=device)
    only[bpe.EOC] = 1
    hook = words.register_hook(lambda g: g * only)
    named = list(model.named_parameters())
    groups = (stage.groups([(n, p) for n, p in named if n.startswith("xattn.")], lr, 0.1, muon_lr)
              + stage.groups([(n, p) for n, p in named if n.startswith("resampler.")], lr, 0.0, muon_lr)
              + [{"params": [words], "lr": lr, "weight_decay": 0.0}])
    stage.run("interleave", model, groups,
              lambda rng, step: loss(model, source, media, rng, device, amp, PULL * max(0.0, 1 - step / (FADED * steps)), workers),
              steps, seed, folder, workers)
    hook.remove()
