"""Train the sticker Flamingo from nothing, measure it, and export it.

    python3 train/train_stickers.py --atlas build/stickers --out build/sticker

Everything is seeded, and a run that was stopped goes on where its last checkpoints are.
"""
import argparse
import json
import os
import sys

# Threads that wait must sleep: the training shares its cores.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import torch  # noqa: E402

import export  # noqa: E402
import flamingo  # noqa: E402
import heap  # noqa: E402
from stickers import atlas as atlases  # noqa: E402
from stickers import (align, batches, checks, clips, config, contrast, documents, features, interleave,  # noqa: E402
                      language, measure, plots, pool, scenes, stored, words)

STAGES = ("contrast", "language", "interleave", "measure", "check", "export")
CROWDS = 0.6  # of the scenes of stage 1
REDRAWN = 0.5  # of the pictures of stage 3
SMALL = {"pool": 1024, "pools": 1, "clips": 64, "contrast_steps": 60, "language_steps": 40, "align_steps": 20, "interleave_steps": 40, "measure": 0.02}
CLIPS = 4000  # of the language stage; more than it can remember


def options(argv):
    """Command-line options."""
    p = argparse.ArgumentParser(description="Train the sticker Flamingo from nothing, measure it and export it.")
    p.add_argument("--atlas", default="build/stickers", help="folder of the atlas, see stickers/rasterise.mjs")
    p.add_argument("--out", default="build/sticker", help="folder of the result")
    p.add_argument("--work", help="folder of pools and checkpoints; OUT/work by default")
    p.add_argument("--seed", type=int, default=1, help="seed of weights, pictures and batches")
    p.add_argument("--threads", type=int, default=2, help="CPU threads, or processes of stages 2 and 3")
    p.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="torch device")
    p.add_argument("--stages", default=",".join(STAGES), help="which stages to run, of " + ",".join(STAGES))
    p.add_argument("--pool", type=int, default=32768, help="scenes in a pool of pictures")
    p.add_argument("--pools", type=int, default=12, help="pools of stage 3, which sees them mirrored too")
    p.add_argument("--contrast-steps", type=int, default=9216, help="steps of stage 1: eighteen pools, twice each")
    p.add_argument("--language-steps", type=int, default=3500, help="steps of stage 2")
    p.add_argument("--clips", type=int, default=24000, help="videos of stage 3")
    p.add_argument("--align-steps", type=int, default=3000, help="steps before stage 3, without the decoder")
    p.add_argument("--interleave-steps", type=int, default=5800, help="steps of stage 3")
    p.add_argument("--measure", type=float, default=1.0, help="how many cases to measure and check on, as a share of the usual")
    p.add_argument("--small", action="store_true", help="a smoke test of minutes: sizes and steps of a few minutes' work")
    p.add_argument("--stored", choices=("f32", "f16", "q8", "q4"), help="measure the model as the runtime reads it")
    p.add_argument("--tuning", action="store_true", help="measure on the seed for tuning and not on the fresh one")
    p.set_defaults(**SMALL if "--small" in (sys.argv[1:] if argv is None else argv) else {})
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
    for folder in (work, o.out):
        os.makedirs(folder, exist_ok=True)
    tokenizer = words.known(os.path.join(work, "tokenizer.json"), o.seed)
    atlas = atlases.Atlas(o.atlas)
    styles, amp, workers = config.styles(atlas), precision(o.device), o.threads if o.device == "cpu" else 1
    having = atlas.having(styles)
    stages = o.stages.split(",")
    note(o, stages)
    if "contrast" in stages:
        pupil = contrast.Pupil(config.CONFIG).to(o.device)
        print(f"contrast: {sum(p.numel() for p in pupil.vision.parameters()):,} parameters in the encoder", flush=True)
        pools = pool.Pools(os.path.join(work, "pools"), atlas, 1000 * o.seed, o.pool, styles, o.threads, crowds=CROWDS)
        contrast.train(pupil, tokenizer, pools, o.contrast_steps, o.seed, work, o.device, amp)
    if "language" in stages:
        known = documents.Library([scenes.sample(1000 * o.seed, i, having) for i in range(2 * o.pool)])
        films = [clips.sample(1000 * o.seed, i, having) for i in range(CLIPS)]
        lm = flamingo.Decoder(config.CONFIG["lm"]).to(o.device)
        language.train(lm, batches.Source(tokenizer, known, films), o.language_steps, o.seed, work, o.device, amp, workers)
    if not {"interleave", "measure", "check", "export"} & set(stages):
        return plots.all_of(work, o.out)
    model = flamingo.Flamingo(config.CONFIG).to(o.device)
    if "interleave" in stages:
        load(model.vision, os.path.join(work, "contrast.pt"), "vision.")
        load(model.lm, os.path.join(work, "language.pt"), "")
        source, media = shelves(model.vision.to(memory_format=torch.channels_last).eval(), tokenizer, atlas, styles, work, o)
        align.train(model, source, media, o.align_steps, o.seed, work, o.device, amp, workers)
        interleave.train(model, source, media, o.interleave_steps, o.seed, work, o.device, amp, workers)
    else:
        load(model, os.path.join(work, "interleave.pt"), "")
    if "measure" in stages:
        read = stored.as_read(model, o.stored).to(o.device) if o.stored else model
        figures, failures = measure.everything(read, tokenizer, atlas, measure.TUNING if o.tuning else measure.FRESH,
                                               o.device, amp, o.measure)
        print(measure.show(figures), flush=True)
        measure.write(figures, failures, o.out, o.stored)
    if "check" in stages:
        checks.write(model.cpu(), stored.as_read(model, "q8"), tokenizer, atlas, os.path.join(o.out, "check"), o.measure)
    if "export" in stages:
        export.checkpoint(model.cpu().eval(), tokenizer, o.out)
        print(f"wrote {o.out}", flush=True)
    plots.all_of(work, o.out)


def note(o, stages):
    """Keep in OUT/options.json what each stage was last run with: {stage: options}."""
    path, noted = os.path.join(o.out, "options.json"), {}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as f:
            noted = json.load(f)
    mine = {k: v for k, v in vars(o).items() if k not in ("atlas", "out", "work", "stages")}
    noted.update({f"{s}-{o.stored}" if s == "measure" and o.stored else s: mine for s in stages})
    with open(path, "w", encoding="utf-8") as f:
        json.dump(noted, f, indent=1)


def load(module, path, prefix):
    """Take a module's weights from a stage's checkpoint."""
    saved = torch.load(path, map_location="cpu")["modules"]
    module.load_state_dict({k[len(prefix):]: v for k, v in saved.items() if k.startswith(prefix)})


def shelves(vision, tokenizer, atlas, styles, work, o):
    """What stage 3 reads: a Source of pools of their own, of their mirrored pictures, and of clips, and
    the features of all."""
    pools = pool.Pools(os.path.join(work, "stills"), atlas, 1000 * o.seed + 500, o.pool, styles, o.threads, o.pools, REDRAWN)
    stamp = {"vision": float(sum(p.double().abs().sum() for p in vision.parameters())), "seed": o.seed, "pool": o.pool}
    folder, known, stills = os.path.join(work, "features"), [], []
    for k in range(o.pools):
        painted = pools.at(k)
        for name, turned in ((f"stills-{k}", False), (f"stills-{k}-mirrored", True)):
            stills.append(features.of_pool(vision, painted, folder, name, {**stamp, "k": k}, o.device, turned))
        known += [*painted.scenes, *map(scenes.mirror, painted.scenes)]
    films, moving = features.of_clips(vision, atlas, 1000 * o.seed, o.clips, styles, folder, "clips",
                                      {**stamp, "clips": o.clips}, o.device, o.threads)
    return batches.Source(tokenizer, documents.Library(known), films), interleave.Media(stills, moving)


if __name__ == "__main__":
    main()
