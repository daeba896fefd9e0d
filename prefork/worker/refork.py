"""How a warm worker leaves what it has become to others: the next template is forked off from it, and it serves on.

What does not survive a fork is looked for twice: threads in the worker, before it offers itself, for a child has none
of them; sockets in the child, when it has let go of those that are the worker's (``worker.template``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from prefork.system.channel import Message
from prefork.worker import fork_safety, importer
from prefork.worker.protocol import Forks, Log, Worker

LetGo = Callable[[], Sequence[str]]  # in the child: closes what only the parent uses; what it cannot close, in words
HINT = "keep what is started later out of the template: say refork = [] for this pool"


class Refork:
    """In a worker that a template has forked. ``warm_at``: requests after which it offers itself."""

    def __init__(self, warm_at: int, fork: Callable[[Message, LetGo], None], log: Log) -> None:
        self.warm_at = warm_at
        self.worker: Worker | None = None
        self._fork = fork
        self._log = log
        self._fork_safety = fork_safety.ForkSafety()

    def fit(self) -> bool:
        """Nothing hinders, as far as can be told without a fork; else the log says what."""
        found = list(self._hindrances())
        for one in found:
            self._log.warning("refork_refused", reason=one, hint=HINT)
        return not found

    def _hindrances(self) -> Iterator[str]:
        if not importer.is_fork_safe():
            yield "the application has called no_longer_fork_safe()"
        if not isinstance(self.worker, Forks):
            yield f"{type(self.worker).__name__} has no leave(), so that it cannot be forked"
        yield from fork_safety.threads()

    def fork(self, message: Message, leave: Callable[[], None]) -> None:
        """Fork the template that the master asks for. ``leave``: lets go, in the child, of the worker's ties."""

        def let_go() -> Sequence[str]:
            leave()
            if isinstance(self.worker, Forks):  # it was, when it offered itself
                self.worker.leave()
            return list(self._fork_safety.sockets(ours=message.descriptors))

        self._fork(message, let_go)
