"""Tests of a training stage and its optimisers: python3 -m unittest discover -s train"""
import os
import signal
import sys
import tempfile
import unittest
from unittest import mock

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch import nn  # noqa: E402

import flamingo  # noqa: E402
import muon  # noqa: E402
import nfnet  # noqa: E402
import stage  # noqa: E402
import team  # noqa: E402


class Toy(nn.Module):
    """Learns to give its input back."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([flamingo.linear(6, 12, 2), flamingo.linear(12, 6)])
        self.bias = nn.Parameter(torch.zeros(6))

    def loss(self, rng, _):
        x = torch.from_numpy(rng.standard_normal((32, 6)).astype("float32"))
        return (self.layers[1](self.layers[0](x)) + self.bias - x).square().mean(), {}


class StageTest(unittest.TestCase):
    def run_toy(self, folder, steps, seed=1, of=40, workers=1):
        """A toy that learned for `steps` of a schedule of `of`."""
        torch.manual_seed(0)
        toy, stop = Toy(), StopIteration()

        def loss_of(rng, step):
            if step == steps:
                raise stop
            return toy.loss(rng, step)

        try:
            stage.run("toy", toy, stage.groups(toy.named_parameters(), 1e-2, 0.0, 0.05), loss_of, of, seed, folder, workers)
        except StopIteration:
            pass
        return toy

    def test_a_stopped_run_goes_on_as_if_it_was_not(self):
        every, stage.SAVE_EVERY = stage.SAVE_EVERY, 10
        self.addCleanup(setattr, stage, "SAVE_EVERY", every)
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
            whole = self.run_toy(one, 40)
            self.run_toy(two, 25)
            resumed = self.run_toy(two, 40)
            for a, b in zip(whole.parameters(), resumed.parameters()):
                torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)

    def test_workers_take_the_mean_step_together(self):
        class Both(Toy):
            """What two workers average, in one process."""

            def loss(self, rng, step):
                one, two = (super(Both, self).loss(np.random.default_rng([1, *b"toy", step, k]), step)[0] for k in (0, 1))
                return (one + two) / 2, {}

        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
            with mock.patch(f"{__name__}.Toy", Both):
                want = self.run_toy(one, 40)
            got = self.run_toy(two, 40, workers=2)
            for a, b in zip(want.parameters(), got.parameters()):
                torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)

    def test_a_worker_that_fails_ends_all(self):
        def job(together):
            if together.rank == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            together.average([torch.zeros(2)])

        with self.assertRaisesRegex(RuntimeError, "workers ended with"):
            team.gather(2, 2, job)

    def test_what_muon_gets(self):
        kernel = nfnet.ScaledConv(32, 32, 3, groups=4)
        named = [("stages.0.conv2." + n, p) for n, p in kernel.named_parameters()] + [("embed.weight", nn.Parameter(torch.zeros(9, 4)))]
        turned = [g for g in stage.groups(named, 1e-3, 0.1, 0.02) if "split" in g]
        self.assertEqual([(len(g["params"]), g["split"], g["lr"]) for g in turned], [(1, 4, 0.02)])
        self.assertIs(turned[0]["params"][0], kernel.weight)
        self.assertFalse([g for g in stage.groups(named, 1e-3, 0.1) if "split" in g])


class MuonTest(unittest.TestCase):
    def test_orthogonal(self):
        for shape in ((2, 5, 40), (2, 40, 5)):
            values = torch.linalg.svdvals(muon.orthogonal(torch.randn(shape) * 1e-3))
            self.assertGreater(values.min(), 0.5)
            self.assertLess(values.max(), 1.3)

    def test_each_of_the_matrices_in_a_weight_is_turned_alone(self):
        p = nn.Parameter(torch.zeros(4, 8))
        p.grad = torch.cat((torch.randn(2, 8), 1000 * torch.randn(2, 8)))
        muon.Muon([{"params": [p], "lr": 1.0, "split": 2}]).step()
        for half in p.detach().split(2):
            self.assertGreater(torch.linalg.svdvals(half).min(), 0.5)


if __name__ == "__main__":
    unittest.main()
