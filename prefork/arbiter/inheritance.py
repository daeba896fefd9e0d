"""What a child of the master lets go of, first of all after the fork: everything that is the master's alone.

Rules. Each descriptor is closed by the object that owns it, and by nothing else: the process has descriptors of agents
and wrappers as well, which nobody here knows. What the master shares with the child by the kernel (the set of an epoll,
the lock of the pidfile) is not touched, only let go of. Nothing here raises: a child that is to serve must not end for
the master's sake.
"""

from __future__ import annotations

from prefork.arbiter.resources import Resources
from prefork.arbiter.services import Birth


def leave_to_master(resources: Resources, order: Birth) -> None:
    """Let go of all that is the master's, but for the listeners of the child's pool. In the child, signals blocked.

    The logs stay, its row, the master's words and its own ends of its channel and of the pipe of its stacks.
    """
    closed: set[int] = set()
    for child in resources.children:
        closed |= {child.channel.fileno(), child.stacks, *([] if child.pidfd is None else [child.pidfd])}
        child.close()
    for leave in resources.ties:
        closed.update(leave())
    resources.watch.leave(closed)
    kept = resources.sockets.of(order.generation, order.config.listeners_of(order.pool))
    resources.sockets.leave(kept.values())
    resources.services.leave_starter()
    if resources.services.pidfile:
        resources.services.pidfile.leave()
