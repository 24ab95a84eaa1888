"""Write testdata/nfnet-haiku: an NFNet with random weights in a file like those DeepMind publishes, and
what the reference computes from them.

    python3 testdata/reference/make_nfnet.py

Needs numpy. Every file comes out the same, byte for byte, with numpy 1; numpy 2 spells a module
differently in pickles. The reference is checked first; a check that fails stops the program before
it writes.
"""
import json
import pathlib
import pickle
import sys

import numpy as np

import nfnet
import tensorfile
from draw import Draw

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "nfnet-haiku"
CLASSES = 5  # the file's own classifier, which a converter leaves out
SIZES = ((64, 64), (70, 57))  # of pictures; the second is odd or becomes so at every halving
TOLERANCE = 1e-11  # relative to the largest value

CONFIG = {
    "architecture": "nfnet as DeepMind trained it: tanh GELU, a floor under the variance",
    "channels": [32, 64, 96, 96], "depths": [1, 2, 3, 1], "group_size": 16, "stem_channels": 16,
    "num_features": 128, "bottle_ratio": 0.5, "se_ratio": 0.5, "alpha": 0.2,
}


def tensors(draw, config):
    def conv(module, kernel, inputs, outputs):
        fan_in = kernel * kernel * inputs
        w = 1.5 / np.sqrt(fan_in) * draw.normal(kernel, kernel, inputs, outputs)
        w[..., 0] *= 1e-3  # below the floor
        draw.put(module + "/w", w.astype(np.float32))
        draw.put(module + "/gain", (1 + 0.2 * draw.normal(outputs)).astype(np.float32))
        draw.scaled(module + "/bias", 0.2, outputs)

    def linear(module, inputs, outputs):
        draw.scaled(module + "/w", 1.5 / np.sqrt(inputs), inputs, outputs)
        draw.scaled(module + "/b", 0.2, outputs)

    inputs = 3
    for i, share in enumerate((8, 4, 2, 1)):
        outputs = config["stem_channels"] // share
        conv(f"NFNet/~/stem_conv{i}", 3, inputs, outputs)
        inputs = outputs
    for b in nfnet.blocks(config):
        at, mid = b["module"] + "/~/", b["mid"]
        if b["project"]:
            conv(at + "conv_shortcut", 1, b["in"], b["out"])
        conv(at + "conv0", 1, b["in"], mid)
        conv(at + "conv1", 3, config["group_size"], mid)
        conv(at + "conv1b", 3, config["group_size"], mid)
        conv(at + "conv2", 1, mid, b["out"])
        linear(at + "squeeze_excite/~/linear", b["out"], mid)
        linear(at + "squeeze_excite/~/linear_1", mid, b["out"])
        draw.put(b["module"] + "/skip_gain", np.array(1 + 0.2 * draw.normal(), np.float32))
    conv("NFNet/~/final_conv", 1, config["channels"][3], config["num_features"])
    linear("NFNet/~/linear", config["num_features"], CLASSES)


def close(what, got, want):
    error = np.abs(got - want).max() / np.abs(want).max()
    if not error < TOLERANCE:
        sys.exit(f"make_nfnet: {what}: got a difference of {error:.2g}, want less than {TOLERANCE}; "
                 "mend the reference before writing fixtures")


def check_conv(random):
    """A convolution against its definition, one output at a time."""
    x, w, bias = random.standard_normal((4, 7, 6)), random.standard_normal((3, 3, 2, 6)), random.standard_normal(6)
    got, want = nfnet.conv(x, w, bias, stride=2, groups=2), np.zeros((6, 4, 3))
    for o, i, j in np.ndindex(want.shape):
        want[o, i, j] = bias[o]
        for y, z, c in np.ndindex(3, 3, 2):
            # 7 rows need one row of padding in front and behind, 6 columns one behind.
            row, column, channel = 2 * i + y - 1, 2 * j + z, 2 * (o // 3) + c
            if 0 <= row < 7 and column < 6:
                want[o, i, j] += x[channel, row, column] * w[y, z, c, o]
    close("a grouped convolution of stride 2", got, want)


def check_kernels(weights, config, picture, want):
    """Kernels that differ by an offset and a factor mean the same, where the floor is not reached."""
    other = dict(weights)
    for name, w in weights.items():
        if w.ndim == 4:
            other[name] = w + 0.5
            other[name][..., 1:] *= 3.0
    close("kernels of another offset and size", nfnet.forward(other, config, picture)[1], want)


def make():
    draw = Draw("nfnet-haiku")
    tensors(draw, CONFIG)
    weights, expected = draw.float64(), {}
    check_conv(draw.random)
    for i, size in enumerate(SIZES):
        picture = draw.normal(3, *size).astype(np.float32).astype(np.float64)
        stage, features = nfnet.forward(weights, CONFIG, picture)
        check_kernels(weights, CONFIG, picture, features)
        expected.update({f"{i}.image": picture, f"{i}.stage": stage, f"{i}.features": features})

    params = {}
    for name, array in draw.tensors.items():
        module, _, parameter = name.rpartition("/")
        params.setdefault(module, {})[parameter] = array
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "config.json").write_text(json.dumps(CONFIG, indent=1) + "\n")
    # As theirs, which are pickles in spite of their suffix.
    with open(FOLDER / "F0_haiku.npz", "wb") as f:
        pickle.dump(params, f, protocol=4)
    tensorfile.write(FOLDER / "expected.safetensors", tensorfile.rounded(expected))
    for name in sorted(expected):
        print(f"{name}: {expected[name].shape}, rms {np.sqrt((expected[name] ** 2).mean()):.3f}")


if __name__ == "__main__":
    make()
