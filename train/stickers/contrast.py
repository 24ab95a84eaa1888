"""Stage 1: the NFNet learns by contrast with a small text encoder, then it is frozen.

Whole pictures against whole captions is the paper's two-term loss. A batch holds whole families of
scenes with the same concepts, so that captions must be told apart by count, place, relation and
background, and not by the concepts alone. But 64 pictures on 74 grounds are told apart long before
their stickers are known: concepts are learned by a contrast within pictures, of each cell of the
feature grid with a learned vector for every concept and every ground. A cell also says where it is
and how many stickers have their centre in it: the resampler has no other way to know.
"""
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import bpe
import flamingo
import nfnet
import preprocess
import stage
from stickers import concepts, scenes, speech

GRID = 4
JOINT = 256
BATCH, EPOCHS = 128, 2  # EPOCHS: how often a pool is seen
INNER = 0.33  # of a sticker's size: so far from its middle it surely is there
MOST = 4  # centres in a cell that are told apart: 0 to 3


class TextEncoder(nn.Module):
    """A transformer that sees both ways; the mean of its outputs is the text's embedding."""

    def __init__(self, vocab, dim=192, depth=2, heads=6):
        super().__init__()
        c = {"dim": dim, "heads": heads, "hidden": 3 * dim}
        self.embed = nn.Embedding(vocab, dim)
        self.place = nn.Parameter(torch.randn(64, dim) * 0.02)
        self.blocks = nn.ModuleList(flamingo.DecoderBlock(c) for _ in range(depth))
        self.norm = flamingo.Norm(dim)
        self.joint = flamingo.linear(dim, JOINT)
        nn.init.normal_(self.embed.weight, std=0.05)

    def forward(self, ids):
        """ids [n, L], padded -> unit vectors [n, JOINT]."""
        real = (ids != bpe.PAD).float()
        attention = flamingo.mix(((1 - real) * -1e4)[:, None, None])
        y = self.embed(ids) + self.place[:ids.shape[1]]
        for block in self.blocks:
            y = block(y, attention)
        y = (self.norm(y) * real[..., None]).sum(1) / real.sum(1, keepdim=True)
        return F.normalize(self.joint(y).float(), dim=-1)


class Pupil(nn.Module):
    """The encoder with what teaches it."""

    def __init__(self, config):
        super().__init__()
        wide = config["vision"]["features"]
        self.vision = nfnet.NFNet(config["vision"])
        self.text = TextEncoder(config["lm"]["vocab"])
        self.names = nn.Embedding(len(concepts.ONE) + scenes.GROUNDS, JOINT)
        self.whole, self.part = flamingo.linear(wide, JOINT), flamingo.linear(wide, JOINT)
        self.where = nn.Linear(wide, 2 * GRID + MOST)
        self.heat = nn.Parameter(torch.tensor([2.5, 2.5]))  # log of the inverse temperatures


def padded(tokenizer, texts):
    """Texts -> ids [n, L]."""
    rows = [tokenizer.encode(t) for t in texts]
    ids = torch.full((len(rows), max(map(len, rows))), bpe.PAD)
    for i, row in enumerate(rows):
        ids[i, :len(row)] = torch.tensor(row)
    return ids


def images(pixels, device="cpu"):
    """uint8 [n, S, S, 3] -> normalised [n, 3, S, S], channels last in memory."""
    scale = np.float32(1 / 255) / np.float32(preprocess.STD)
    x = pixels * scale - np.float32(preprocess.MEAN) / np.float32(preprocess.STD)
    return torch.from_numpy(np.ascontiguousarray(x, np.float32)).permute(0, 3, 1, 2).to(device)


def parts(batch):
    """What lies in each cell: weights [n * GRID^2, concepts + grounds] that sum to one, and how many
    centres, [n, GRID^2]. A large sticker lies in every cell whose middle is that near to its own."""
    weights = np.zeros((len(batch), GRID * GRID, len(concepts.ONE) + scenes.GROUNDS), np.float32)
    centres = np.zeros((len(batch), GRID * GRID), np.int64)
    middles = (np.arange(GRID) + 0.5) / GRID
    for i, scene in enumerate(batch):
        for s in scene.stickers:
            at = min(int(s.y * GRID), GRID - 1) * GRID + min(int(s.x * GRID), GRID - 1)
            centres[i, at] += 1
            inside = np.hypot(*np.meshgrid(middles - s.x, middles - s.y)).ravel() < INNER * s.size
            inside[at] = True
            weights[i, inside, s.concept] += 1
        weights[i, weights[i].sum(-1) == 0, len(concepts.ONE) + scene.ground] = 1
    weights /= weights.sum(-1, keepdims=True)
    return torch.from_numpy(weights).flatten(0, 1), torch.from_numpy(centres.clip(max=MOST - 1))


def losses(pupil, tokenizer, batch, pixels, rng, device, amp):
    """Loss and figures of scenes and their pictures."""
    n = len(batch)
    texts = [speech.caption(s, speech.REGISTERS[rng.integers(len(speech.REGISTERS))]) for s in batch]
    weights, centres = (x.to(device) for x in parts(batch))
    with amp():
        features = pupil.vision(images(pixels, device)).float()
        said = pupil.text(padded(tokenizer, texts).to(device))
    seen = F.normalize(pupil.whole(features.mean(1)), dim=-1)
    logits = pupil.heat[0].clamp(max=4.6).exp() * seen @ said.T
    same = {}
    labels = np.array([same.setdefault(speech.caption(s), len(same)) for s in batch])
    twin = torch.from_numpy((labels[:, None] == labels[None]) & ~np.eye(n, dtype=bool)).to(device)
    logits = logits.masked_fill(twin, -1e4)
    target = torch.arange(n, device=device)
    whole = F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)
    cells = F.normalize(pupil.part(features).flatten(0, 1), dim=-1)
    part_logits = pupil.heat[1].clamp(max=4.6).exp() * cells @ F.normalize(pupil.names.weight, dim=-1).T
    entropy = -(weights * part_logits.log_softmax(-1)).sum(-1)
    full = weights[:, :len(concepts.ONE)].any(-1)
    stickers, grounds = entropy[full].mean(), entropy[~full].mean()
    row, column, many = pupil.where(features).split((GRID, GRID, MOST), -1)
    at = torch.arange(GRID * GRID, device=device).expand(n, -1)
    where = sum(F.cross_entropy(x.flatten(0, 1), y.flatten()) for x, y in
                ((row, at // GRID), (column, at % GRID), (many, centres)))
    with torch.no_grad():
        right = weights.gather(1, part_logits.argmax(-1, keepdim=True))[:, 0] > 0
        figures = {"whole": whole.item(), "part": stickers.item(), "where": where.item(),
                   "told apart": (logits.argmax(-1) == target).float().mean().item(),
                   "stickers": right[full].float().mean().item(), "grounds": right[~full].float().mean().item(),
                   "counted": (many.argmax(-1) == centres).float().mean().item()}
    return 0.3 * whole + 2 * stickers + 0.5 * grounds + 0.3 * where, figures


def train(pupil, tokenizer, pools, steps, seed, folder, device, amp, lr=2.5e-3, muon_lr=0.04):
    """Run the stage, or what is left of it; each pool of `pools` is seen EPOCHS times."""
    pupil.train()
    pupil.vision.to(memory_format=torch.channels_last)

    def loss_of(rng, step):
        pool = pools.at(step * BATCH // (EPOCHS * pools.n))
        first = np.sort(rng.choice(pools.n // scenes.FAMILY, BATCH // scenes.FAMILY, replace=False)) * scenes.FAMILY
        at = (first[:, None] + np.arange(scenes.FAMILY)).ravel()
        pixels, chosen = pool.pixels[at], [pool.scenes[i] for i in at]
        for i in np.flatnonzero(rng.uniform(size=len(at)) < 0.5):
            pixels[i], chosen[i] = pixels[i, :, ::-1].copy(), scenes.mirror(chosen[i])
        return losses(pupil, tokenizer, chosen, pixels, rng, device, amp)

    named = list(pupil.named_parameters())
    groups = (stage.groups([(n, p) for n, p in named if n.startswith("vision.")], lr, 0.02, muon_lr)
              + stage.groups([(n, p) for n, p in named if not n.startswith("vision.")], lr, 0.02))
    stage.run("contrast", pupil, groups, loss_of, steps, seed, folder)
