"""The model as the runtime reads it from a converted file: its matrices rounded to f16, q8 or q4, and
its convolutions folded as the converter folds them. The rules are convert/pack.go's and tensor/q8.go's.
"""
import copy

import numpy as np
import torch

import nfnet

BLOCK, LEAST = 32, 4096  # weights that share a scale; smaller matrices stay f16
VECTORS = ("resampler.time", "resampler.latents")


def _half(x):
    return x.astype(np.float16).astype(np.float32)


def _q8(blocks):
    scale = _half(np.abs(blocks).max(1, keepdims=True) / np.float32(127))
    whole = np.clip(np.round(np.divide(blocks, scale, out=np.zeros_like(blocks), where=scale > 0)), -127, 127)
    return whole * scale


def _q4(blocks):
    extreme = np.take_along_axis(blocks, np.abs(blocks).argmax(1)[:, None], 1)
    best, most = np.zeros_like(blocks), np.full((len(blocks), 1), -np.inf, np.float32)
    for inverse in (7 / np.maximum(np.abs(extreme), 1e-30), *(-(62 + 3 * k) / 10 / np.where(extreme == 0, 1e-30, extreme) for k in range(11))):
        q = np.clip(np.round(blocks * inverse), -8, 7)
        scale = _half((blocks * q).sum(1, keepdims=True) / np.maximum((q * q).sum(1, keepdims=True), 1e-30))
        explained = scale * (2 * (blocks * q).sum(1, keepdims=True) - scale * (q * q).sum(1, keepdims=True))
        better = explained > most
        best, most = np.where(better, q * scale, best), np.where(better, explained, most)
    return best


def rounded(matrix, dtype, embedding=False):
    """A float32 matrix [rows, columns] as it is read back from a file of this dtype."""
    if dtype == "f32":
        return matrix
    if dtype == "f16" or matrix.shape[1] % BLOCK or matrix.size < LEAST:
        return _half(matrix)
    blocks = matrix.reshape(-1, BLOCK)
    return (_q8 if dtype == "q8" or embedding else _q4)(blocks).reshape(matrix.shape)


@torch.no_grad()
def as_read(model, dtype):
    """A copy of a Flamingo with the weights that the runtime has of it in this dtype."""
    out = copy.deepcopy(model).cpu().eval()
    for module in out.modules():
        if isinstance(module, nfnet.ScaledConv):
            kernel = module.kernel_of(1.0).permute(0, 2, 3, 1)  # as stored: a row is y, x, channel
            if kernel.shape[1] > 1:
                kernel = torch.nn.functional.pad(kernel, (0, -kernel.shape[3] % 4))
            flat = rounded(kernel.reshape(len(kernel), -1).numpy(), dtype)
            kernel = torch.from_numpy(flat).reshape(kernel.shape)[..., :module.weight.shape[1]]
            module.fixed = kernel.permute(0, 3, 1, 2).contiguous()
    for name, p in out.named_parameters():
        parent = out.get_submodule(name.rpartition(".")[0])
        if isinstance(parent, nfnet.ScaledConv) or p.dim() < 2 or name in VECTORS:
            continue
        p.copy_(torch.from_numpy(rounded(p.flatten(1).numpy(), dtype, name == "lm.embed.weight")).reshape(p.shape))
    return out
