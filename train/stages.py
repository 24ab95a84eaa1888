"""The three stages of the nano model's training; README.md says why they differ from the paper's."""
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import bpe
import nano
import stage
import world


def language(model, pool, tokenizer, steps, seed, folder, device):
    """Stage 1: the decoder learns captions as text alone, with and without <image>."""
    prompts = ([bpe.BOS], nano.prompt_ids(tokenizer))

    def loss_of(rng, _):
        rows = pool.arrays["rows"][np.sort(rng.integers(pool.n, size=64))]
        ids, targets = nano.text_batch(tokenizer, rows, [prompts[rng.integers(2)] for _ in rows])
        # All of the prompt but bos is text like any other for the language model.
        known = ids[:, 1:] * (targets[:, :-1] == -100) * (ids[:, 1:] != bpe.PAD)
        targets[:, :-1] = torch.where(known > 0, known, targets[:, :-1])
        logits = model.lm(ids.to(device))
        return F.cross_entropy(logits.flatten(0, 1), targets.to(device).flatten()), {}

    stage.run("language", model.lm, stage.groups(model.lm.named_parameters(), 3e-3, 0.02), loss_of,
              steps, seed, folder)


class Attributes(nn.Module):
    """The encoder with linear classifiers: every field of a scene from the mean feature, and
    from each cell's feature what shape has its centre there, its colour, and how many do."""

    CELL = (len(world.SHAPES) + 1, len(world.COLOURS) + 1, 4)

    def __init__(self, vision, features):
        super().__init__()
        self.vision = vision
        self.scene = nn.Linear(features, sum(world.WIDTHS))
        self.cell = nn.Linear(features, sum(self.CELL))

    def forward(self, images):
        """images [n, 3, S, S] -> logits per field [n, values], logits per cell field [n, V, values]."""
        x = self.vision(images)
        return self.scene(x.mean(1)).split(world.WIDTHS, -1), self.cell(x).split(self.CELL, -1)


def vision(model, pool, steps, seed, folder, device, batch=64):
    """Stage 2: the encoder learns to name what is in a scene, as a whole and cell by cell."""
    pupil = Attributes(model.vision, nano.CONFIG["vision"]["features"]).to(device)
    model.train()

    def loss_of(rng, _):
        images, rows, cells = pool.batch(rng, batch, device)
        rows = torch.from_numpy(rows.astype(np.int64)).to(device)
        cells = torch.from_numpy(cells.astype(np.int64)).flatten(1, 2).to(device)
        whole, local = pupil(images)
        loss, right = 0.0, torch.ones(len(rows), dtype=torch.bool, device=device)
        for i, logits in enumerate(whole):
            valid = rows[:, i] != world.NONE
            loss = loss + F.cross_entropy(logits[valid], rows[valid, i], reduction="sum") / len(rows)
            right &= (logits.argmax(-1) == rows[:, i]) | ~valid
        cell_loss = 0.0
        for i, logits in enumerate(local):
            want = cells[..., i].clamp(max=logits.shape[-1] - 1)
            cell_loss = cell_loss + F.cross_entropy(logits.flatten(0, 1), want.flatten(), reduction="sum") / len(rows)
        return loss + 0.5 * cell_loss, {"scene": loss.item(), "cells": cell_loss.item(),
                                        "all right": right.float().mean().item()}

    stage.run("vision", pupil, stage.groups(pupil.named_parameters(), 3e-3, 0.02), loss_of,
              steps, seed, folder)


def caption(model, pool, tokenizer, steps, seed, folder, device, batch=64):
    """Stage 3: resampler, gated cross-attention and, at a lower rate, the encoder learn to
    make the frozen language model say the caption."""
    prompt = nano.prompt_ids(tokenizer)
    model.train()
    for p in model.lm.parameters():
        p.requires_grad_(False)
    named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    groups = (stage.groups([(n, p) for n, p in named if n.startswith("vision.")], 5e-4, 0.02)
              + stage.groups([(n, p) for n, p in named if not n.startswith("vision.")], 1.6e-3, 0.02))

    def loss_of(rng, _):
        images, rows, _ = pool.batch(rng, batch, device)
        ids, targets = (t.to(device) for t in nano.text_batch(tokenizer, rows, [prompt] * len(rows)))
        logits = model(images, ids)
        with torch.no_grad():
            right = ((logits.argmax(-1) == targets) | (targets == -100)).all(1).float().mean().item()
        gate = np.mean([abs(torch.tanh(x.attn_gate).item()) for x in model.xattn.values()])
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten()), {"all right": right, "gate": gate}

    stage.run("caption", model, groups, loss_of, steps, seed, folder)
