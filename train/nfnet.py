"""NFNet in PyTorch: Brock et al., "High-Performance Large-Scale Image Recognition
Without Normalization" (arXiv 2102.06171), with timm's dm_nfnet parameter names and rules
(erf GELU, epsilon added to the variance, SAME padding).

The activation's gain gamma and a block's beta are multiplied into the kernel of the
convolution that follows, which is the same function and saves passes over the pictures.
In training mode GELU is approximated; in eval mode it is exact. "relu" in its place, with the same
gain, halves the time of a training step on a CPU.
"""
import torch
import torch.nn.functional as F
from torch import nn

GAMMA = 1.7015043497085571
ALPHA = 0.2
EPS = 1e-5


def gelu(x, exact):
    """GELU by the error function, or the tanh approximation (0.0005 off, a third of the time)."""
    return F.gelu(x, approximate="none" if exact else "tanh")


def activation(x, exact, kind):
    """GELU or ReLU."""
    return F.relu(x) if kind == "relu" else gelu(x, exact)


class ScaledConv(nn.Module):
    """Convolution with scaled weight standardisation, a gain per channel and SAME padding."""

    def __init__(self, cin, cout, kernel=1, stride=1, groups=1):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(cout, cin // groups, kernel, kernel)
                                   * (cin // groups * kernel * kernel) ** -0.5)
        self.weight.matrices = groups
        self.bias = nn.Parameter(torch.zeros(cout))
        self.gain = nn.Parameter(torch.ones(cout, 1, 1, 1))
        self.kernel, self.stride, self.groups = kernel, stride, groups
        self.fixed = None  # a kernel in place of the standardised one

    def kernel_of(self, scale):
        """The kernel that is convolved with, times scale."""
        w = self.weight
        fan_in = w[0].numel()
        var, mean = torch.var_mean(w, (1, 2, 3), unbiased=False, keepdim=True)
        return (w - mean) * (self.gain * (scale * fan_in ** -0.5) * torch.rsqrt(var + EPS))

    def forward(self, x, scale=1.0):
        """x [n, cin, h, w] -> [n, cout, ceil(h/stride), ceil(w/stride)]; kernel times scale."""
        w = self.kernel_of(scale) if self.fixed is None else self.fixed * scale
        pads = [max((-(-n // self.stride) - 1) * self.stride + self.kernel - n, 0) for n in x.shape[2:]]
        if pads[0] % 2 or pads[1] % 2:
            x = F.pad(x, (pads[1] // 2, pads[1] - pads[1] // 2, pads[0] // 2, pads[0] - pads[0] // 2))
            pads = (0, 0)
        if x.is_contiguous(memory_format=torch.channels_last):
            w = w.contiguous(memory_format=torch.channels_last)
        return F.conv2d(x, w, self.bias, self.stride, (pads[0] // 2, pads[1] // 2), groups=self.groups)


class Squeeze(torch.autograd.Function):
    """The mean over the picture. Torch's own gradient of it leaves the channels-last layout
    and so makes all that follows slow."""

    @staticmethod
    def forward(ctx, x):
        """x [n, c, h, w] -> [n, c, 1, 1]."""
        ctx.shape = x.shape
        return x.mean((2, 3), keepdim=True)

    @staticmethod
    def backward(ctx, g):
        """Spread the gradient evenly."""
        return (g / (ctx.shape[2] * ctx.shape[3])).expand(ctx.shape)


class Excite(torch.autograd.Function):
    """shortcut + gate * h, with a gradient that keeps the channels-last layout."""

    @staticmethod
    def forward(ctx, shortcut, h, gate):
        """shortcut and h [n, c, h, w], gate [n, c, 1, 1]."""
        ctx.save_for_backward(h, gate)
        return torch.addcmul(shortcut, h, gate)

    @staticmethod
    def backward(ctx, g):
        """Gradients of shortcut, h and gate."""
        h, gate = ctx.saved_tensors
        return g, g * gate, (g * h).sum((2, 3), keepdim=True)


class SqueezeExcite(nn.Module):
    """Channel gate from the mean over the picture: 2 * sigmoid(fc2(relu(fc1(mean))))."""

    def __init__(self, channels, hidden):
        super().__init__()
        self.fc1 = nn.Conv2d(channels, hidden, 1)
        self.fc2 = nn.Conv2d(hidden, channels, 1)

    def forward(self, x):
        """x [n, c, h, w] -> gate [n, c, 1, 1]."""
        return 2 * torch.sigmoid(self.fc2(F.relu(self.fc1(Squeeze.apply(x)))))


class Block(nn.Module):
    """Bottleneck residual block; beta is the inverse standard deviation of its input."""

    def __init__(self, cin, cout, stride, group_width, beta, kind):
        super().__init__()
        mid = cout // 2
        groups = mid // group_width
        if stride > 1 or cin != cout:
            self.downsample = nn.ModuleDict({"conv": ScaledConv(cin, cout)})
        else:
            self.downsample = None
        self.conv1 = ScaledConv(cin, mid)
        self.conv2 = ScaledConv(mid, mid, 3, stride, groups)
        self.conv2b = ScaledConv(mid, mid, 3, 1, groups)
        self.conv3 = ScaledConv(mid, cout)
        self.attn_last = SqueezeExcite(cout, cout // 2)
        self.skipinit_gain = nn.Parameter(torch.zeros(()))
        self.stride, self.beta, self.kind = stride, beta, kind

    def forward(self, x):
        """x [n, cin, h, w] -> [n, cout, ceil(h/stride), ceil(w/stride)]."""
        act = lambda t: activation(t, not self.training, self.kind)
        a = act(x)
        shortcut = x
        if self.downsample is not None:
            pooled = a
            if self.stride > 1:
                pooled = F.avg_pool2d(a, 2, 2, ceil_mode=True, count_include_pad=False)
            shortcut = self.downsample["conv"](pooled, GAMMA * self.beta)
        h = self.conv1(a, GAMMA * self.beta)
        h = self.conv2(act(h), GAMMA)
        h = self.conv2b(act(h), GAMMA)
        h = self.conv3(act(h), GAMMA)
        return Excite.apply(shortcut, h, self.attn_last(h) * (self.skipinit_gain * ALPHA))


class Stem(nn.Module):
    """Four 3x3 convolutions with strides 2, 1, 1, 2."""

    def __init__(self, widths, kind):
        super().__init__()
        self.kind = kind
        self.conv1 = ScaledConv(3, widths[0], 3, 2)
        self.conv2 = ScaledConv(widths[0], widths[1], 3)
        self.conv3 = ScaledConv(widths[1], widths[2], 3)
        self.conv4 = ScaledConv(widths[2], widths[3], 3, 2)

    def forward(self, x):
        """x [n, 3, h, w] -> [n, widths[3], h/4, w/4], no activation after."""
        x = self.conv1(x)
        for conv in (self.conv2, self.conv3, self.conv4):
            x = conv(activation(x, not self.training, self.kind), GAMMA)
        return x


class NFNet(nn.Module):
    """The encoder without its classifier, from the "vision" part of a model config."""

    def __init__(self, config):
        super().__init__()
        self.kind = config["activation"]
        self.stem = Stem(config["stem"], self.kind)
        stages, cin, var = [], config["stem"][3], 1.0
        for s, (cout, depth) in enumerate(zip(config["widths"], config["depths"])):
            blocks = []
            for b in range(depth):
                stride = 2 if b == 0 and s > 0 else 1
                blocks.append(Block(cin, cout, stride, config["groupWidth"], var ** -0.5, self.kind))
                var = (1.0 if b == 0 else var) + ALPHA ** 2
                cin = cout
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        self.final_conv = ScaledConv(cin, config["features"])

    def forward(self, images):
        """images [n, 3, h, w], normalised -> features [n, h/32 * w/32, features], rows of y then x."""
        x = self.stages(self.stem(images))
        x = GAMMA * activation(self.final_conv(x), not self.training, self.kind)
        return x.flatten(2).transpose(1, 2)
