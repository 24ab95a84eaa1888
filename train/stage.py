"""One training stage: AdamW and Muon, cosine learning rate, clipping, checkpoints and resuming."""
import json
import math
import os
import time

import numpy as np
import torch

import cpuclock
import muon
import team

WARMUP = 60
SAVE_EVERY = 200
SAVE_SECONDS = 200
REPORT_EVERY = 50
# Parts of parameters' names: whose matrices are between hidden states, and which of them are not.
HIDDEN = ("stages.", "stem.", "final_conv", "blocks.", "layers.", "xattn.", "first.")
OUTER = ("stem.conv1", "attn_last", "gain")


def run(name, modules, groups, loss_of, steps, seed, folder, workers=1, clip=1.0):
    """Train and leave the result in `modules`.

    modules: nn.Module whose state is saved; groups: parameter groups with their peak "lr", of Muon where
    they have a "split" and of AdamW otherwise; loss_of(rng, step) -> (loss, {label: figure}) for one batch drawn with the numpy
    Generator rng, which depends on (seed, name, step) and the worker alone, so a resumed run sees the same
    batches. Each of the `workers` draws a batch, and their gradients are averaged.
    Figures go to name.jsonl in `folder` too, a line per report.
    """
    if workers == 1:
        return _run(team.Team(), name, modules, groups, loss_of, steps, seed, folder, clip)
    numbers = sum(p.numel() for g in groups for p in g["params"])
    team.gather(workers, numbers, lambda t: _run(t, name, modules, groups, loss_of, steps, seed, folder, clip))
    saved = torch.load(_path(folder, name), map_location="cpu")
    modules.load_state_dict(saved["modules"])
    cpuclock.restore(saved["cpu"])


def _path(folder, name):
    return os.path.join(folder, name + ".pt")


def _run(together, name, modules, groups, loss_of, steps, seed, folder, clip):
    path, first_of_all = _path(folder, name), together.rank == 0
    params = [p for g in groups for p in g["params"]]
    optimizers = [torch.optim.AdamW([g for g in groups if "split" not in g], betas=(0.9, 0.98), eps=1e-8)]
    if any("split" in g for g in groups):
        optimizers.append(muon.Muon([g for g in groups if "split" in g], together))
    scheduled = [(g, g["lr"]) for o in optimizers for g in o.param_groups]
    first = 0
    if os.path.exists(path):
        saved = torch.load(path, map_location="cpu")
        modules.load_state_dict(saved["modules"])
        first = saved["step"]
        if first < steps:
            for optimizer, state in zip(optimizers, saved["optimizers"]):
                optimizer.load_state_dict(state)
            scheduled = [(g, peak) for g, (_, peak) in zip((g for o in optimizers for g in o.param_groups), scheduled)]
        if first_of_all:
            cpuclock.restore(saved["cpu"])
            print(f"{name}: resumed at step {first} of {steps}", flush=True)
    started, running, saved_at = time.time(), {}, time.time()
    for step in range(first, steps):
        if together.abandoned():
            return
        warm = min(1.0, (step + 1) / WARMUP)
        scale = warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / steps)))
        for group, peak in scheduled:
            group["lr"] = peak * scale
        loss, figures = loss_of(np.random.default_rng([seed, *name.encode(), step, together.rank]), step)
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss.backward()
        together.average([p.grad for p in params])
        torch.nn.utils.clip_grad_norm_(params, clip)
        for optimizer in optimizers:
            optimizer.step()
        if not first_of_all:
            continue
        running = {k: 0.95 * running.get(k, v) + 0.05 * v for k, v in {"loss": loss.item(), **figures}.items()}
        if (step + 1) % REPORT_EVERY == 0 or step + 1 == steps:
            shown = "  ".join(f"{k} {v:.3f}" for k, v in running.items())
            print(f"{name} {step + 1:5d}/{steps}  {shown}  {time.time() - started:.0f} s  "
                  f"cpu {cpuclock.minutes():.1f} min", flush=True)
            with open(os.path.join(folder, name + ".jsonl"), "a", encoding="utf-8") as f:
                f.write(json.dumps({"step": step + 1, **{k: round(v, 5) for k, v in running.items()}}) + "\n")
        if (step + 1) % SAVE_EVERY == 0 or step + 1 == steps or time.time() - saved_at > SAVE_SECONDS:
            saved_at = time.time()
            torch.save({"modules": modules.state_dict(), "optimizers": [o.state_dict() for o in optimizers],
                        "step": step + 1, "cpu": cpuclock.seconds()}, path + ".part")
            os.replace(path + ".part", path)


def groups(named, lr, decay, muon_lr=0.0):
    """Groups of named parameters: matrices decay, vectors and scalars do not, and the scalars that start
    at zero and hold a whole branch back learn ten times as fast. With muon_lr hidden matrices and kernels
    are Muon's ("matrices" of a parameter says how many its rows hold); those of embeddings and of what reads or writes the world stay AdamW's."""
    kinds, turned = {"matrix": [], "vector": [], "switch": []}, {}
    for name, p in named:
        if name.endswith(("_gate", "skipinit_gain")):
            kinds["switch"].append(p)
        elif muon_lr and p.dim() > 1 and any(part in name for part in HIDDEN) and not any(part in name for part in OUTER):
            turned.setdefault(getattr(p, "matrices", 1), []).append(p)
        else:
            kinds["vector" if p.dim() < 2 or name.endswith("gain") else "matrix"].append(p)
    settings = {"matrix": (lr, decay), "vector": (lr, 0.0), "switch": (10 * lr, 0.0)}
    return ([{"params": kinds[k], "lr": settings[k][0], "weight_decay": settings[k][1]} for k in kinds if kinds[k]]
            + [{"params": p, "lr": muon_lr, "weight_decay": decay, "split": n} for n, p in turned.items()])
