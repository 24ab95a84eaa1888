"""Stage 2: the decoder learns from text alone, then it is frozen.

Its documents are those of the next stage, with words in place of pictures: the facts that a picture
shows are added, as the sum of their words' embeddings, to the embedding of every token that sees the
picture, which is where cross-attention will add what it sees. So the frozen decoder knows how to use
what it finds there: how to say it, and that a name it met beside the same facts before is the one to
say again. Cross-attention has to write the facts and no more. (On the pictures' tags alone, the
decoder does not learn to look up a name in examples: tokens of a name then know no facts.)
"""
import torch
import torch.nn.functional as F

import bpe
import stage
from stickers import batches, packed

# How often a row goes without its facts: then it is plain text.
DROP = {"pairs": 0.3, "videos": 0.3, "pages": 0.3, "tasks": 0.05}
BAG = 0.5  # of the sum, so that a bag is not much longer than a word


class Entropy(torch.autograd.Function):
    """Cross-entropy of each row, in few passes: torch's own takes ten times as long on a CPU."""

    @staticmethod
    def forward(ctx, logits, targets):
        """logits [m, vocab], targets [m] -> [m]."""
        p = (logits - logits.max(1, keepdim=True).values).exp_()
        p /= p.sum(1, keepdim=True)
        ctx.save_for_backward(p, targets)
        return -p.gather(1, targets[:, None])[:, 0].clamp_(min=1e-30).log_()

    @staticmethod
    def backward(ctx, g):
        """Gradient of the logits."""
        p, targets = ctx.saved_tensors
        return (p * g[:, None]).index_put_((torch.arange(len(targets), device=p.device), targets), -g, accumulate=True), None


def text_loss(lm, states, learned, rows, amp):
    """Weighted sum of the data sets' mean cross-entropies, where `learned` [T] says so. states [T, dim] of
    rows, a Packed -> (loss, {data set: its loss, or "<data set> tokens": share right}, right [T])."""
    at = learned.nonzero()[:, 0]
    targets, dataset = rows.targets[at], rows.dataset[at]
    with amp():
        logits = F.linear(states[at], lm.embed.weight)
    logits = logits.float()
    right = torch.zeros(len(states), device=states.device)
    right[at] = (logits.detach().argmax(1) == targets).float()
    each, total, figures = Entropy.apply(logits, targets), 0.0, {}
    for i, name in enumerate(batches.DATASETS):
        mean = each[dataset == i].mean()
        total = total + batches.LAMBDA[name] * mean
        figures[name], figures[name + " tokens"] = mean.item(), right[at][dataset == i].mean().item()
    return total, figures, right


def facts(embed, bags, device):
    """Sums of the words for what each picture shows, as far as it is known, [pictures, dim]; embed [vocab,
    dim]. What stands in slot k is turned by k quarters of the axes before it is added, which keeps apart
    what belongs to one thing and to the next."""
    words = F.embedding_bag(bags.ids.flatten(0, 1).to(device), embed, mode="sum", padding_idx=bpe.PAD)
    words = BAG * words.unflatten(0, bags.ids.shape[:2]) * bags.known.to(device)[:, None, None]
    return sum(words[:, k].roll(k * embed.shape[1] // batches.SLOTS, -1) for k in range(batches.SLOTS))


def last_answers(right, rows):
    """Share of right tokens in the last answers of tasks: of all, and of names that examples show."""
    tasks = rows.dataset == batches.DATASETS.index("tasks")
    chosen = {"last answers' tokens": rows.last & tasks, "names' tokens": rows.names}
    return {name: right[c].mean().item() for name, c in chosen.items() if c.any()}


def loss(lm, source, rng, device, amp, workers=1):
    """Loss and figures of one batch of every data set, or of one worker's share of the rows."""
    drawn, known = [], []
    for name in batches.DATASETS:
        drawn.append(source.draw(name, rng, batches.share(batches.SIZES[name], workers)))
        known.append(facts(lm.embed.weight, batches.Bags(drawn[-1], source, rng, DROP[name]), device))
    rows = packed.Packed(drawn, device)
    with amp():
        states = lm.through(lm.embed(rows.ids) + rows.shown(torch.cat(known)), rows.mix(lm))
    total, figures, right = text_loss(lm, states, rows.targets >= 0, rows, amp)
    return total, {**figures, **last_answers(right, rows)}


def train(lm, source, steps, seed, folder, device, amp, workers=1, lr=2e-3, muon_lr=0.02):
    """Run the stage, or what is left of it, in so many processes."""
    lm.train()
    stage.run("language", lm, stage.groups(lm.named_parameters(), lr, 0.05, muon_lr),
              lambda rng, _: loss(lm, source, rng, device, amp, workers), steps, seed, folder, workers)
