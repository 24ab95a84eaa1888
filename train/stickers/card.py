"""The model card: figures as Markdown tables, and the text around them (card.md)."""
import os

from stickers import bars, concepts

HERE = os.path.dirname(os.path.abspath(__file__))
STYLES = ("seen", "unseen")
# The drawings: (names, whose, licence, use).
SETS = (
    ("Noto Emoji, two generations", "Google", "Apache-2.0", "training"),
    ("Twemoji", "Twitter and contributors", "CC-BY-4.0", "training"),
    ("Fluent Emoji: 3D, flat and high contrast", "Microsoft", "MIT", "training"),
    ("EmojiOne 2 (EmojiTwo), coloured and monotone", "Emoji One and contributors", "CC-BY-4.0", "training"),
    ("OpenMoji", "the OpenMoji project", "CC-BY-SA-4.0", "measuring alone"),
)
PARTS = {"vision": "encoder (NFNet)", "resampler": "resampler", "xattn": "gated cross-attention", "lm": "decoder"}
TRAINED = (("contrast", "contrast_steps", "encoder, by contrast with captions; then frozen"),
           ("language", "language_steps", "decoder, on text; then frozen"),
           ("align", "align_steps", "resampler and first cross-attention, without the decoder"),
           ("interleave", "interleave_steps", "resampler, cross-attention and the end of a chunk"))
RESOLVED = ("captions", "questions", "videos")  # tables that are given for 8 and 4 bits too, beside examples


def shown(figure, table_row=""):
    """A figure with its interval: "94.1 % (93.0 to 95.0)"."""
    if figure is None:
        return "not measured"
    if table_row == "CIDEr":
        return "{value:.2f} ({low:.2f} to {high:.2f})".format(**figure)
    value, low, high = (100 * figure[k] for k in ("value", "low", "high"))
    return f"{value:.1f} % ({low:.1f} to {high:.1f})"


def table(head, rows):
    """A Markdown table of texts."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def by_row(columns):
    """{heading: {row: figure}} as a table with a line for each row, and how many cases each has."""
    names = list(dict.fromkeys(name for rows in columns.values() for name in rows))
    cases = lambda name: ", ".join(dict.fromkeys(f"{rows[name]['n']}" for rows in columns.values() if name in rows))
    return table(["", *columns, "cases"],
                 [[name, *(shown(rows.get(name), name) for rows in columns.values()), cases(name)] for name in names])


def _of(figures, tables):
    """Columns of by_row: the given tables of both styles, {table: heading or ""}."""
    return {", ".join(filter(None, (style, heading))): figures[style].get(t, {})
            for style in STYLES for t, heading in tables.items()}


def contexts(figures):
    """The curves over examples, a line for each task and style."""
    names = [(t, s) for t in figures["seen"] if t.startswith(bars.CONTEXT) for s in STYLES]
    shots = [n for n, _ in bars.curve(figures[names[0][1]][names[0][0]])]
    rows = [[f"{t.removeprefix(bars.CONTEXT)}, {s}", *(shown(f) for _, f in bars.curve(figures[s].get(t, {})))] for t, s in names]
    return table(["examples", *map(str, shots)], rows)


def quantised(figures, others):
    """One table a style: figures of the model and of it in other dtypes ({dtype: figures})."""
    out = []
    for style in STYLES:
        rows = []
        for t, figured in figures[style].items():
            for row, f in figured.items():
                if t in RESOLVED or t.startswith(bars.CONTEXT):
                    same = [o.get(style, {}).get(t, {}).get(row) for o in others.values()]
                    rows.append([f"{t}: {row}", shown(f, row), *(shown(x, row) for x in same)])
        out.append(table([style, "f32", *others], rows))
    return "\n\n".join(out)


def verdicts(judged, stored):
    """The bars, met and missed."""
    both = lambda got: " to ".join(shown(f) for f in got) if isinstance(got, list) else shown(got)
    return table(["", "bar", "f32", stored, ""],
                 [[v.what, v.bar, both(v.got), both(v.shipped), "met" if v.met else "**missed**"] for v in judged])


def headline(judged):
    """What a reader must know first."""
    missed = [v.what for v in judged if not v.met]
    if not missed:
        return f"It meets all {len(judged)} bars set for it, see below."
    return f"**It misses {len(missed)} of the {len(judged)} bars set for it:** {'; '.join(missed)}. See below."


def gates(figures):
    """A line for each cross-attention."""
    held = {}
    for name, value in figures["gates"].items():
        block, kind = name.removeprefix("xattn.").split(".")
        held.setdefault(block, {})[kind] = f"{value:.3f}"
    return table(["before block", "attention", "feed-forward"],
                 [[b, g.get("attn_gate", ""), g.get("ff_gate", "")] for b, g in held.items()])


def failures(rows):
    """Pictures with what is said and what is true."""
    if not rows:
        return "There is none among them."
    return table(["", "it says", "there is", "drawings"],
                 [[f"![]({r['image']})", r["said"] or "(no end)", r["truth"], r["style"]] for r in rows])


def markdown(card, config, sizes, options, judged):
    """The whole card. card: as in card.json; config: the model's; sizes: parameters by part; options:
    as train_stickers.py notes them, by stage; judged: bars.judge of it."""
    f, last = card["figures"], options.get("interleave", {})
    figures = {**f, "gates": card["gates"]}
    steps = lambda key, stage: str(options.get("interleave" if stage == "align" else stage, {}).get(key, "not noted"))
    with open(os.path.join(HERE, "card.md"), encoding="utf-8") as text:
        return text.read().format(
            name=card["name"], summary=card["summary"], headline=headline(judged), stored=card["stored"],
            bytes=f"{card['bytes']:,}", concepts=len(concepts.ONE), side=config["preprocess"]["size"],
            frames=config["resampler"]["frames"], vocab=config["lm"]["vocab"], positions=config["lm"]["maxPositions"],
            sizes="\n".join(f"| {PARTS[p]} | {n:,} |" for p, n in (*sizes.items(),)) + f"\n| all | {card['parameters']:,} |",
            verdicts=verdicts(judged, card["stored"]),
            captions=by_row(_of(f, {"captions": "", "captions, blind": "blind"})),
            questions=by_row(_of(f, {"questions": "", "questions, blind": "blind"})),
            videos=by_row(_of(f, {"videos": "", "videos, shuffled": "shuffled", "videos, no time": "no time"})),
            motions=by_row(_of(f, {"motions": ""})), contexts=contexts(f), quantised=quantised(f, card["quantised"]),
            gates=gates(figures), failures=failures(card["failures"]),
            recipe="\n".join(f"| {s} | {what} | {steps(key, s)} |" for s, key, what in TRAINED),
            sets="\n".join("| " + " | ".join(row) + " |" for row in SETS),
            **{key: last.get(key, "not noted") for key in ("seed", "pool", "pools", "clips")})
