"""Tests of the training code: python3 -m unittest discover -s train"""
import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import numpy as np  # noqa: E402
import torch  # noqa: E402
from PIL import Image  # noqa: E402

import bpe  # noqa: E402
import flamingo  # noqa: E402
import nano  # noqa: E402
import nfnet  # noqa: E402
import preprocess  # noqa: E402
import tensorfile  # noqa: E402
import world  # noqa: E402

GOLDEN = os.path.join(HERE, "..", "testdata", "nfnet-nano")


class WorldTest(unittest.TestCase):
    def setUp(self):
        rng = np.random.default_rng(5)
        self.rows = np.stack([world.sample(rng) for _ in range(500)])

    def test_captions(self):
        row = np.array([world.PAIR, 255, 0, 1, 3, 2, 255, 255, 0, 3, 4], np.uint8)
        self.assertEqual(world.caption(row), " an orange circle to the left of a yellow star "
                                             "on a dotted pale blue background")

    def test_mirror_twice_is_identity_and_moves_sides(self):
        twice = world.mirror(world.mirror(self.rows))
        np.testing.assert_array_equal(twice, self.rows)
        for row, flipped in zip(self.rows, world.mirror(self.rows)):
            text = world.caption(row)
            if row[world.KIND] == world.SINGLE:
                want = text.replace("left", "@").replace("right", "left").replace("@", "right")
                self.assertEqual(world.caption(flipped), want)


class TokenizerTest(unittest.TestCase):
    def test_round_trip_and_specials(self):
        tokenizer = nano.learn_tokenizer(1)
        self.assertEqual(len(tokenizer), nano.VOCAB)
        for text in (" a small red ring", "Output: ünïcode 🙂\n\n  x", "'ll don't"):
            self.assertEqual(tokenizer.decode(tokenizer.encode(text)), text)
        ids = tokenizer.encode("<image>Output: a circle<EOC>")
        self.assertEqual((ids[0], ids[-1]), (bpe.IMAGE, bpe.EOC))
        self.assertEqual(len(tokenizer.encode(" circle")), 1)


class PreprocessTest(unittest.TestCase):
    def test_rounds_half_up_and_centres(self):
        self.assertEqual(preprocess.fitted_size(192, 65, 96), (96, 33))
        self.assertEqual(preprocess.fitted_size(1, 4000, 96), (1, 96))
        canvas, box = preprocess.fit(Image.new("RGB", (192, 65), (255, 0, 0)), 96)
        self.assertEqual(box, (0, 31, 96, 33))
        x = preprocess.normalise(canvas[None], [box])[0]
        self.assertEqual(abs(x[:31]).max() + abs(x[64:]).max(), 0)
        self.assertAlmostEqual(float(x[31, 0, 0]), (1 - .485) / .229, places=5)


class ModelTest(unittest.TestCase):
    def test_closed_gates_are_the_language_model(self):
        torch.manual_seed(0)
        model = flamingo.Flamingo(nano.CONFIG)
        ids = torch.tensor([[bpe.BOS, 20, bpe.IMAGE, 30, 40]])
        images = torch.randn(1, 3, 96, 96)
        torch.testing.assert_close(model(images, ids), model.lm(ids))

    def test_text_sees_the_image_from_its_tag_on(self):
        torch.manual_seed(0)
        model = flamingo.Flamingo(nano.CONFIG)
        for block in model.xattn.values():
            torch.nn.init.ones_(block.attn_gate)
        for block in model.lm.blocks:
            torch.nn.init.zeros_(block.out.weight)  # no other way from one position to another
        ids = torch.tensor([[bpe.BOS, 20, bpe.IMAGE, 30, 40]])
        a, b = (model(torch.randn(1, 3, 96, 96), ids) for _ in range(2))
        torch.testing.assert_close(a[:, :2], b[:, :2])
        self.assertGreater((a[:, 2:] - b[:, 2:]).abs().amax(-1).min(), 1e-4)

    @unittest.skipUnless(os.path.exists(GOLDEN), "testdata/nfnet-nano is absent")
    def test_nfnet_golden(self):
        weights = tensorfile.read(os.path.join(GOLDEN, "model.safetensors"))
        want = tensorfile.read(os.path.join(GOLDEN, "expected.safetensors"))
        model = nfnet.NFNet({"stem": [2, 4, 8, 16], "widths": [32, 64, 96, 96], "depths": [1, 2, 3, 1],
                             "groupWidth": 16, "features": 128, "activation": "gelu"}).eval()
        model.load_state_dict({k: torch.from_numpy(v.copy()) for k, v in weights.items() if "head" not in k})
        images = [k for k in want if "image" in k]
        self.assertTrue(images)
        for name in images:
            with torch.no_grad():
                got = model(torch.from_numpy(want[name].copy()).reshape(-1, 3, *want[name].shape[-2:]))
            ref = want[name.replace("image", "features")]
            ref = torch.from_numpy(ref.copy()).reshape(len(got), ref.shape[-3], -1).transpose(1, 2)
            self.assertLess(((got - ref).norm() / ref.norm()).item(), 1e-5)


if __name__ == "__main__":
    unittest.main()
