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
from stickers import batches

# How often a row goes without its facts: then it is plain text.
DROP = {"pairs": 0.3, "videos": 0.3, "pages": 0.3, "tasks": 0.05}
BAG = 0.5  # of the sum, so that a bag is not much longer than a word


class Entropy(torch.autograd.Function):
    """Mean cross-entropy, in few passes: torch's own takes ten times as long on a CPU."""

    @staticmethod
    def forward(ctx, logits, targets):
        """logits [m, vocab], targets [m] -> a number."""
        p = (logits - logits.max(1, keepdim=True).values).exp_()
        p /= p.sum(1, keepdim=True)
        ctx.save_for_backward(p, targets)
        return -p.gather(1, targets[:, None]).clamp_(min=1e-30).log_().mean()

    @staticmethod
    def backward(ctx, g):
        """Gradient of the logits."""
        p, targets = ctx.saved_tensors
        scale = g / len(targets)
        return p.mul(scale).index_put_((torch.arange(len(targets), device=p.device), targets), -scale, accumulate=True), None


def text_loss(lm, states, targets, learned, amp):
    """Cross-entropy of states [n, L, dim] where `learned` [n, L] says so: (loss, share right)."""
    states, targets = states[learned], targets[learned]
    with amp():
        logits = F.linear(states, lm.embed.weight)
    logits = logits.float()
    right = (logits.detach().argmax(1) == targets).float().mean().item()
    return Entropy.apply(logits, targets), right


def facts(embed, bags, device):
    """What is added to the embeddings, [n, L, dim]: at each position the facts of the picture that it
    sees, as far as they are known. embed [vocab, dim]. What stands in slot k is turned by k quarters of the
    axes before it is added, which keeps apart what belongs to one thing and to the next."""
    words = F.embedding_bag(bags.ids.flatten(0, 1).to(device), embed, mode="sum", padding_idx=bpe.PAD)
    words = BAG * words.unflatten(0, bags.ids.shape[:2]) * bags.known.to(device)[:, None, None]
    sums = sum(words[:, k].roll(k * embed.shape[1] // batches.SLOTS, -1) for k in range(batches.SLOTS))
    seen = bags.seen.to(device)
    return sums[seen.clamp(min=0)] * (seen >= 0).unsqueeze(-1)


@torch.no_grad()
def last_answers(lm, states, batch, amp):
    """Share of right tokens in the last answers of tasks: of all, and of names that examples show."""
    figures, targets = {}, batch.targets.to(states.device)
    for name, learned in (("last answers' tokens", batch.last), ("names' tokens", batch.last & batch.rules[:, None])):
        if learned.any():
            _, figures[name] = text_loss(lm, states, targets, learned.to(states.device), amp)
    return figures


def loss(lm, source, rng, device, amp):
    """Loss and figures of one batch of every data set."""
    total, figures = 0.0, {}
    for name in batches.DATASETS:
        b = source.draw(name, rng)
        bags = batches.Bags(b, source, rng, DROP[name])
        ids, targets = b.ids.to(device), b.targets.to(device)
        with amp():
            states = lm.hidden(ids, extra=facts(lm.embed.weight, bags, device))
        part, _ = text_loss(lm, states, targets, targets >= 0, amp)
        total = total + batches.LAMBDA[name] * part
        figures[name] = part.item()
        if name == "tasks":
            figures.update(last_answers(lm, states, b, amp))
    return total, figures


def train(lm, source, steps, seed, folder, device, amp, lr=2e-3, muon_lr=0.02):
    """Run the stage, or what is left of it."""
    lm.train()
    stage.run("language", lm, stage.groups(lm.named_parameters(), lr, 0.05, muon_lr),
              lambda rng, _: loss(lm, source, rng, device, amp), steps, seed, folder)
