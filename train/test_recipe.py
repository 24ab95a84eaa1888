"""The sticker model's whole recipe in its shortest form, from an atlas of noise to an exported model:
python3 -m unittest discover -s train
"""
import os
import sys
import tempfile
import unittest
from unittest import mock

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import show_card  # noqa: E402
import test_stickers  # noqa: E402
import tensorfile  # noqa: E402
import train_stickers  # noqa: E402
from stickers import batches, clips, config, contrast, decode, measure, speech  # noqa: E402

VISION = {**config.CONFIG["vision"], "depths": [1, 1, 1, 1]}
SHORT = (mock.patch.dict(batches.SIZES, dict.fromkeys(batches.SIZES, 2)), mock.patch.object(contrast, "BATCH", 8),
         mock.patch.object(measure, "SHOTS", (0, 2)), mock.patch.object(decode, "LIMIT", 2),
         mock.patch.dict(config.CONFIG, vision=VISION, lm={**config.CONFIG["lm"], "depth": 2}))


class RecipeTest(unittest.TestCase):
    def setUp(self):
        for patch in SHORT:
            patch.start()
            self.addCleanup(patch.stop)

    def test_from_nothing_to_an_exported_model_and_resumed(self):
        with tempfile.TemporaryDirectory() as folder:
            test_stickers.fake_atlas(folder)
            out = os.path.join(folder, "out")
            argv = ["--atlas", folder, "--out", out, "--small", "--pool", "64", "--clips", "4", "--contrast-steps", "2",
                    "--language-steps", "2", "--align-steps", "2", "--interleave-steps", "2", "--measure", "0.005", "--device", "cpu"]
            train_stickers.main(argv)
            figures = show_card.read(out, "figures.json")
            self.assertEqual(set(figures), {"gates", "seen", "unseen"})
            for table in ("questions", "questions, blind"):
                self.assertEqual(set(figures["seen"][table]), set(speech.QUESTIONS))
            self.assertEqual(sum(f["n"] for f in figures["unseen"]["motions"].values()), figures["unseen"]["videos"]["motion"]["n"])
            self.assertLessEqual(set(figures["seen"]["motions"]), set(clips.MOTIONS))
            for row in show_card.read(out, "failures.json"):
                self.assertTrue(os.path.exists(os.path.join(out, row["image"])), row)
            self.assertTrue(os.path.exists(os.path.join(out, "check", show_card.read(out, "check/expected.json")["pictures"][7]["file"])))
            noted = show_card.read(out, "options.json")
            self.assertEqual((set(noted), noted["interleave"]["align_steps"]), (set(train_stickers.STAGES), 2))
            first = tensorfile.read(os.path.join(out, "model.safetensors"))
            self.assertLess(sum(x.size for x in first.values()), 16e6)
            self.assertTrue(os.path.exists(os.path.join(out, "interleave.png")))
            train_stickers.main([*argv, "--stages", "contrast,language,interleave,export"])
            again = tensorfile.read(os.path.join(out, "model.safetensors"))
            self.assertTrue(all((first[k] == again[k]).all() for k in first))
            # The decoder is as stage 2 left it, but for <EOC>.
            train_stickers.main([*argv, "--stages", "interleave,export", "--interleave-steps", "3"])
            more = tensorfile.read(os.path.join(out, "model.safetensors"))
            moved = {k for k in first if (first[k] != more[k]).any()}
            self.assertEqual({k.split(".")[0] for k in moved}, {"lm", "resampler", "xattn"})
            rows = (first["lm.embed.weight"] != more["lm.embed.weight"]).any(1)
            self.assertEqual(rows.nonzero()[0].tolist(), [3])
            self.assertEqual([k for k in moved if k.startswith("lm.")], ["lm.embed.weight"])


if __name__ == "__main__":
    unittest.main()
