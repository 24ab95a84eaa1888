"""NFNets as DeepMind's own program computes them, float64 numpy, with the parameter names and layouts
of its haiku files.

Brock et al. 2021 (arXiv 2102.06171; 2101.08692 for scaled weight standardisation) and
deepmind-research/nfnets (nfnet.py, base.py). It differs from timm's dm_nfnet in two places: the
standardisation has a floor under the variance where timm adds an epsilon to it, and GELU is the tanh
approximation, which is jax.nn.gelu's default.

Parameters are {"module path/parameter": array}: convolutions have w [y, x, in/groups, out], gain
[out] and bias [out], linears w [in, out] and b [out], blocks a skip_gain. Pictures and features are
[channels, height, width].
"""
import math

import numpy as np

from nn import relu, sigmoid

GAMMA = 1.7015043497085571  # keeps the variance of a GELU's output at one
ALPHA = 0.2
STEM_STRIDES = (2, 1, 1, 2)
STAGE_STRIDES = (1, 2, 2, 2)
FLOOR = 1e-4  # of the variance times the fan-in


def gelu_tanh(x):
    return 0.5 * x * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x ** 3)))


def act(x):
    return GAMMA * gelu_tanh(x)


def blocks(config):
    """The residual blocks in order, which is how haiku numbers them."""
    variance, inputs, number = 1.0, config["stem_channels"], 0
    for stage, (outputs, depth) in enumerate(zip(config["channels"], config["depths"])):
        for i in range(depth):
            stride = STAGE_STRIDES[stage] if i == 0 else 1
            yield {"module": "NFNet/~/nf_block" + (f"_{number}" if number else ""), "in": inputs,
                   "out": outputs, "mid": outputs // 2, "groups": outputs // 2 // config["group_size"],
                   "stride": stride, "project": stride > 1 or inputs != outputs, "beta": variance ** -0.5}
            if i == 0:
                variance = 1.0  # a transition resets it, and then adds like every block
            variance += ALPHA ** 2
            inputs, number = outputs, number + 1


def standardise(w, gain):
    """w [y, x, in, out] with mean 0 and variance gain²/fan-in for each output channel, unless its own
    is below the floor."""
    axes = (0, 1, 2)
    fan_in = np.prod(w.shape[:3])
    return (w - w.mean(axes)) * gain / np.sqrt(np.maximum(w.var(axes) * fan_in, FLOOR))


def same(size, kernel, stride):
    """Padding in front and behind so that ceil(size/stride) positions come out; an odd one is behind."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def conv(x, w, bias, stride=1, groups=1):
    """Cross-correlation with SAME padding."""
    kernel, outputs = w.shape[0], w.shape[3]
    x = np.pad(x, ((0, 0), same(x.shape[1], kernel, stride), same(x.shape[2], kernel, stride)))
    height, width = ((n - kernel) // stride + 1 for n in x.shape[1:])
    y = np.zeros((groups, outputs // groups, height, width))
    w = w.reshape(kernel, kernel, -1, groups, outputs // groups)
    for i in range(kernel):
        for j in range(kernel):
            seen = x[:, i:i + (height - 1) * stride + 1:stride, j:j + (width - 1) * stride + 1:stride]
            y += np.einsum("gihw,igo->gohw", seen.reshape(groups, -1, height, width), w[i, j])
    return y.reshape(outputs, height, width) + bias[:, None, None]


def average_pool(x):
    """Mean of 2x2 pixels; at an odd edge, of those that there are."""
    height, width = x.shape[1:]
    x = np.pad(x, ((0, 0), (0, height % 2), (0, width % 2)), constant_values=np.nan)
    return np.nanmean(x.reshape(len(x), x.shape[1] // 2, 2, x.shape[2] // 2, 2), (2, 4))


def squeeze_excite(p, module, x):
    y = x.mean((1, 2))
    y = relu(y @ p[module + "/~/linear/w"] + p[module + "/~/linear/b"])
    y = sigmoid(y @ p[module + "/~/linear_1/w"] + p[module + "/~/linear_1/b"])
    return 2.0 * y[:, None, None] * x


def forward(p, config, picture):
    """picture [3, H, W] -> the last stage's output, and the features behind final_conv."""
    def layer(module, x, stride=1, groups=1):
        w = standardise(p[module + "/w"], p[module + "/gain"])
        return conv(x, w, p[module + "/bias"], stride, groups)

    x = picture
    for i, stride in enumerate(STEM_STRIDES):
        x = layer(f"NFNet/~/stem_conv{i}", act(x) if i else x, stride)
    for b in blocks(config):
        at = b["module"] + "/~/"
        h = act(x) * b["beta"]
        if b["project"]:
            x = layer(at + "conv_shortcut", average_pool(h) if b["stride"] > 1 else h)
        h = layer(at + "conv0", h)
        h = layer(at + "conv1", act(h), b["stride"], b["groups"])
        h = layer(at + "conv1b", act(h), 1, b["groups"])
        h = layer(at + "conv2", act(h))
        x = ALPHA * p[b["module"] + "/skip_gain"] * squeeze_excite(p, at + "squeeze_excite", h) + x
    return x, act(layer("NFNet/~/final_conv", x))
