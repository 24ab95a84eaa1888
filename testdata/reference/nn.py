"""Building blocks of the reference models: float64 numpy, rows are tokens, weights are
[out, in] as in PyTorch. Written from formulas; speed does not matter here, being right does.
"""
import math

import numpy as np

_erf = np.vectorize(math.erf, otypes=[np.float64])


# Activations
def relu(x):
    return np.maximum(x, 0.0)


def squared_relu(x):
    """max(x,0)²: So et al. 2021 (arXiv 2109.08668), Flamingo's resampler and cross-attention."""
    return relu(x) ** 2


def gelu(x):
    """x·Φ(x) with the exact Φ, not the tanh approximation."""
    return 0.5 * x * (1.0 + _erf(x / math.sqrt(2.0)))


def sigmoid(x):
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def silu(x):
    return x * sigmoid(x)


def quick_gelu(x):
    """x·σ(1.702x): OpenAI's CLIP."""
    return x * sigmoid(1.702 * x)


# By their names in the runtime's configurations.
ACTIVATIONS = {"gelu": gelu, "squared_relu": squared_relu}


# Normalisation
def layer_norm(x, weight, bias=None, eps=1e-5):
    """LayerNorm over the last axis with the biased variance."""
    centred = x - x.mean(-1, keepdims=True)
    y = centred / np.sqrt((centred ** 2).mean(-1, keepdims=True) + eps) * weight
    return y if bias is None else y + bias


def rms_norm(x, weight, eps):
    """RMSNorm (Zhang and Sennrich 2019, arXiv 1910.07467)."""
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * weight


# Attention
def linear(x, weight, bias=None):
    y = x @ weight.T
    return y if bias is None else y + bias


def split_heads(x, heads):
    """[T, heads·d] -> [heads, T, d]; a head's columns are contiguous."""
    return x.reshape(len(x), heads, -1).transpose(1, 0, 2)


def merge_heads(x):
    """[heads, T, d] -> [T, heads·d]"""
    return x.transpose(1, 0, 2).reshape(x.shape[1], -1)


def attention(scores, values, allowed=None):
    """softmax(scores [h, i, j])·values [h, j, d] -> [h, i, d]. allowed [i, j] hides keys; a row
    that may see none gives zeros."""
    if allowed is not None:
        scores = np.where(allowed, scores, -np.inf)
    most = scores.max(-1, keepdims=True)
    e = np.exp(scores - np.where(np.isfinite(most), most, 0.0))
    total = e.sum(-1, keepdims=True)
    return (e / np.where(total == 0.0, 1.0, total)) @ values


def dot_scores(q, k):
    """Scaled products of q [h, i, d] and k [h, j, d]: [h, i, j]."""
    return q @ k.transpose(0, 2, 1) / math.sqrt(q.shape[-1])
