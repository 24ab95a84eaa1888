"""Train the sticker Flamingo from nothing, measure it, and export it.

    python3 train/train_stickers.py --atlas build/stickers --out build/sticker

Everything is seeded, and a run that was stopped goes on where its last checkpoints are.
"""
import argparse
import os
import sys

# Threads that wait must sleep: the training shares its cores.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import torch  # noqa: E402

import heap  # noqa: E402
from stickers import atlas as atlases  # noqa: E402
from stickers import config, contrast, pool, words  # noqa: E402

STAGES = ("contrast",)


def options(argv):
    """Command-line options."""
    p = argparse.ArgumentParser(description="Train the sticker Flamingo from nothing, measure it and export it.")
    p.add_argument("--atlas", default="build/stickers", help="folder of the atlas, see stickers/rasterise.mjs")
    p.add_argument("--out", default="build/sticker", help="folder of the result")
    p.add_argument("--work", help="folder of pools and checkpoints; OUT/work by default")
    p.add_argument("--seed", type=int, default=1, help="seed of weights, pictures and batches")
    p.add_argument("--threads", type=int, default=2, help="CPU threads")
    p.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="torch device")
    p.add_argument("--stages", default=",".join(STAGES), help="which stages to run, of " + ",".join(STAGES))
    p.add_argument("--pool", type=int, default=32768, help="scenes in a pool of pictures")
    p.add_argument("--contrast-steps", type=int, default=9000, help="steps of stage 1")
    return p.parse_args(argv)


def precision(device):
    """Makes autocast contexts: bfloat16 matrix products, where they are the fast ones."""
    return lambda: torch.autocast(torch.device(device).type, torch.bfloat16)


def main(argv=None):
    """Run every stage that is asked for and not finished."""
    o = options(argv)
    heap.keep()
    torch.set_num_threads(o.threads)
    torch.manual_seed(o.seed)
    work = o.work or os.path.join(o.out, "work")
    os.makedirs(work, exist_ok=True)
    tokenizer = words.learn(o.seed)
    atlas = atlases.Atlas(o.atlas)
    styles, amp = config.styles(atlas), precision(o.device)
    stages = o.stages.split(",")
    if "contrast" in stages:
        pupil = contrast.Pupil(config.CONFIG).to(o.device)
        print(f"contrast: {sum(p.numel() for p in pupil.vision.parameters()):,} parameters in the encoder", flush=True)
        pools = pool.Pools(os.path.join(work, "pools"), atlas, 1000 * o.seed, o.pool, styles, o.threads)
        contrast.train(pupil, tokenizer, pools, o.contrast_steps, o.seed, work, o.device, amp)


if __name__ == "__main__":
    main()
