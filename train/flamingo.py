"""Flamingo in PyTorch (Alayrac et al., arXiv 2204.14198): Perceiver Resampler and gated
cross-attention as in the paper, inside a small decoder language model of the MPT family
(pre-LN, no biases, ALiBi, tied head).
"""
import math

import torch
import torch.nn.functional as F
from torch import nn

from nfnet import NFNet


def linear(cin, cout, matrices=1):
    """A Linear without bias; matrices: how many lie in its weight, one above the other."""
    layer = nn.Linear(cin, cout, bias=False)
    layer.weight.matrices = matrices
    return layer


def squared_relu(x):
    """relu(x)^2, the paper's activation in resampler and cross-attention."""
    return F.relu(x).square()


def attend(q, k, v, heads, bias=None):
    """Multi-head attention: q [n, L, inner], k and v [n, S, inner] -> [n, L, inner]."""
    split = lambda t: t.unflatten(-1, (heads, -1)).transpose(1, 2)
    q, k, v = split(q), split(k), split(v)
    scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
    if bias is not None:
        scores = scores + bias
    return (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)


def mix(bias):
    """How the tokens of a row attend to each other: mix(qkv [n, L, 3 * dim], heads) -> [n, L, dim]."""
    return lambda qkv, heads: attend(*qkv.chunk(3, -1), heads, bias)


def sight(phi, pictures):
    """How text attends to its picture: see(q [n, L, inner], k and v [n, pictures, R, inner], heads) ->
    [n, L, inner]. phi [n, L] is the picture that a position sees, from 1, or 0 for none."""
    number = torch.arange(1, pictures + 1, device=phi.device)
    # Where nothing is seen everything is, and counts for nothing: a row of -inf has no softmax.
    hidden = (phi[..., None] != number) & (phi[..., None] > 0) if pictures > 1 else None

    def see(q, k, v, heads):
        bias = None
        if hidden is not None:
            each = hidden.repeat_interleave(k.shape[2], -1)
            bias = torch.zeros(each.shape, device=q.device).masked_fill(each, float("-inf"))[:, None]
        return attend(q, k.flatten(1, 2), v.flatten(1, 2), heads, bias) * (phi > 0).unsqueeze(-1)

    return see


class ResamplerLayer(nn.Module):
    """Latents attend to features and to themselves, then a feed-forward."""

    def __init__(self, c):
        super().__init__()
        dim, inner = c["dim"], c["heads"] * c["headDim"]
        self.heads = c["heads"]
        self.norm_media, self.norm_latents, self.ff_norm = (nn.LayerNorm(dim) for _ in range(3))
        self.q, self.kv, self.out = linear(dim, inner), linear(dim, 2 * inner, 2), linear(inner, dim)
        self.up, self.down = linear(dim, c["hidden"]), linear(c["hidden"], dim)

    def forward(self, x, z):
        """x [n, F*V, dim] features, z [n, R, dim] latents -> z."""
        zn = self.norm_latents(z)
        k, v = self.kv(torch.cat((self.norm_media(x), zn), 1)).chunk(2, -1)
        z = z + self.out(attend(self.q(zn), k, v, self.heads))
        return z + self.down(squared_relu(self.up(self.ff_norm(z))))


class Resampler(nn.Module):
    """Perceiver Resampler: any number of features -> a fixed number of visual tokens."""

    def __init__(self, c):
        super().__init__()
        dim = c["dim"]
        self.project = nn.Linear(c["inputDim"], dim)
        self.time = nn.Parameter(torch.randn(c["frames"], dim) * 0.02)
        self.latents = nn.Parameter(torch.randn(c["latents"], dim) * 0.5)
        self.layers = nn.ModuleList(ResamplerLayer(c) for _ in range(c["depth"]))
        self.norm = nn.LayerNorm(dim)

    def forward(self, features):
        """features of still images [n, V, inputDim], or of videos with as many frames as there are
        embeddings [n, F, V, inputDim] -> visual tokens [n, R, dim]."""
        x = self.project(features)
        x = x + self.time[0] if x.dim() == 3 else (x + self.time[:, None]).flatten(1, 2)
        z = self.latents.expand(x.shape[0], -1, -1)
        for layer in self.layers:
            z = layer(x, z)
        return self.norm(z)


class GatedCrossAttention(nn.Module):
    """The block inserted before an LM block; with both gates at zero it is the identity."""

    def __init__(self, c, dim, media_dim):
        super().__init__()
        inner = c["heads"] * c["headDim"]
        self.heads = c["heads"]
        self.norm, self.norm_media, self.ff_norm = nn.LayerNorm(dim), nn.LayerNorm(media_dim), nn.LayerNorm(dim)
        self.q, self.kv, self.out = linear(dim, inner), linear(media_dim, 2 * inner, 2), linear(inner, dim)
        self.up, self.down = linear(dim, c["hidden"]), linear(c["hidden"], dim)
        self.attn_gate, self.ff_gate = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))

    def forward(self, y, media, see):
        """y [..., L, dim]; media [..., R, media_dim]; see(q, k, v, heads) attends, as `sight` does."""
        k, v = self.kv(self.norm_media(media)).chunk(2, -1)
        y = y + torch.tanh(self.attn_gate) * self.out(see(self.q(self.norm(y)), k, v, self.heads))
        return y + torch.tanh(self.ff_gate) * self.down(squared_relu(self.up(self.ff_norm(y))))


class Norm(nn.Module):
    """LayerNorm with a weight and no bias."""

    def __init__(self, dim):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x):
        """Normalise the last axis."""
        return F.layer_norm(x, self.weight.shape, self.weight)


class DecoderBlock(nn.Module):
    """Pre-LN decoder block: causal self-attention with ALiBi, then a GELU feed-forward."""

    def __init__(self, c):
        super().__init__()
        dim = c["dim"]
        self.heads = c["heads"]
        self.norm1, self.norm2 = Norm(dim), Norm(dim)
        self.qkv, self.out = linear(dim, 3 * dim, 3), linear(dim, dim)
        self.up, self.down = linear(dim, c["hidden"]), linear(c["hidden"], dim)

    def forward(self, y, attention):
        """y [..., L, dim]; attention(qkv, heads) as `mix` makes it -> y."""
        y = y + self.out(attention(self.qkv(self.norm1(y)), self.heads))
        return y + self.down(F.gelu(self.up(self.norm2(y))))


class Decoder(nn.Module):
    """The language model; `xattn` blocks, if given, run before the block of their index."""

    def __init__(self, c):
        super().__init__()
        self.embed = nn.Embedding(c["vocab"], c["dim"])
        self.blocks = nn.ModuleList(DecoderBlock(c) for _ in range(c["depth"]))
        self.norm = Norm(c["dim"])
        self.heads = c["heads"]
        for name, p in self.named_parameters():
            if p.dim() == 2:
                nn.init.normal_(p, std=0.02 / math.sqrt(2 * c["depth"]) if "out" in name or "down" in name
                                else c["dim"] ** -0.5 if "embed" not in name else 0.05)

    def bias(self, length, device):
        """ALiBi and causal mask, [heads, length, length]; slope of head h: 2^(-8(h+1)/heads)."""
        at = torch.arange(length, device=device)
        return self.away(at[None, :] - at[:, None])

    def away(self, steps):
        """The same for steps [..., L, S] from a query to a key -> [..., heads, L, S]."""
        slopes = 2.0 ** (-8.0 * torch.arange(1, self.heads + 1, device=steps.device) / self.heads)
        return slopes[:, None, None] * steps.float().masked_fill(steps > 0, float("-inf")).unsqueeze(-3)

    def through(self, y, attention, media=None, xattn=None, see=None, added=None):
        """Embeddings y [..., L, dim] through all blocks -> normalised states. What each cross-attention adds
        is appended to the list `added`, if given."""
        for i, block in enumerate(self.blocks):
            if xattn is not None and str(i) in xattn:
                before, y = y, xattn[str(i)](y, media, see)
                if added is not None:
                    added.append(y - before)
            y = block(y, attention)
        return self.norm(y)

    def hidden(self, ids, media=None, xattn=None, phi=None):
        """ids [n, L], media [n, K, R, dim] of K pictures -> normalised states [n, L, dim]."""
        see = None if phi is None else sight(phi, media.shape[1])
        return self.through(self.embed(ids), mix(self.bias(ids.shape[1], ids.device)), media, xattn, see)

    def forward(self, ids, media=None, xattn=None, phi=None):
        """ids [n, L] -> logits [n, L, vocab]."""
        return F.linear(self.hidden(ids, media, xattn, phi), self.embed.weight)


class Flamingo(nn.Module):
    """The whole model, from a config. Parameter names are those of the native checkpoint."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.vision = NFNet(config["vision"])
        self.resampler = Resampler(config["resampler"])
        lm, x = config["lm"], config["xattn"]
        self.xattn = nn.ModuleDict({
            str(i): GatedCrossAttention(x, lm["dim"], config["resampler"]["dim"])
            for i in range(lm["depth"]) if i % x["every"] == 0})
        self.lm = Decoder(lm)

    def read(self, visual_tokens, ids):
        """visual tokens [n, R, dim], or [n, K, R, dim] of K images, and ids [n, L] -> logits [n, L, vocab]."""
        media = visual_tokens if visual_tokens.dim() == 4 else visual_tokens[:, None]
        phi = (ids == self.config["tokens"]["image"]).cumsum(1).clamp(max=media.shape[1])
        return self.lm(ids, media, self.xattn, phi)

    def look(self, images):
        """images [n, 3, S, S] -> visual tokens [n, R, dim]."""
        return self.resampler(self.vision(images))

    def forward(self, images, ids):
        """images [n, 3, S, S], ids [n, L] -> logits [n, L, vocab]."""
        return self.read(self.look(images), ids)

    @torch.no_grad()
    def greedy(self, images, prompt, limit=32):
        """Greedy captions: images [n, 3, S, S], prompt ids -> list of id lists, each up to
        and including endOfChunk (or `limit` ids). Special ids other than endOfChunk and
        eos are never chosen."""
        tokens = self.config["tokens"]
        banned = [tokens["bos"], tokens["pad"], tokens["image"]]
        media = self.look(images)
        ids = torch.tensor([prompt], device=images.device).repeat(len(images), 1)
        done = torch.zeros(len(images), dtype=torch.bool, device=images.device)
        for _ in range(limit):
            logits = self.read(media, ids)[:, -1]
            logits[:, banned] = float("-inf")
            ids = torch.cat((ids, logits.argmax(-1, keepdim=True)), 1)
            done |= (ids[:, -1] == tokens["endOfChunk"]) | (ids[:, -1] == tokens["eos"])
            if done.all():
                break
        return [_until_end(row[len(prompt):], tokens) for row in ids.tolist()]


def _until_end(ids, tokens):
    ends = [i for i, t in enumerate(ids) if t in (tokens["endOfChunk"], tokens["eos"])]
    return ids[:ends[0] + 1] if ends else ids
