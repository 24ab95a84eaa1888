"""Write the files that the tests read, and what PyTorch and NumPy say is in them.

Needs PyTorch 1.13 and NumPy 1.24; run it in this directory. expected.json holds for each file
its tensors by the names that the Go package should give them ("haiku" is for all of haiku*.npz).
"""
import collections
import io
import json
import pathlib
import pickle
import zipfile

import numpy as np
import torch

HERE = pathlib.Path(__file__).parent
SPELLING = {"float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "int64": "I64",
            "int32": "I32", "int16": "I16", "int8": "I8", "uint8": "U8", "bool": "BOOL"}
expected = {}


def expect(name, tensors):
    """Note what a file holds: dtype, shape and, of fractions, the values in row-major order."""
    rows = {}
    for key, t in tensors.items():
        t = t if isinstance(t, torch.Tensor) else torch.from_numpy(np.array(t, order="C"))
        rows[key] = {"dtype": SPELLING[str(t.dtype).removeprefix("torch.")], "shape": list(t.shape)}
        if t.is_floating_point():
            rows[key]["values"] = t.detach().to(torch.float64).reshape(-1).tolist()
    expected[name] = rows


def numbers(*shape):
    """Values that every width of fraction holds exactly."""
    n = int(np.prod(shape))
    return (torch.arange(n, dtype=torch.float32) - n // 2).reshape(shape) / 4


def state():
    """A state_dict with every dtype and with tensors that are not their whole storage."""
    base = numbers(4, 6)
    tied = numbers(3, 2)
    return collections.OrderedDict([
        ("embed.weight", tied), ("head.weight", tied), ("other.weight", tied.clone()),
        ("double", numbers(3).double()), ("half", numbers(2, 3).half()), ("brain", numbers(5).bfloat16()),
        ("long", torch.tensor([1, -2, 2**40])), ("int", torch.tensor([7], dtype=torch.int32)),
        ("short", torch.tensor([-3], dtype=torch.int16)), ("char", torch.tensor([-4], dtype=torch.int8)),
        ("byte", torch.tensor([200], dtype=torch.uint8)), ("mask", torch.tensor([[True, False]])),
        ("transposed", base.t()), ("columns", base[:, 1:4]), ("steps", base[::2, ::3]), ("row", base[2]),
        ("expanded", numbers(3, 1).expand(3, 4)), ("permuted", numbers(2, 3, 4).permute(2, 0, 1)),
        ("scalar", torch.tensor(2.5)), ("empty", torch.zeros(0, 3)), ("param", torch.nn.Parameter(numbers(2))),
    ])


def saved(name, data, tensors, **options):
    torch.save(data, HERE / name, **options)
    expect(name, tensors)


def training():
    """What a training run saves: names in wrappers, an optimizer that has stepped, a schedule."""
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.LayerNorm(2))
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(numbers(*p.shape))
    optimizer = torch.optim.AdamW(model.parameters())
    model(numbers(1, 3)).sum().backward()
    plain = {k: v.clone() for k, v in model.state_dict().items()}
    optimizer.step()
    model.load_state_dict(plain)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)
    wrapped = {f"module._fsdp_wrapped_module.{k.replace('.', '._checkpoint_wrapped_module.', 1)}": v for k, v in plain.items()}
    data = {"epoch": 3, "model_state_dict": wrapped, "optimizer_state_dict": optimizer.state_dict(),
            "lr_scheduler_state_dict": schedule.state_dict(), "best": np.float64(0.5), "note": None}
    saved("training.pt", data, plain)
    nested = {"encoder": {"proj": model[0].state_dict()}, "optimizer": optimizer.state_dict(), "step": 4}
    saved("nested.pt", nested, {f"encoder.proj.{k}": v for k, v in model[0].state_dict().items()})


def shards():
    """Two shards and their index, as Hugging Face's transformers writes them."""
    (HERE / "sharded").mkdir(exist_ok=True)
    parts = [{"a.weight": numbers(2, 2), "a.bias": numbers(2)}, {"b.weight": numbers(3).half()}]
    index = {"metadata": {"total_size": 30}, "weight_map": {}}
    for i, part in enumerate(parts):
        name = f"pytorch_model-{i + 1:05d}-of-{len(parts):05d}.bin"
        torch.save(part, HERE / "sharded" / name)
        index["weight_map"].update({k: name for k in part})
    (HERE / "sharded" / "pytorch_model.bin.index.json").write_text(json.dumps(index, indent=2) + "\n")
    expect("sharded", {**parts[0], **parts[1]})


class Tower(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(1, 2, 2, bias=False)
        self.proj = torch.nn.Parameter(numbers(2, 3).t())
        self.register_buffer("mask", torch.tensor([True, False]))
        self.resolution = 2
        self.strides = [1, 2]

    def forward(self, x):
        return self.conv1(x).flatten(1)[:, :3] @ self.proj


class Pair(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.visual = Tower()
        self.logit_scale = torch.nn.Parameter(torch.tensor(2.5))

    def forward(self, x):
        return self.visual(x) * self.logit_scale


def script():
    """A TorchScript archive in half precision, as CLIP's weights come."""
    model = Pair()
    with torch.no_grad():
        model.visual.conv1.weight.copy_(numbers(2, 1, 2, 2))
    model = torch.jit.script(model.half())
    torch.jit.save(model, str(HERE / "script.pt"))
    expect("script.pt", model.state_dict())


def haiku():
    """Haiku parameters pickled under the suffix .npz. One array is too long to be kept in memory."""
    params = {
        "NFNet/~/stem_conv0": {"w": numbers(2, 2, 1, 3).numpy(), "gain": np.ones(3, "f4"), "bias": np.zeros(0, "f4")},
        "NFNet/~/nf_block": {"skip_gain": np.array(0.5, "f4"), "scale": np.float32(1.5)},
        "NFNet/~/linear": {"w": np.asfortranarray(numbers(3, 4).numpy()), "b": numbers(4).numpy().astype("f2"),
                           "long": numbers(60, 30).numpy(), "count": np.arange(3)},
    }
    flat = {f"{module}/{k}": v for module, arrays in params.items() for k, v in arrays.items()}
    for protocol in range(6):
        (HERE / f"haiku{protocol}.npz").write_bytes(pickle.dumps(params, protocol))
    expect("haiku", flat)


def archives():
    """NumPy's own .npz, with arrays of other types than tensors have."""
    arrays = {"a/w": numbers(2, 3).numpy(), "f": np.asfortranarray(numbers(3, 2).numpy().astype("f8")),
              "half": numbers(3).numpy().astype("f2"), "n": np.array(3), "mask": np.array([True]), "empty": np.zeros((0, 2), "f4")}
    others = {"text": np.array(["x", "yz"]), "unsigned": np.arange(2, dtype="u4"), "records": np.zeros(2, [("x", "<f4"), ("y", "<i4")])}
    np.savez(HERE / "stored.npz", **arrays, **others)
    np.savez_compressed(HERE / "deflated.npz", **arrays, **others)
    with zipfile.ZipFile(HERE / "versions.npz", "w") as z:
        for i in (1, 2, 3):
            data = io.BytesIO()
            np.lib.format.write_array(data, arrays["a/w"], version=(i, 0))
            z.writestr(f"v{i}.npy", data.getvalue())
    expect("stored.npz", arrays)
    expect("deflated.npz", arrays)
    expect("versions.npz", {f"v{i}": arrays["a/w"] for i in (1, 2, 3)})


saved("zip.pt", state(), state())
saved("legacy.pt", state(), state(), _use_new_zipfile_serialization=False)
training()
shards()
script()
haiku()
archives()
(HERE / "expected.json").write_text("{" + ",\n".join(
    f"{json.dumps(name)}: {{" + ",\n ".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in rows.items()) + "}"
    for name, rows in expected.items()) + "}\n")
