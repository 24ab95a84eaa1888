"""What the model must reach, and whether it does. A bar counts as met only if the model itself and the
one that is shipped both meet it."""
import collections

# What is measured, where, and the least or the most that will do.
Bar = collections.namedtuple("Bar", "what style table row least most", defaults=(None, None))
# met: True or False; got and shipped: figures as in the tables, or None where nothing was measured.
Verdict = collections.namedtuple("Verdict", "what bar got shipped met")

BARS = (
    Bar("objects named (F1)", "seen", "captions", "object F1", least=0.93),
    Bar("groups counted", "seen", "captions", "count", least=0.90),
    Bar("relations", "seen", "captions", "relation", least=0.90),
    Bar("backgrounds", "seen", "captions", "background", least=0.95),
    Bar("objects named in an unseen set (F1)", "unseen", "captions", "object F1", least=0.45),
    Bar("objects named blind (F1)", "seen", "captions, blind", "object F1", most=0.10),
    Bar("motions of videos", "seen", "videos", "motion", least=0.95),
    Bar("invented names, no examples", "seen", "in context: name", "0 shots", most=0.10),
    Bar("invented names, 8 examples", "seen", "in context: name", "8 shots", least=0.80),
    Bar("formats, 2 examples", "seen", "in context: format", "2 shots", least=0.90),
)
CONTEXT = "in context: "
LOSS = 0.01


def judge(figures, shipped):
    """Verdicts on figures and on those of the shipped model ({style: {table: {row: figure}}}), each of
    them as measure.everything gives it; shipped may be {}."""
    out = [_level(bar, figures, shipped) for bar in BARS]
    for style in ("seen", "unseen"):
        for table in figures.get(style, {}):
            if table.startswith(CONTEXT):
                ends = [_ends(f, style, table) for f in (figures, shipped)]
                met = all(_rises(f.get(style, {}).get(table, {})) for f in (figures, shipped))
                out.append(Verdict(f"{style}, {table}", "rises with examples", *ends, met))
    return out + [_loss(figures, shipped)]


def _figure(figures, style, table, row):
    return figures.get(style, {}).get(table, {}).get(row)


def _level(bar, figures, shipped):
    got = [_figure(f, bar.style, bar.table, bar.row) for f in (figures, shipped)]
    reaches = lambda v: v["value"] >= bar.least if bar.least is not None else v["value"] <= bar.most
    limit = f"at least {100 * bar.least:.0f} %" if bar.least is not None else f"at most {100 * bar.most:.0f} %"
    return Verdict(bar.what, limit, *got, all(v is not None and reaches(v) for v in got))


def curve(rows):
    """Figures of a table of shots in the order of their number: [(shots, figure)]."""
    return sorted((int(name.split()[0]), f) for name, f in rows.items())


def _ends(figures, style, table):
    points = curve(figures.get(style, {}).get(table, {}))
    return [points[0][1], points[-1][1]] if points else None


def _rises(rows):
    """Whether a curve ends surely above its start, and no more examples are ever surely worse than fewer."""
    points = [f for _, f in curve(rows)]
    return (len(points) > 1 and points[-1]["low"] > points[0]["high"]
            and all(b["value"] >= a["low"] for a, b in zip(points, points[1:])))


def _loss(figures, shipped):
    """The most that the shipped model loses in a figure that has a least."""
    pairs = [(bar, *(_figure(f, bar.style, bar.table, bar.row) for f in (figures, shipped))) for bar in BARS if bar.least]
    pairs = [(a["value"] - b["value"], bar.what, a, b) for bar, a, b in pairs if a and b]
    limit = f"at most {100 * LOSS:.0f} point"
    if not pairs:
        return Verdict("lost by rounding", limit, None, None, False)
    loss, what, a, b = max(pairs, key=lambda p: p[0])
    return Verdict(f"lost by rounding, most of all in: {what}", limit, a, b, round(loss, 6) <= LOSS)
