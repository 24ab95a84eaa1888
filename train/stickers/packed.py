"""Rows of several batches as one list of tokens: nothing is padded but where tokens attend, and there
only within groups of runs that are about as long. Half of the work on batches of uneven rows is padding.
"""
import torch

import bpe
import flamingo

GROUP = 12  # runs of a group


class Move(torch.autograd.Function):
    """Rows of x [m, ...] at indices `there`, zeros for the index m. `back` is the inverse: where in the
    result each row of x is, len(there) for nowhere. So the gradient is moved, too, and nothing is summed."""

    @staticmethod
    def forward(ctx, x, there, back):
        """-> [len(there), ...]."""
        ctx.save_for_backward(there, back)
        return _at(x, there)

    @staticmethod
    def backward(ctx, g):
        """Gradient of x."""
        there, back = ctx.saved_tensors
        return _at(g, back), None, None


def _at(x, index):
    return torch.cat((x, x.new_zeros(1, *x.shape[1:]))).index_select(0, index)


class Runs:
    """Runs of neighbours in a list of `total` tokens, the longest first, in groups that are padded."""

    def __init__(self, starts, lengths, total):
        """starts and lengths [m] of the runs."""
        self.order = lengths.argsort(descending=True)
        self.order = self.order[lengths[self.order] > 0]
        groups, self.shapes = [], []
        for members in self.order.split(GROUP):
            longest = int(lengths[members[0]])
            step = torch.arange(longest)
            at = torch.where(step < lengths[members, None], starts[members, None] + step, torch.tensor(total))
            self.shapes.append(at.shape)
            groups.append(at.flatten())
        self.there = torch.cat(groups)
        self.back = inverse(self.there, total)

    def to(self, device):
        """Itself, on a device."""
        self.order, self.there, self.back = (x.to(device) for x in (self.order, self.there, self.back))
        return self

    def take(self, x):
        """x [total, dim] -> groups [n, L, dim]."""
        parts = Move.apply(x, self.there, self.back).split([n * length for n, length in self.shapes])
        return [part.view(*shape, -1) for part, shape in zip(parts, self.shapes)]

    def give(self, groups):
        """The inverse: zeros for tokens of no run."""
        return Move.apply(torch.cat([g.flatten(0, 1) for g in groups]), self.back, self.there)


def inverse(there, total):
    """For indices `there` of a list of `total`, where each is, len(there) for nowhere."""
    back = torch.full((total + 1,), len(there), device=there.device)
    back[there] = torch.arange(len(there), device=there.device)
    return back[:total]


class Packed:
    """Tokens of the rows of batches, [T] each: ids, targets, answers, last and names as in Batch,
    dataset (the number of the batch) and seen, the picture that each sees, counted over all batches, or -1."""

    def __init__(self, drawn, device):
        """drawn: list of Batch."""
        real = [b.ids != bpe.PAD for b in drawn]
        self.dataset = torch.cat([torch.full((int(r.sum()),), i) for i, r in enumerate(real)]).to(device)
        for name in ("ids", "targets", "answers", "last", "names"):
            setattr(self, name, torch.cat([getattr(b, name)[r] for b, r in zip(drawn, real)]).to(device))
        pictures = [sum(map(len, b.items)) for b in drawn]
        before = torch.tensor([0] + pictures[:-1]).cumsum(0)
        seen = [b.seen()[r] for b, r in zip(drawn, real)]
        seen = torch.cat([torch.where(s < 0, s, s + k) for s, k in zip(seen, before)])
        self.seen, total = seen.to(device), len(seen)
        lengths = torch.cat([r.sum(1) for r in real])
        self.rows = Runs(lengths.cumsum(0) - lengths, lengths, total).to(device)
        self.longest = int(lengths.max())
        # What sees a picture are neighbours, and pictures come in order; one that was cut off is seen by none.
        lengths = torch.bincount(seen[seen >= 0], minlength=sum(pictures))
        seeing = (seen >= 0).nonzero()[:, 0]
        first = (lengths.cumsum(0) - lengths).clamp(max=len(seeing) - 1)
        self.sights = Runs(seeing[first], lengths, total).to(device)
        self.nth = inverse(self.sights.order, sum(pictures))

    def shown(self, values):
        """values [pictures, dim] -> what each token sees, [T, dim]."""
        return torch.nn.functional.embedding(self.seen + 1, torch.cat((values.new_zeros(1, values.shape[1]), values)))

    def mix(self, lm):
        """Attention of each row to itself, as flamingo.mix."""
        bias = lm.bias(self.longest, self.ids.device)

        def attention(qkv, heads):
            return self.rows.give([flamingo.attend(*g.chunk(3, -1), heads, bias[:, :g.shape[1], :g.shape[1]])
                                   for g in self.rows.take(qkv)])

        return attention

    def see(self, q, k, v, heads):
        """Attention of each token to its picture, as flamingo.sight makes it: k and v [pictures, R, inner]."""
        k, v = (Move.apply(x, self.sights.order, self.nth).split([n for n, _ in self.sights.shapes]) for x in (k, v))
        return self.sights.give([flamingo.attend(*parts, heads) for parts in zip(self.sights.take(q), k, v)])
