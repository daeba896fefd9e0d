"""Pure. What the master knows of the whole service, and the registry of its reactions.

Here is the state alone; what is done about it stands in ``master`` (what becomes of workers) and ``commands`` (what
the operator asks). A reaction registers itself for its fact by ``@on``: one a fact, which a test holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from prefork.arbiter import orders
from prefork.arbiter.attempt import none_yet
from prefork.arbiter.facts import Fact, StopPlan
from prefork.arbiter.fleet import Fleet, ServiceState
from prefork.arbiter.orders import Order
from prefork.arbiter.pools import Pools
from prefork.arbiter.reload import Reload
from prefork.arbiter.retries import Retries
from prefork.arbiter.stalls import Stalls
from prefork.arbiter.templates import Templates
from prefork.arbiter.termination import Termination
from prefork.arbiter.upgrade.policy import Upgrade, UpgradeState
from prefork.config.models import Config, Pool

Reaction = Callable[[Any, Any, float], Iterable[Order]]
Decorated = TypeVar("Decorated", bound=Reaction)

REACTIONS: dict[type[Fact], Reaction] = {}


def on(kind: type[Fact]) -> Callable[[Decorated], Decorated]:
    """Register a reaction, called with the master, the fact and the time; it gives the orders that follow."""

    def register(reaction: Decorated) -> Decorated:
        assert kind not in REACTIONS, f"{kind.__name__} has a reaction already"
        REACTIONS[kind] = reaction
        return reaction

    return register


class Situation:
    """The state of the whole service, as the master knows it. Times in seconds of the monotonic clock."""

    def __init__(
        self,
        config: Config,
        workers_of: Callable[[Pool], int],
        *,
        cores: int = 1,
        predecessor: bool = False,
        keeps: bool = False,
    ) -> None:
        self.state = ServiceState.STARTING
        self.stop = StopPlan()  # as far as it is known: what is done with the sockets depends on it
        self._keeps = keeps  # the sockets are kept for a master that is started after this one
        self.fleet = Fleet()
        self.pools = Pools(config, self.fleet, workers_of, cores)
        self.termination = Termination(self.fleet)
        self.reload = Reload(config, self.fleet, self.pools, self.termination)
        self.upgrade = Upgrade()
        self.scaling = none_yet()  # what an operator asked for last; a reload and an upgrade keep their own
        self.reopening = none_yet()
        self.retries = Retries()
        self.predecessor = predecessor
        self.stalls = Stalls(self.fleet, self.termination)
        self._templates = Templates(self.fleet, self.termination)
        self._exit = orders.Exit(0)
        self._start_failure = ""  # the traceback of the boot that ended the start

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self.reload.config

    @property
    def generation(self) -> int:
        """Of the configuration in force."""
        return self.reload.generation

    @property
    def alone(self) -> bool:
        """No other master serves the same sockets, or will go on to."""
        return self.stop.whole_service or (
            not self.predecessor and self.upgrade.state in (UpgradeState.NONE, UpgradeState.DISMISSED)
        )

    def plan_stop(self, plan: StopPlan) -> None:
        """The service is to stop so; a second order may take the other master with it, and undoes nothing."""
        restarting = self.stop.restarting if self.state is ServiceState.STOPPING else plan.restarting and self._keeps
        self.stop = StopPlan(restarting, self.stop.whole_service or plan.whole_service)
