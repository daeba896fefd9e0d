"""The arbiter's loop: it sleeps until a signal, a child, a message or a deadline, and everything becomes a fact.

Rules. There is no polling and no thread. What to do is decided in ``master.py`` and done by ``executor.py``; what is
waited for stands in ``watch.py``. Nothing that is decided, done or heard ends the loop: only the order to exit does.

Diagnostics. ``reaction_failed``: the policy raised; the fact is told again in a second, a few times.
``update_failed``: the service manager, or a client of the control socket, could not be told. ``leave_failed``: what the
master leaves behind at its end could not be tidied up. ``title_failed``: ps shows the command line as the title.
"""

from __future__ import annotations

import gc
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator
from math import inf

from prefork.arbiter import facts, orders
from prefork.arbiter.control import Controller
from prefork.arbiter.executor import Executor
from prefork.arbiter.facts import Fact
from prefork.arbiter.fleet import ServiceState
from prefork.arbiter.master import Master
from prefork.arbiter.orders import Order
from prefork.arbiter.resources import Resources
from prefork.arbiter.services import Services
from prefork.arbiter.systemd import ServiceNotifier
from prefork.arbiter.upgrade.policy import UpgradeState
from prefork.config.host import usable_cores
from prefork.config.models import Config
from prefork.system import process
from prefork.system.signals import END, RESTART, SignalInbox

RELEASE = 5.0  # seconds in which a service manager closes what it is told to
AGAIN = 1.0  # seconds until a fact that the policy raised at is told again
AGAIN_MOST = 5  # times

SIGNALS: dict[int, Fact | None] = {
    signal.SIGQUIT: facts.StopRequested(graceful=False, signal="QUIT"),
    signal.SIGINT: facts.StopRequested(graceful=False, signal="INT"),
    signal.SIGTERM: facts.StopRequested(graceful=True, signal="TERM"),
    signal.SIGHUP: facts.ReloadRequested(),
    signal.SIGTTIN: facts.ScaleRequested(+1),
    signal.SIGTTOU: facts.ScaleRequested(-1),
    signal.SIGUSR1: facts.ReopenRequested(),
    signal.SIGUSR2: facts.UpgradeRequested(),
    signal.SIGWINCH: facts.PauseRequested(),
    signal.SIGCHLD: None,  # reap
    **(
        {
            RESTART: facts.StopRequested(
                graceful=True, signal="restart", plan=facts.StopPlan(restarting=True, whole_service=True)
            )
        }
        if RESTART
        else {}
    ),
    **(
        {END: facts.StopRequested(graceful=True, signal="stop", plan=facts.StopPlan(whole_service=True))} if END else {}
    ),
}


class Arbiter:
    """The master process. Single-threaded; it imports no application and parses nothing from the network."""

    def __init__(self, services: Services) -> None:
        """Raises OSError if what the loop needs cannot be opened."""
        self.services = services
        self.resources = Resources.of(services)
        keeps = services.notifier.keeps
        self.master = Master(
            services.config,
            services.workers_of,
            cores=usable_cores(),
            predecessor=bool(services.handoff),
            keeps=keeps,
        )
        self.controller = Controller(self.resources, self.master)
        self.executor = Executor(self.resources, self.controller)
        self._notifier = ServiceNotifier(services.notifier.tell, services.notifier.interval)
        self._again: deque[tuple[float, Fact, int]] = deque()  # when, what, and how often it was told
        self._quiet_until = 0.0  # nothing is due before: the policy raised at its deadlines

    def run(self) -> orders.Exit:
        """Serve until told to stop. Raises BindError, ConfigError or OSError if it cannot start."""
        # A worker's first collection would otherwise write to, and so copy, every page that it shares with us.
        gc.collect()
        gc.freeze()
        try:
            self.resources.insist_on_room(self.services.config)
            self._open_sockets(self.services.config)
            if not self.services.handoff:  # a successor takes its predecessor's when it serves
                self.controller.open(self.services.config)
                self.controller.adopt(self.services.config)
            self.init_signals()
            title = f"prefork: master [{self.services.title}]"  # by which scripts know whom to signal
            self._attempt(lambda: process.set_title(title), "title_failed")
            self.resources.watch.add(self.resources.sockets.fileno(), self.mend_listeners)
            if self.services.handoff:
                self.resources.watch.stranger(self.services.handoff.master, lambda: [facts.PredecessorGone()])
            self._take(facts.TimePassed(), self.resources.now())
            while self.executor.ending is None:
                self._turn()
        finally:
            self._leave()
        return self.executor.ending

    def _turn(self) -> None:
        # Whatever was said before this moment is heard in this turn, however long it takes: who was ready by
        # then is not late, though the master be stopped (SIGSTOP) or without a processor for an hour.
        heard = self.resources.now()
        for fact in self.sleep():
            self._take(fact, self.resources.now())
            if isinstance(fact, facts.ChildExited):  # it may have been its last deed
                for found in self.resources.watch.guard(self.mend_listeners):
                    self._take(found, self.resources.now())
        self._tell_again(heard)
        if self._deadline() <= heard:
            self._take(facts.TimePassed(), heard)
        if not self._attempt(self._update, "update_failed"):
            self._quiet_until = self.resources.now() + AGAIN

    def _update(self) -> None:
        """Have the service manager know what is new."""
        self._notifier.update(self.master, self.resources.now())
        if self.master.state is ServiceState.SERVING and not self.master.predecessor:
            self.resources.fdstore.update(self.resources.sockets.ours())

    def _open_sockets(self, config: Config) -> None:
        patience = self.services.patience
        sockets = self.resources.sockets
        # What was kept for another configuration may stand in the way of this one, until the manager has closed it too.
        if not self.services.handoff and sockets.close_unclaimed(config):
            self.resources.fdstore.update(sockets.ours())
            patience = max(patience, RELEASE)
        sockets.open(self.master.generation, config, patience)

    def _leave(self) -> None:
        """Give back the paths that are ours alone, unless the sockets are kept for the master that comes next.

        The pidfile's name is left to a predecessor to take back, and to a successor that has not reported yet: there
        is no moment without a pidfile.
        """
        ending = self.executor.ending
        asked = ending is not None and ending.code == 0 and not self.master.stop.restarting
        last = self.master.alone and (asked or not self.services.notifier.keeps)
        self._attempt(lambda: self.resources.leave_sockets(last=last), "leave_failed")
        # Another master takes the control socket over by renaming.
        self._attempt(lambda: self.controller.close(unlink=self.master.alone), "leave_failed")
        leave = self.master.predecessor or self.master.upgrade.state is UpgradeState.STARTED
        hindrance = self.services.pidfile and self.services.pidfile.release(leave=leave)
        if hindrance:
            self.services.log.warning("pidfile_not_removed", reason=str(hindrance))

    def init_signals(self) -> None:
        """From here on signals are queued, and wake the loop through its pipe."""
        self._inbox = SignalInbox(SIGNALS)
        self.resources.ties += [self._inbox.leave, self.controller.leave]
        self.resources.watch.add(self._inbox.fileno(), tuple)  # it only wakes: the queue is looked at in each turn

    def sleep(self) -> Iterator[Fact]:
        """Wait for whatever comes first, and give what it was. Never raises."""
        ready = self.resources.watch.wait(self._deadline() - self.resources.now())
        # Signals first: after Ctrl-C the workers end by themselves, and that is then no surprise.
        yield from self.resources.watch.guard(self._signalled, self._inbox.fileno())
        yield from self.resources.watch.heard(ready)

    def wakeup(self) -> None:
        """Make ``sleep`` return."""
        self._inbox.wake()

    def _signalled(self) -> Iterator[Fact]:
        for signum in self._inbox.take():
            fact = SIGNALS[signum]
            if fact is None:
                yield from self.resources.watch.guard(self.reap_workers)
            elif signum != signal.SIGWINCH or not self.services.terminal:
                yield fact

    def reap_workers(self) -> Iterator[Fact]:
        """Collect the children that have ended: ours, and orphans that a master with pid 1 inherits."""
        return self.resources.children.reap_all(orphans=os.getpid() == 1 or self.resources.subreaper)

    def mend_listeners(self) -> Iterator[Fact]:
        """Undo what workers did to the listeners; a new generation opens anew what cannot be mended."""
        if self.resources.sockets.mend():
            yield facts.ReloadRequested()

    def _deadline(self) -> float:
        """When something is due at the latest. Never raises."""
        again = min((when for when, _, _ in self._again), default=inf)
        try:
            due = self.master.deadline()
        except Exception as error:
            self.resources.survival.note("reaction_failed", error, fact="deadline")
            due = self.resources.now() + AGAIN
        return min(again, max(min(due, self._notifier.due), self._quiet_until))

    def _take(self, fact: Fact, now: float, times: int = 1) -> None:
        """Let the policy decide on a fact, and on the facts that follow from carrying its orders out. Never raises."""
        waiting = deque([(fact, times)])
        while waiting and self.executor.ending is None:
            for order in self._decide(*waiting.popleft(), now):
                answer = self.executor.execute(order)
                if answer is not None:
                    waiting.append((answer, 1))
        self._attempt(self.controller.settle, "update_failed")

    def _decide(self, fact: Fact, times: int, now: float) -> list[Order]:
        found: list[Order] = []
        try:
            self.master.handle(fact, now, found)
        except Exception as error:
            self.resources.survival.note("reaction_failed", error, fact=type(fact).__name__)
            self._quiet_until = self.resources.now() + AGAIN
            if times < AGAIN_MOST and not isinstance(fact, facts.TimePassed):
                self._again.append((self.resources.now() + AGAIN, fact, times + 1))
        return found

    def _tell_again(self, now: float) -> None:
        """The facts that the policy raised at, when their time has come."""
        while self._again and self._again[0][0] <= now:
            _, fact, times = self._again.popleft()
            self._take(fact, now, times)

    def _attempt(self, step: Callable[[], object], event: str) -> bool:
        """What nobody answers for: a failure is logged, and no more. Whether it worked."""
        try:
            step()
        except Exception as error:
            self.resources.survival.note(event, error)
            return False
        return True
