"""How much may wait. Beyond the limits the oldest alerts go, and never silently: the next message tells how many."""

from .config import Configuration
from .spool import Spool
from .state import State

MIB = 1 << 20


def enforce(spool: Spool, state: State, configuration: Configuration) -> None:
    """Force out the oldest alerts of outgoing/, and those of failed/, that are beyond the configuration's limits.

    They are counted before they go: killed in between, a sender tells of some too many, and never of too few.
    """
    for directory in ("outgoing", "failed"):
        sizes = spool.sizes(directory)
        count, size = len(sizes), sum(sizes.values())
        excess = []
        for name in sorted(sizes):
            if count <= configuration.most_waiting and size <= configuration.most_waiting_mib * MIB:
                break
            excess.append(name)
            count, size = count - 1, size - sizes[name]
        if excess:
            state.dropping(len(excess))
            for name in excess:
                spool.forget(directory, name)
