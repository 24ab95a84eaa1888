"""Muon (Jordan et al., 2024): momentum whose matrix is replaced by the nearest half-orthogonal one.

Every direction of a weight matrix then moves equally far in a step, also those in which the gradient
is small. Hidden matrices and kernels learn from fewer examples by it; embeddings and vectors do not.
"""
import torch

import team

# Quintic Newton-Schulz iteration: singular values in (0, 1] go to about 1.
A, B, C = 3.4445, -4.7750, 2.0315
ROUNDS = 5


def orthogonal(x, rounds=ROUNDS):
    """Matrices [n, rows, columns] -> about U V^T of their singular value decompositions, in bfloat16."""
    tall = x.shape[1] > x.shape[2]
    x = x.transpose(1, 2) if tall else x
    x = (x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)).bfloat16()
    for _ in range(rounds):
        gram = x @ x.transpose(1, 2)
        x = A * x + (B * gram + C * gram @ gram) @ x
    return (x.transpose(1, 2) if tall else x).float()


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, made orthogonal. A group has "params", "lr", "weight_decay" and "split": how
    many matrices lie in the rows of each of its parameters (a grouped convolution has one per group).

    A step moves a row of a wide matrix by lr times its length at the usual initialisation, about one.
    """

    def __init__(self, groups, together=None, momentum=0.95):
        """together: the Team whose workers share out the matrices."""
        super().__init__(groups, {"lr": 0.02, "weight_decay": 0.0, "split": 1, "momentum": momentum})
        self.together = together or team.Team()

    @torch.no_grad()
    def step(self):
        """One update of every parameter that has a gradient."""
        moving = [(p, group) for group in self.param_groups for p in group["params"] if p.grad is not None]
        for p, group in moving:
            state = self.state[p]
            if not state:
                state["momentum"] = torch.zeros_like(p)
            state["momentum"].mul_(group["momentum"]).add_(p.grad)
        updates = self.together.share_out(lambda i: self._update(*moving[i]), [p for p, _ in moving])
        for (p, group), update in zip(moving, updates):
            if group["weight_decay"]:
                p.mul_(1 - group["lr"] * group["weight_decay"])
            p.add_(update, alpha=-group["lr"])

    def _update(self, p, group):
        m = p.grad + group["momentum"] * self.state[p]["momentum"]
        turned = orthogonal(m.reshape(group["split"], len(p) // group["split"], -1))
        rows, columns = turned.shape[1:]
        return turned.reshape(p.shape) * max(1, rows / columns) ** 0.5
