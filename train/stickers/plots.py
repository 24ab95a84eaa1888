"""Plots of every loss and figure of a stage, drawn from its log."""
import json
import os

from PIL import Image, ImageDraw

WIDTH, HEIGHT, MARGIN = 360, 200, 34


def _panel(draw, left, top, name, steps, values):
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    x0, y0, x1, y1 = left + MARGIN + 14, top + 20, left + WIDTH - 10, top + HEIGHT - 22
    draw.rectangle((x0, y0, x1, y1), outline=(190, 190, 190))
    draw.text((x0, top + 4), f"{name}: {values[-1]:.3f}", fill=(0, 0, 0))
    draw.text((left + 2, y0 - 4), f"{high:.3g}", fill=(90, 90, 90))
    draw.text((left + 2, y1 - 8), f"{low:.3g}", fill=(90, 90, 90))
    draw.text((x1 - 40, y1 + 4), str(steps[-1]), fill=(90, 90, 90))
    points = [(x0 + (x1 - x0) * s / steps[-1], y1 - (y1 - y0) * (v - low) / span) for s, v in zip(steps, values)]
    draw.line(points if len(points) > 1 else points * 2, fill=(30, 90, 200), width=2)


def draw(log, path):
    """Plot a stage's log (a .jsonl of stage.run) into a PNG, three panels a row. A run that was
    resumed wrote some steps twice: the later counts."""
    rows = {}
    with open(log, encoding="utf-8") as f:
        for line in f:
            row = json.loads(line)
            rows[row["step"]] = row
    steps = sorted(rows)
    names = [n for n in rows[steps[-1]] if n != "step"]
    image = Image.new("RGB", (3 * WIDTH, -(-len(names) // 3) * HEIGHT), "white")
    pen = ImageDraw.Draw(image)
    for i, name in enumerate(names):
        mine = [s for s in steps if name in rows[s]]
        _panel(pen, i % 3 * WIDTH, i // 3 * HEIGHT, name, mine, [rows[s][name] for s in mine])
    image.save(path)


def all_of(work, out):
    """Plot every stage that has a log in `work` into `out`/STAGE.png."""
    for name in sorted(os.listdir(work)):
        if name.endswith(".jsonl"):
            draw(os.path.join(work, name), os.path.join(out, name.removesuffix(".jsonl") + ".png"))
