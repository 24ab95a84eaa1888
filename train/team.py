"""Workers that train together: forked processes of one thread each that compute gradients of rows of their
own, average them through shared memory, and take the same step. On two cores they do nearly twice
as much as one process with two threads, which has too little to share out in most operations.
"""
import multiprocessing
import multiprocessing.connection
import os

import torch

import cpuclock


class Team:
    """One worker's view of all: its rank, how many there are, and how they exchange numbers. Alone, it
    exchanges nothing."""

    def __init__(self, rank=0, size=1, barrier=None, shared=None, parent=None):
        """shared: float32 tensor [size, numbers] that all workers see; parent: the process that started them."""
        self.rank, self.size, self._barrier, self._shared, self._parent = rank, size, barrier, shared, parent

    def average(self, tensors):
        """Replace tensors by their mean over the workers."""
        if self.size == 1:
            return
        self._shared[self.rank] = torch.cat([t.flatten() for t in tensors])
        self._barrier.wait()
        mean = self._shared.mean(0).split([t.numel() for t in tensors])
        for t, m in zip(tensors, mean):
            t.copy_(m.view_as(t))
        self._barrier.wait()

    def share_out(self, work, like):
        """Tensors of the shapes of `like`, of which work(i) makes number i in one of the workers."""
        if self.size == 1:
            return [work(i) for i in range(len(like))]
        # The largest first, in turns: about the same work for everyone.
        order = sorted(range(len(like)), key=lambda i: -like[i].numel())
        sizes = [like[i].numel() for i in order]
        places = dict(zip(order, self._shared[0, :sum(sizes)].split(sizes)))
        for i in order[self.rank::self.size]:
            places[i].copy_(work(i).flatten())
        self._barrier.wait()
        made = [places[i].view_as(x).clone() for i, x in enumerate(like)]
        self._barrier.wait()
        return made

    def abandoned(self):
        """Whether the process that started this worker is gone."""
        return self.size > 1 and os.getppid() != self._parent


def gather(size, numbers, job):
    """Run job(team) in `size` forked workers, which exchange up to `numbers` numbers at a time. Raises
    RuntimeError when one of them fails."""
    context = multiprocessing.get_context("fork")
    barrier, shared = context.Barrier(size), torch.zeros(size, numbers).share_memory_()
    parent, spent = os.getpid(), cpuclock.seconds()

    def work(rank):
        torch.set_num_threads(1)
        cpuclock.forked(spent, size)
        try:
            job(Team(rank, size, barrier, shared, parent))
        except BaseException:
            barrier.abort()
            raise

    workers = [context.Process(target=work, args=(rank,)) for rank in range(size)]
    for w in workers:
        w.start()
    waiting = {w.sentinel: w for w in workers}
    while waiting:
        for sentinel in multiprocessing.connection.wait(waiting):
            ended = waiting.pop(sentinel)
            ended.join()
            if ended.exitcode:
                # One that was killed leaves the others at the barrier.
                for w in waiting.values():
                    w.terminate()
    for w in workers:
        w.join()
    if any(w.exitcode for w in workers):
        raise RuntimeError(f"team: workers ended with {[w.exitcode for w in workers]}; their own errors are above")
