"""Train the nano Flamingo from nothing, measure it, and export it.

    python3 train/train_nano.py --out build/nano

Everything is seeded, and a run that was stopped goes on where its last checkpoint is.
"""
import argparse
import json
import os
import sys

# Threads that wait must sleep: the training shares its cores and counts CPU time.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import torch  # noqa: E402

import cpuclock  # noqa: E402
import evaluate  # noqa: E402
import export  # noqa: E402
import fixtures  # noqa: E402
import flamingo  # noqa: E402
import heap  # noqa: E402
import nano  # noqa: E402
import pool  # noqa: E402
import stages  # noqa: E402
import world  # noqa: E402

HELD_OUT_SEED = 1_000_003


def options(argv):
    """Command-line options."""
    p = argparse.ArgumentParser(description="Train the nano Flamingo from nothing, measure it and export it.")
    p.add_argument("--out", default="build/nano", help="folder of the result; pools and checkpoints go below it")
    p.add_argument("--seed", type=int, default=1, help="seed of weights, pictures and batches")
    p.add_argument("--threads", type=int, default=2, help="CPU threads")
    p.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="torch device")
    p.add_argument("--pool", type=int, default=40000, help="training pictures")
    p.add_argument("--held-out", type=int, default=1000, help="held-out pictures")
    p.add_argument("--language-steps", type=int, default=400, help="steps of stage 1")
    p.add_argument("--vision-steps", type=int, default=1400, help="steps of stage 2")
    p.add_argument("--caption-steps", type=int, default=1700, help="steps of stage 3")
    p.add_argument("--fixtures", metavar="ROOT", help="also write testdata/nano and web/samples below this folder")
    return p.parse_args(argv)


def main(argv=None):
    """Run every stage that is not finished, then evaluate and export."""
    o = options(argv)
    heap.keep()
    torch.set_num_threads(o.threads)
    torch.manual_seed(o.seed)
    work = os.path.join(o.out, "work")
    os.makedirs(work, exist_ok=True)
    tokenizer = nano.learn_tokenizer(o.seed)
    model = flamingo.Flamingo(nano.CONFIG).to(o.device)
    count = sum(p.numel() for p in model.parameters())
    print(f"{count:,} parameters, vocabulary {len(tokenizer)}, {o.threads} threads, {o.device}", flush=True)

    training = pool.Pool(os.path.join(work, "train"), o.seed, o.pool, nano.SIZE, o.threads)
    held_out = pool.Pool(os.path.join(work, "held-out"), HELD_OUT_SEED + o.seed, o.held_out, nano.SIZE, o.threads)
    print(f"pools ready, cpu {cpuclock.minutes():.1f} min", flush=True)
    stages.language(model, training, tokenizer, o.language_steps, o.seed, work, o.device)
    stages.vision(model, training, o.vision_steps, o.seed, work, o.device)
    stages.caption(model, training, tokenizer, o.caption_steps, o.seed, work, o.device)
    print(f"trained in {cpuclock.minutes():.1f} CPU minutes", flush=True)

    seen = {world.caption(r) for rows in (training.arrays["rows"],) for r in (*rows, *world.mirror(rows))}
    figures = evaluate.report(model, tokenizer, held_out, seen, o.device)
    figures.update(parameters=count, cpu_minutes=round(cpuclock.minutes(), 1), seed=o.seed)
    with open(os.path.join(o.out, "figures.json"), "w") as f:
        json.dump(figures, f, indent=1)
    model.cpu().eval()
    export.checkpoint(model, tokenizer, o.out)
    if o.fixtures:
        right = fixtures.write(model, tokenizer, o.fixtures)
        print(f"wrote the fixtures; {right} of the 24 test pictures captioned exactly")
    print(f"wrote {o.out}; {cpuclock.minutes():.1f} CPU minutes in all")


if __name__ == "__main__":
    main()
