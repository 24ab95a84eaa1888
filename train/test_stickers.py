"""Tests of the sticker world and its stages: python3 -m unittest discover -s train"""
import json
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import numpy as np  # noqa: E402
import torch  # noqa: E402

import nfnet  # noqa: E402

from stickers import atlas, clips, concepts, config, contrast, documents, features, paint, scenes, scores, speech, stored  # noqa: E402

ANY = [[0]] * len(concepts.ONE)


def fake_atlas(folder):
    """An atlas of small noise: the drawings are not in the repository."""
    sets = ["noto", atlas.UNSEEN]
    with open(os.path.join(folder, "atlas.json"), "w", encoding="utf-8") as f:
        json.dump({"side": 32, "sets": sets, "icons": concepts.ICONS}, f)
    noise = np.random.default_rng(0).integers(0, 255, (len(sets), len(concepts.ICONS), 32, 32, 5), np.uint8)
    np.save(os.path.join(folder, "atlas-32.npy"), noise)
    return atlas.Atlas(folder)


class WorldTest(unittest.TestCase):
    def setUp(self):
        self.scenes = [scenes.sample(3, i, ANY) for i in range(800)]

    def test_names_are_distinct(self):
        self.assertGreaterEqual(len(concepts.ONE), 500)
        self.assertEqual(len(set(concepts.ONE)), len(concepts.ONE))

    def test_captions_say_the_facts(self):
        s = scenes.Sticker
        ox, owl = concepts.ONE.index("ox"), concepts.ONE.index("owl")
        blue = scenes.PATTERNS.index("striped") * len(scenes.COLOURS) + scenes.COLOURS.index("blue")
        cases = (
            (scenes.Scene("single", (s(ox, 0, .2, .8, .5),), blue), " a large ox in the bottom left on a striped blue background",
             " ox, large, striped blue"),
            (scenes.Scene("group", (s(ox, 0, .2, .8, .2), s(ox, 0, .7, .8, .2)), blue), " two oxen on a striped blue background",
             " 2 oxen, striped blue"),
            (scenes.Scene("pair", (s(owl, 0, .2, .5, .2), s(ox, 0, .8, .5, .2)), scenes.GROUNDS - 1),
             " an owl to the left of an ox on a road", " owl left of ox, on a road"),
            (scenes.Scene("several", (s(owl, 0, .9, .5, .2), s(ox, 0, .8, .5, .2), s(ox, 0, .1, .1, .2)), blue),
             " two oxen and an owl on a striped blue background", " 2 oxen, owl, striped blue"))
        for scene, sentence, terse in cases:
            self.assertEqual(speech.caption(scene), sentence)
            self.assertEqual(speech.caption(scene, "terse"), terse)

    def test_mirrored_scenes_swap_sides(self):
        for scene in self.scenes:
            flipped = scenes.mirror(scene)
            self.assertEqual(sorted(scenes.counts(scene)), sorted(scenes.counts(flipped)))
            if scene.kind == "pair":
                a, b = (scenes.relation(*x.stickers) for x in (scene, flipped))
                self.assertEqual(a, b)
                concepts_in_turn = [s.concept for s in flipped.stickers]
                self.assertEqual(concepts_in_turn, [s.concept for s in scene.stickers][::-1 if a == "left" else 1])

    def test_families_share_concepts_and_differ(self):
        for i in range(0, len(self.scenes), scenes.FAMILY):
            family = self.scenes[i:i + scenes.FAMILY]
            self.assertLessEqual(len({s.concept for x in family for s in x.stickers}), 4)
            self.assertGreater(len({speech.caption(x) for x in family}), 1)

    def test_answers_agree_with_the_scene(self):
        rng = np.random.default_rng(1)
        for scene in self.scenes:
            question, answer = speech.ask(scene, "how many", rng)
            if "stickers" in question:
                self.assertEqual(answer.strip(), concepts.COUNTS[len(scene.stickers)])
            if scene.kind == "pair":
                question, answer = speech.ask(scene, "relation", rng)
                said = next(r for r, spoken in speech.RELATIONS.items() if f" {spoken} the " in question)
                one, two = scene.stickers
                if not question.startswith(f"is the {concepts.ONE[one.concept]} {speech.RELATIONS[said]} "):
                    one, two = two, one
                self.assertEqual(answer.strip() == "yes", scenes.relation(one, two) == said)

    def test_pictures_are_made_by_seed(self):
        with tempfile.TemporaryDirectory() as folder:
            a = fake_atlas(folder)
        one, two = (paint.picture(self.scenes[0], a, np.random.default_rng(4)) for _ in range(2))
        np.testing.assert_array_equal(one, two)
        self.assertGreater(one.std(), 0)
        film = clips.frames(clips.sample(1, 0, ANY), a, np.random.default_rng(1))
        self.assertEqual(film.shape, (clips.FRAMES, paint.SIDE, paint.SIDE, 3))


class DocumentTest(unittest.TestCase):
    def test_rules_are_in_the_examples(self):
        library = documents.Library([scenes.sample(3, i, ANY) for i in range(4000)])
        for seed in range(40):
            rng = np.random.default_rng(seed)
            doc = documents.task("name", 8, library, rng)
            said = {}
            for chunk in doc[:-1]:
                concept = library.scenes[chunk.item].stickers[0].concept
                self.assertEqual(said.setdefault(concept, chunk.answer), chunk.answer)
            self.assertEqual(said[library.scenes[doc[-1].item].stickers[0].concept], doc[-1].answer)

    def test_held_out_names_are_never_trained(self):
        rng = np.random.default_rng(0)
        trained = {documents.invented_name(rng) for _ in range(3000)}
        self.assertFalse(trained & {documents.invented_name(rng, held_out=True) for _ in range(3000)})


class ContrastTest(unittest.TestCase):
    def test_cells_hold_what_lies_in_them(self):
        scene = scenes.Scene("pair", (scenes.Sticker(0, 0, .1, .1, .2), scenes.Sticker(1, 0, .9, .9, .2)), 0)
        weights, centres = contrast.parts([scene])
        for cell, want in ((0, 0), (15, 1), (5, len(concepts.ONE))):
            self.assertEqual(weights[cell].argmax().item(), want)
        self.assertEqual(centres.sum().item(), 2)

    def test_large_stickers_fill_their_cells(self):
        weights, centres = contrast.parts([scenes.Scene("single", (scenes.Sticker(0, 0, .5, .5, .58),), 0)])
        self.assertEqual(weights[:, 0].nonzero()[:, 0].tolist(), [5, 6, 9, 10])
        self.assertEqual(centres.nonzero()[:, 1].tolist(), [10])


class FeaturesTest(unittest.TestCase):
    def test_mirrored_features_are_of_the_flipped_pictures(self):
        pixels = np.random.default_rng(5).integers(0, 255, (3, 8, 8, 3), np.uint8)
        pictures = type("Pictures", (), {"pixels": pixels})
        with tempfile.TemporaryDirectory() as folder:
            plain, turned = (np.array(features.of_pool(lambda x: x[:, 0], pictures, folder, name, {}, "cpu", name == "turned"))
                             for name in ("plain", "turned"))
        np.testing.assert_array_equal(turned, plain[:, :, ::-1])
        self.assertFalse(np.array_equal(turned, plain))


class ScoresTest(unittest.TestCase):
    def test_true_captions_are_right_in_everything(self):
        known = [scenes.sample(3, i, ANY) for i in range(600)]
        for name, row in scores.captions([speech.caption(s) for s in known], known).items():
            self.assertAlmostEqual(row["value"], 10 if name == "CIDEr" else 1, places=6, msg=name)

    def test_wrong_captions_are_wrong(self):
        scene = scenes.Scene("pair", (scenes.Sticker(0, 0, .2, .5, .2), scenes.Sticker(1, 0, .8, .5, .2)), 0)
        a, b = concepts.counted(0, 1), concepts.counted(1, 1)
        rows = (("exact", f" {a} to the left of {b} on a plain grey background"),
                ("background", f" {a} to the left of {b} on a plain grey background"),
                ("relation", f" {b} to the left of {a} on a plain white background"),
                ("relation", f" {a} above {b} on a plain white background"), ("exact", None))
        for figure, text in rows:
            self.assertEqual(scores.captions([text], [scene])[figure]["value"], 0, (figure, text))
        f1 = scores.captions([f" {a} on a plain white background"], [scene])["object F1"]["value"]
        self.assertAlmostEqual(f1, 2 / 3)


class StoredTest(unittest.TestCase):
    def test_rounding_keeps_to_its_grid(self):
        x = np.random.default_rng(0).standard_normal((128, 64)).astype(np.float32)
        for dtype, most in (("f32", 0), ("f16", 1e-3), ("q8", 6e-3), ("q4", 0.11)):
            y = stored.rounded(x, dtype)
            error = np.sqrt(((x - y) ** 2).mean() / (x ** 2).mean())
            self.assertLessEqual(error, most, dtype)
            self.assertGreaterEqual(error, most / 6, dtype)
        np.testing.assert_array_equal(stored.rounded(x[:4], "q4"), stored.rounded(x[:4], "f16"))

    def test_f32_is_the_model_itself(self):
        torch.manual_seed(0)
        model = nfnet.NFNet({**config.CONFIG["vision"], "depths": [1, 1, 1, 1]}).eval()
        for name, p in model.named_parameters():
            if name.endswith("skipinit_gain"):
                p.data.fill_(0.5)
        images = torch.randn(1, 3, 64, 64)
        with torch.no_grad():
            want = model(images)
            torch.testing.assert_close(stored.as_read(model, "f32")(images), want)
            error = ((stored.as_read(model, "q8")(images) - want).norm() / want.norm()).item()
        self.assertTrue(1e-4 < error < 0.05, error)


if __name__ == "__main__":
    unittest.main()
