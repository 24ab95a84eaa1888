"""Tests of rows without padding: python3 -m unittest discover -s train"""
import os
import sys
import types
import unittest
from unittest import mock

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import numpy as np  # noqa: E402
import torch  # noqa: E402

import bpe  # noqa: E402
import flamingo  # noqa: E402
from stickers import batches, clips, decode, documents, language, packed, scenes  # noqa: E402

LM = {"dim": 32, "depth": 3, "heads": 4, "hidden": 64, "vocab": 300}


class Letters:
    """A tokenizer of letters."""

    def encode(self, text):
        return [bpe.IMAGE + 1 + ord(c) % 128 for c in text]


class PackedTest(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(0)
        having = [[0]] * len(scenes.concepts.ONE)
        known = [scenes.sample(1, i, having) for i in range(600)]
        self.source = batches.Source(Letters(), documents.Library(known), [clips.sample(1, i, having) for i in range(9)])
        self.lm = flamingo.Decoder(LM)
        x = {"heads": 4, "headDim": 8, "hidden": 64}
        self.xattn = torch.nn.ModuleDict({i: flamingo.GatedCrossAttention(x, 32, 32) for i in "02"})
        for block in self.xattn.values():
            torch.nn.init.ones_(block.attn_gate)
            torch.nn.init.ones_(block.ff_gate)
        rng = np.random.default_rng(3)
        self.drawn = [self.source.draw(name, rng, 7) for name in batches.DATASETS]
        self.rows = packed.Packed(self.drawn, "cpu")
        self.media = [torch.randn(sum(map(len, b.items)), 5, 32) for b in self.drawn]

    def dense(self, b, media):
        """States of a Batch as `hidden` computes them, of its real tokens."""
        most = max(map(len, b.items))
        shelf, k = torch.zeros(len(b.items), most, 5, 32), 0
        for i, items in enumerate(b.items):
            shelf[i, :len(items)] = media[k:k + len(items)]
            k += len(items)
        return self.lm.hidden(b.ids, shelf, self.xattn, b.phi)[b.ids != bpe.PAD]

    def test_states_and_gradients_are_those_of_padded_rows(self):
        want = torch.cat([self.dense(b, m) for b, m in zip(self.drawn, self.media)])
        got = self.lm.through(self.lm.embed(self.rows.ids), self.rows.mix(self.lm), torch.cat(self.media), self.xattn, self.rows.see)
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-5)
        weights = torch.randn_like(want)
        named = [*self.lm.named_parameters(), *self.xattn.named_parameters()]
        one, two = (torch.autograd.grad((x * weights).sum(), [p for _, p in named]) for x in (want, got))
        for (name, _), a, b in zip(named, one, two):
            torch.testing.assert_close(b, a, rtol=1e-3, atol=1e-3, msg=lambda m: f"{name}: {m}")

    def test_answers_are_those_of_each_row_alone(self):
        for block in self.lm.blocks:
            torch.nn.init.normal_(block.out.weight)
        rows = [[bpe.BOS, bpe.IMAGE, 30, 31, bpe.EOC, bpe.IMAGE, 40 + i] + [50] * i for i in (0, 3, 1)]
        media, want = torch.randn(3, 2, 5, 32), []
        for row, shown in zip(rows, media):
            ids = torch.tensor([row])
            for _ in range(12):
                phi = (ids == bpe.IMAGE).cumsum(1)
                logits = self.lm.hidden(ids, shown[None], self.xattn, phi)[:, -1] @ self.lm.embed.weight.T
                logits[:, decode.BANNED] = float("-inf")
                ids = torch.cat((ids, logits.argmax(-1, keepdim=True)), 1)
            want.append(ids[0, len(row):].tolist())
        # Answers end with a token that each says late, if at all.
        end = max(set(want[0]), key=want[0].index)
        want = [said[:said.index(end)] if end in said else None for said in want]
        self.assertGreater(len(want[0]), 4)
        model = types.SimpleNamespace(lm=self.lm, xattn=self.xattn)
        with mock.patch.object(decode, "LIMIT", 12), mock.patch.object(bpe, "EOC", end):
            self.assertEqual(decode.greedy(model, media, rows, 2), want)

    def test_tokens_are_shown_their_own_picture(self):
        values, first = torch.arange(float(sum(map(len, self.media))))[:, None], 0
        got = self.rows.shown(1 + values)[:, 0]
        for i, b in enumerate(self.drawn):
            starts = torch.tensor([0] + [len(items) for items in b.items]).cumsum(0)[:-1, None]
            want = torch.where(b.phi > 0, first + starts + b.phi, 0)[b.ids != bpe.PAD]
            torch.testing.assert_close(got[self.rows.dataset == i], want.float())
            first += len(self.media[i])

    def test_losses_are_means_of_their_data_set(self):
        states = torch.randn(len(self.rows.ids), 32)
        learned = self.rows.targets >= 0
        amp = lambda: torch.autocast("cpu", torch.bfloat16, enabled=False)
        total, figures, right = language.text_loss(self.lm, states, learned, self.rows, amp)
        each = torch.nn.functional.cross_entropy(states @ self.lm.embed.weight.T, self.rows.targets, reduction="none")
        for i, name in enumerate(batches.DATASETS):
            mine = learned & (self.rows.dataset == i)
            self.assertAlmostEqual(figures[name], each[mine].mean().item(), places=4)
            self.assertAlmostEqual(figures[name + " tokens"], right[mine].mean().item(), places=6)
        self.assertAlmostEqual(total.item(), sum(batches.LAMBDA[n] * figures[n] for n in batches.DATASETS), places=3)


if __name__ == "__main__":
    unittest.main()
