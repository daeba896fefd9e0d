"""What a child of the master lets go of, first of all after the fork: everything that is the master's alone.

Rules. Each descriptor is closed by the object that owns it, and by nothing else: the process has descriptors of agents
and wrappers as well, which nobody here knows. What the master shares with the child by the kernel (the set of an epoll,
the lock of the pidfile) is not touched, only let go of. Nothing here raises: a child that is to serve must not end for
the master's sake.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from prefork.system.listeners import Listener

if TYPE_CHECKING:
    from prefork.arbiter.loop import Arbiter


def leave_to_master(arbiter: Arbiter, kept: Iterable[Listener]) -> None:
    """Let go of all that is the master's, but for the listeners that are ``kept``. In the child, signals blocked.

    The logs and the scoreboard stay, and the child's own ends of its channel and of the pipe of its stacks.
    """
    services = arbiter.services
    watched = {key.fd for key in arbiter.selector.get_map().values()}
    for child in arbiter.children.values():
        watched -= {child.channel.fileno(), child.stacks, child.pidfd}
        child.close()
    watched -= arbiter.leave()
    # The rest of what is watched is what the arbiter's own closures hold: pidfds of strangers, a successor's report.
    for descriptor in watched:
        with suppress(OSError):  # a fault of the loop's book-keeping, which must not cost the worker
            os.close(descriptor)
    arbiter.sockets.leave(kept)
    services.leave_starter()
    if services.pidfile:
        services.pidfile.leave()
