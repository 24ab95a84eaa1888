"""Everything the model card has figures for, with 95 % intervals, on pictures of fresh seeds."""
import json
import os

import numpy as np
import torch
from PIL import Image

import bpe
import preprocess
from stickers import clips, config, decode, documents, features, paint, scenes, scores, speech

# Tuning looks at the first, the card gives figures on the second; neither is a training seed.
TUNING, FRESH = 50_000_001, 60_000_001
SHOTS = (0, 1, 2, 4, 8)


class Examiner:
    """Scenes and clips of one set of styles, seen by the model; figures of it."""

    def __init__(self, model, tokenizer, atlas, styles, seed, device, amp, scale=1.0):
        self.model, self.tokenizer, self.atlas, self.device, self.amp = model.eval(), tokenizer, atlas, device, amp
        self.having, self.seed, self.scale = atlas.having(styles), seed, scale

    def _n(self, n):
        return max(4, int(n * self.scale))

    @torch.no_grad()
    def tokens(self, pixels):
        """Pictures [n, S, S, 3] or videos [n, F, S, S, 3] -> visual tokens [n, R, dim]."""
        out = []
        for i in range(0, len(pixels), 32):
            x = pixels[i:i + 32]
            seen = features.see(self.model.vision, x.reshape(-1, *x.shape[-3:]), self.device)
            seen = torch.from_numpy(seen.astype(np.float32)).to(self.device)
            with self.amp():
                out.append(self.model.resampler(seen.reshape(*x.shape[:-3], *seen.shape[1:])).float())
        return torch.cat(out)

    def paint(self, known):
        """Pictures of scenes as a page shows them."""
        return np.stack([paint.picture(s, self.atlas, np.random.default_rng([self.seed, 6, i]), augment=False)
                         for i, s in enumerate(known)])

    def answers(self, tokens, prompts):
        """Texts for prompts (after <BOS><image>) on visual tokens [n, R, dim]."""
        with self.amp():
            rows = [[bpe.BOS, bpe.IMAGE] + self.tokenizer.encode(p) for p in prompts]
            return decode.say(self.model, tokens[:, None], rows, self.tokenizer)

    def blank(self, n):
        """Visual tokens of n pictures of nothing, of the colour that is zero to the encoder."""
        nothing = np.uint8(np.array(preprocess.MEAN) * 255 + 0.5)
        return self.tokens(np.broadcast_to(nothing, (1, paint.SIDE, paint.SIDE, 3))).expand(n, -1, -1)

    def captions(self, n=1000):
        """Tables of captions, and of the same model blind; up to 12 failures with their pictures."""
        known = [scenes.sample(self.seed, i * scenes.FAMILY, self.having) for i in range(self._n(n))]
        pixels = self.paint(known)
        tokens = self.tokens(pixels)
        given = self.answers(tokens, [documents.OUTPUT] * len(known))
        guess = self.answers(self.blank(1), [documents.OUTPUT])[0]
        text = lambda x: x and x.strip()
        wrong = [(pixels[i], text(given[i]), text(speech.caption(s))) for i, s in enumerate(known) if given[i] != speech.caption(s)]
        return {"captions": scores.captions(given, known),
                "captions, blind": scores.captions([guess] * len(known), known)}, wrong[:12]

    def questions(self, n=150):
        """Accuracy of answers by kind of question, n of each, and of the same model blind."""
        rng = np.random.default_rng([self.seed, 7])
        cases, i, out = [], 0, {}
        for kind in speech.QUESTIONS:
            found = 0
            while found < self._n(n):
                scene = scenes.sample(self.seed + 1, i * scenes.FAMILY, self.having)
                i += 1
                pair = speech.ask(scene, kind, rng)
                if pair:
                    cases.append((kind, scene, *pair))
                    found += 1
        seen = self.tokens(self.paint([c[1] for c in cases]))
        for name, tokens in (("questions", seen), ("questions, blind", self.blank(len(cases)))):
            tally = scores.Tally()
            given = self.answers(tokens, [documents.QUESTION.format(c[2]) for c in cases])
            for (kind, _, _, answer), text in zip(cases, given):
                tally.add(kind, text == answer)
            out[name] = tally.table()
        return out

    def videos(self, n=400):
        """Motion accuracy and exact captions: as they are, frames shuffled, temporal embeddings zeroed;
        and of videos as they are by motion."""
        known = [clips.sample(self.seed, i, self.having) for i in range(self._n(n))]
        films = np.stack([clips.frames(c, self.atlas, np.random.default_rng([self.seed, 8, i]), augment=False)
                          for i, c in enumerate(known)])
        rng = np.random.default_rng([self.seed, 9])
        shuffled = np.stack([f[rng.permutation(clips.FRAMES)] for f in films])
        out = {}
        for name, x, zeroed in (("videos", films, False), ("videos, shuffled", shuffled, False), ("videos, no time", films, True)):
            time = self.model.resampler.time.data.clone()
            if zeroed:
                self.model.resampler.time.data.zero_()
            given = self.answers(self.tokens(x), [documents.OUTPUT] * len(known))
            self.model.resampler.time.data.copy_(time)
            tally, by_motion = scores.Tally(), scores.Tally()
            for clip, text in zip(known, given):
                tally.add("motion", _motion(text) == clip.motion)
                tally.add("exact", text == clips.caption(clip))
                by_motion.add(clip.motion, _motion(text) == clip.motion)
            out[name] = tally.table()
            if x is films and not zeroed:
                rows = by_motion.table()
                out["motions"] = {m: rows[m] for m in clips.MOTIONS if m in rows}
        return out

    def in_context(self, n=200, library=8000):
        """Exact answers of each in-context task at each number of shots, names and formats unseen."""
        known = [scenes.sample(self.seed + 2, i * scenes.FAMILY, self.having, kind)
                 for i, kind in enumerate((["single"] * 3 + ["group", "pair", "several"]) * (library // 6))]
        shelf = documents.Library(known)
        tokens, out = {}, {}
        for kind in documents.TASKS:
            out["in context: " + kind] = tally = scores.Tally()
            for shots in SHOTS:
                rng = np.random.default_rng([self.seed, 10, shots])
                docs = [documents.task(kind, shots, shelf, rng, held_out=True) for _ in range(self._n(n))]
                new = sorted({c.item for d in docs for c in d} - tokens.keys())
                if new:
                    tokens.update(zip(new, self.tokens(self.paint([known[i] for i in new]))))
                media = torch.stack([torch.stack([tokens[c.item] for c in d]) for d in docs])
                rows = []
                for d in docs:
                    row = [bpe.BOS]
                    for c in d[:-1]:
                        row += [bpe.IMAGE] + self.tokenizer.encode(c.prompt + c.answer) + [bpe.EOC]
                    rows.append(row + [bpe.IMAGE] + self.tokenizer.encode(d[-1].prompt))
                with self.amp():
                    given = decode.say(self.model, media, rows, self.tokenizer)
                for d, text in zip(docs, given):
                    tally.add(f"{shots} shots", text == d[-1].answer)
            out["in context: " + kind] = tally.table()
        return out


def _motion(text):
    for motion, words in sorted(clips.WORDS.items(), key=lambda x: -len(x[1])):
        if f" {words} " in (text or ""):
            return motion
    return None


def everything(model, tokenizer, atlas, seed, device, amp, scale=1.0):
    """All tables for the seen styles and the unseen one, with the gates: (figures, failures by style)."""
    out, failures = {"gates": {n: float(torch.tanh(p)) for n, p in model.named_parameters() if n.endswith("_gate")}}, {}
    for name, styles in (("seen", [atlas.sets.index(s) for s in config.SEEN if s in atlas.sets]), ("unseen", atlas.unseen)):
        e = Examiner(model, tokenizer, atlas, styles, seed, device, amp, scale)
        tables, failures[name] = e.captions()
        tables.update(**e.questions(), **e.videos(), **e.in_context())
        out[name] = tables
    return out, failures


def write(figures, failures, folder, dtype=None):
    """Write figures.json into a folder, with failures.json and their pictures; of the model in a dtype
    figures-DTYPE.json alone."""
    def put(name, what):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            json.dump(what, f, indent=1)

    put(f"figures{'-' + dtype if dtype else ''}.json", figures)
    if not dtype:
        rows = []
        for style, wrong in failures.items():
            for i, (pixels, said, truth) in enumerate(wrong):
                rows.append({"image": f"failure-{style}-{i}.png", "style": style, "said": said, "truth": truth})
                Image.fromarray(pixels).save(os.path.join(folder, rows[-1]["image"]), optimize=True)
        put("failures.json", rows)


def show(figures):
    """Figures as lines of text."""
    lines = ["gates: " + ", ".join(f"{n.removeprefix('xattn.')} {v:.2f}" for n, v in figures["gates"].items())]
    for name in ("seen", "unseen"):
        for table, rows in figures[name].items():
            for row, f in rows.items():
                lines.append(f"{name:6} {table:24} {row:26} {f['value']:.3f} ({f['low']:.3f} to {f['high']:.3f}) of {f['n']}")
    return "\n".join(lines)
