"""CPU time of this program: every thread, finished child processes, and earlier runs that
this one resumed."""
import resource

_earlier, _workers = 0.0, 1


def _here():
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return _workers * sum(u.ru_utime + u.ru_stime for u in usages)


def seconds():
    """CPU seconds so far."""
    return _earlier + _here()


def minutes():
    """CPU minutes so far."""
    return seconds() / 60


def forked(spent, workers):
    """Count from `spent` on for all of so many workers, of which this process is one."""
    global _earlier, _workers
    _earlier, _workers = spent, workers


def restore(saved):
    """Continue from a checkpoint's CPU seconds."""
    global _earlier
    _earlier = max(_earlier, saved - _here())
