"""Pure. Something that an operator asked for, as a value that ends: what a client of the control socket waits for.

Rules. Who decides on a request begins an attempt, and who finds that the matter is over ends it, once. An answer is
never worked out from what was logged. A reload, which has more states, has a class of its own (``reload``).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class AttemptState(Enum):
    """How far an attempt has come, or how it ended."""

    PENDING = "pending"
    DONE = "done"
    REFUSED = "refused"  # it was not begun
    FAILED = "failed"  # it was begun, and came to nothing


@dataclass
class Attempt:
    """One request that was decided on. ``reason``: why it is refused, or fails; empty while nothing is in the way."""

    serial: int = 1  # 1 is the first of its kind since the master started
    state: AttemptState = AttemptState.PENDING
    reason: str = ""

    @property
    def pending(self) -> bool:
        """Whether the attempt has not ended yet."""
        return self.state is AttemptState.PENDING

    def after(self) -> Attempt:
        """The next attempt of the same kind, which begins now."""
        return Attempt(self.serial + 1)

    def done(self) -> None:
        """The attempt has reached what was asked for."""
        self._end(AttemptState.DONE)

    def refused(self, reason: str) -> None:
        """The attempt is not begun; ``reason`` is a sentence."""
        self._end(AttemptState.REFUSED, reason)

    def failed(self, reason: str = "") -> None:
        """The attempt has come to nothing; the first reason that was known is the one that counts."""
        self._end(AttemptState.FAILED, reason)

    def _end(self, state: AttemptState, reason: str = "") -> None:
        if self.pending:
            self.state, self.reason = state, self.reason or reason


IDLE = AttemptState.DONE  # the state of the attempt before the first: there is nothing to wait for


def none_yet() -> Attempt:
    """The attempt before the first one."""
    return Attempt(0, IDLE)
