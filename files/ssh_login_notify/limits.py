"""How much may wait. Beyond the limits the oldest alerts go, and never silently: the next message tells how many."""

from .spool import Spool
from .state import State

MIB = 1 << 20


def enforce(spool: Spool, state: State, most: int, most_mib: int) -> None:
    """Force out the oldest alerts of outgoing/, and those of failed/, beyond so many of them, and so many MiB.

    They are counted before they go: killed in between, a sender tells of some too many, and never of too few.
    """
    for directory in ("outgoing", "failed"):
        sizes = spool.sizes(directory)
        count, size = len(sizes), sum(sizes.values())
        excess = []
        for name in sorted(sizes):
            if count <= most and size <= most_mib * MIB:
                break
            excess.append(name)
            count, size = count - 1, size - sizes[name]
        if excess:
            state.dropping(len(excess))
            for name in excess:
                spool.forget(directory, name)
