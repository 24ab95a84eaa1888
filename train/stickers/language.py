"""Stage 2: the decoder learns from text alone, then it is frozen.

Its documents are those of the next stage, with words where a picture would be: the facts that a
picture shows are added, as the sum of their words' embeddings, to the embedding of the picture's tag.
So the frozen decoder knows how to use what stands there: how to say it, and that a name it met beside
the same facts before is the one to say again. Cross-attention has to write the facts and no more.
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


def soft_tags(lm, ids, bag):
    """What is added to the embeddings [n, L, dim]: at each image tag the sum of its bag's words."""
    extra = torch.zeros((*ids.shape, lm.embed.weight.shape[1]), device=ids.device)
    if len(bag):
        extra[ids == bpe.IMAGE] = BAG * F.embedding_bag(bag, lm.embed.weight, mode="sum", padding_idx=bpe.PAD)
    return extra


def loss(lm, source, rng, device, amp):
    """Loss and figures of one batch of every data set."""
    total, figures = 0.0, {}
    for name in batches.DATASETS:
        b = source.draw(name, rng)
        bag = batches.bags(b, source, rng, DROP[name]).to(device)
        ids, targets, answers = b.ids.to(device), b.targets.to(device), b.answers.to(device)
        with amp():
            states = lm.hidden(ids, extra=soft_tags(lm, ids, bag))
        part, _ = text_loss(lm, states, targets, targets >= 0, amp)
        total = total + batches.LAMBDA[name] * part
        figures[name] = part.item()
        if name == "tasks":
            last = answers & (torch.cumsum((ids == bpe.IMAGE).long(), 1) == (ids == bpe.IMAGE).sum(1, keepdim=True))
            with torch.no_grad():
                _, figures["last answers' tokens"] = text_loss(lm, states, targets, last & (targets >= 0), amp)
    return total, figures


def train(lm, source, steps, seed, folder, device, amp, lr=2e-3):
    """Run the stage, or what is left of it."""
    lm.train()
    stage.run("language", lm, stage.groups(lm.named_parameters(), lr, 0.05),
              lambda rng, _: loss(lm, source, rng, device, amp), steps, seed, folder)
