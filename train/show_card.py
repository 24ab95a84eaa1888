"""Write the model card of a trained sticker Flamingo, and the pictures it shows, into the model's folder.

    python3 train/show_card.py build/sticker models/sticker

The first folder is what train_stickers.py wrote, the second the converted model.
"""
import argparse
import collections
import json
import os
import shutil

import tensorfile
from stickers import bars, card, concepts

DTYPES = ("q8", "q4")


def read(folder, name, default=None):
    """The JSON of a file; default, if given, where there is none."""
    path = os.path.join(folder, name)
    if default is not None and not os.path.exists(path):
        return default
    with open(path, encoding="utf-8") as f:
        return json.load(f)


def tables(figures):
    """The tables of a figures.json, without what is beside them."""
    return {style: figures[style] for style in card.STYLES}


def make(out, folder):
    """card.json's content and the number of parameters by part. Raises ValueError for figures of the
    tuning seed."""
    options, manifest = read(out, "options.json", {}), read(folder, "flamingo.json")
    if any(o.get("tuning") for stage, o in options.items() if stage.startswith("measure")):
        raise ValueError(f"show_card: {out}: figures are of the seed for tuning: measure again without --tuning")
    sizes, held = collections.Counter(), collections.Counter()
    for name, x in tensorfile.read(os.path.join(out, "model.safetensors")).items():
        sizes[name.split(".")[0]] += x.size
    for t in manifest["tensors"]:
        held[t["dtype"]] += t["bytes"]
    count, figures = sum(sizes.values()), read(out, "figures.json")
    others = {d: read(out, f"figures-{d}.json", {}) for d in DTYPES}
    return {
        "name": manifest["name"], "parameters": count, "stored": held.most_common(1)[0][0],
        "bytes": sum(f["bytes"] for f in manifest["files"]),
        "summary": f"A Flamingo of {count / 1e6:.1f} million parameters that knows {len(concepts.ONE)} things as stickers, "
                   "not photographs: it says which there are, how many, where and on what ground, and what they do in a video.",
        "figures": tables(figures), "quantised": {d: tables(f) for d, f in others.items() if f}, "gates": figures["gates"],
        "failures": [{**row, "image": "failures/" + row["image"].removeprefix("failure-")} for row in read(out, "failures.json", [])],
    }, sizes


def main(argv=None):
    """Write MODEL/card.json, MODEL/README.md and MODEL/failures."""
    p = argparse.ArgumentParser(description="Write the model card of a trained sticker Flamingo.")
    p.add_argument("out", help="what train_stickers.py wrote, measured, and exported")
    p.add_argument("model", help="folder of the converted model")
    o = p.parse_args(argv)
    made, sizes = make(o.out, o.model)
    shutil.rmtree(os.path.join(o.model, "failures"), ignore_errors=True)
    os.makedirs(os.path.join(o.model, "failures"))
    for row in made["failures"]:
        name = os.path.basename(row["image"])
        shutil.copyfile(os.path.join(o.out, "failure-" + name), os.path.join(o.model, "failures", name))
    judged = bars.judge(made["figures"], made["quantised"].get(made["stored"], {}))
    with open(os.path.join(o.model, "card.json"), "w", encoding="utf-8") as f:
        json.dump(made, f, indent=1)
        f.write("\n")
    with open(os.path.join(o.model, "README.md"), "w", encoding="utf-8") as f:
        f.write(card.markdown(made, read(o.out, "config.json"), sizes, read(o.out, "options.json", {}), judged))
    print(f"wrote {o.model}/card.json and README.md: {sum(v.met for v in judged)} of {len(judged)} bars met")


if __name__ == "__main__":
    main()
