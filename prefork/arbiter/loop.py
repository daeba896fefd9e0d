"""The arbiter's loop: one selector, and everything that happens becomes a fact.

It sleeps until a signal, a child, a message or a deadline; there is no polling and no thread. What to do is decided
in ``master.py`` and done in ``executor.py``.
"""

from __future__ import annotations

import gc
import os
import selectors
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from prefork.arbiter import facts, orders
from prefork.arbiter.children import Child
from prefork.arbiter.control import Controller
from prefork.arbiter.executor import EXECUTE
from prefork.arbiter.facts import Fact
from prefork.arbiter.fdstore import FdStore
from prefork.arbiter.fleet import ServiceState
from prefork.arbiter.master import Master
from prefork.arbiter.services import Services
from prefork.arbiter.sockets import Sockets
from prefork.arbiter.systemd import ServiceNotifier
from prefork.arbiter.upgrade.policy import UpgradeState
from prefork.arbiter.upgrade.successor import Successor
from prefork.config.models import Config
from prefork.system import oom, process
from prefork.system.listeners import Listener
from prefork.system.scoreboard import Scoreboard
from prefork.system.signals import END, RESTART, SignalInbox

Source = Callable[[], Iterable[Fact]]

LONGEST_SLEEP = 86400.0  # epoll takes no more than 24 days
RELEASE = 5.0  # seconds in which a service manager closes what it is told to
STRANGER_LOOK = 1.0  # seconds between looks at a stranger that has no pidfd: only during an upgrade, on old kernels

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
    **({RESTART: facts.StopRequested(graceful=True, signal="restart", again=True, whole=True)} if RESTART else {}),
    **({END: facts.StopRequested(graceful=True, signal="stop", whole=True)} if END else {}),
}


class Arbiter:
    """The master process. Single-threaded; it imports no application and parses nothing from the network."""

    def __init__(self, services: Services) -> None:
        self.services = services
        inherited = services.handoff.listeners if services.handoff else services.kept
        self.fdstore = FdStore(services.notifier, inherited)
        self.sockets = Sockets(inherited, self._listener_opened)
        self.board = Scoreboard()
        self.children: dict[int, Child] = {}
        keeps = services.notifier.keeps
        self.master = Master(services.config, services.workers_of, predecessor=bool(services.handoff), keeps=keeps)
        self.ending: orders.Exit | None = None
        self.controller = Controller(self)
        self._notifier = ServiceNotifier(services.notifier.tell, services.notifier.interval)
        self.selector = selectors.DefaultSelector()
        self.subreaper = False  # orphans of our workers become our children
        self._oom_kills = oom.kills()
        self._strangers: dict[int, Source] = {}  # without a pidfd: pid -> what its end means

    def run(self) -> orders.Exit:
        """Serve until told to stop. Raises BindError if a listener cannot be opened at the start."""
        # A worker's first collection would otherwise write to, and so copy, every page that it shares with us.
        gc.collect()
        gc.freeze()
        try:
            self._open_sockets(self.services.config)
            if not self.services.handoff:  # a successor takes its predecessor's when it serves
                self.controller.open(self.services.config)
                self.controller.adopt(self.services.config)
            self.init_signals()
            process.set_title(f"prefork: master [{self.services.title}]")  # by which scripts know whom to signal
            if self.services.handoff:
                self._watch_stranger(self.services.handoff.master, lambda: [facts.PredecessorGone()])
            self._take(facts.TimePassed(), self.now())
            while self.ending is None:
                # Whatever was said before this moment is heard in this turn, however long it takes: who was ready by
                # then is not late, though the master be stopped (SIGSTOP) or without a processor for an hour.
                heard = self.now()
                for fact in self.sleep():
                    self._take(fact, self.now())
                if self.master.deadline() <= heard:
                    self._take(facts.TimePassed(), heard)
                self._notifier.update(self.master, self.now())
                if self.master.state is ServiceState.SERVING and not self.master.predecessor:
                    self.fdstore.update(self.sockets.ours())
        finally:
            self._leave()
        return self.ending

    def _open_sockets(self, config: Config) -> None:
        patience = self.services.patience
        # What was kept for another configuration may stand in the way of this one, until the manager has closed it too.
        if not self.services.handoff and self.sockets.close_unclaimed(config):
            self.fdstore.update(self.sockets.ours())
            patience = max(patience, RELEASE)
        self.sockets.open(self.master.generation, config, patience)

    def _leave(self) -> None:
        """Give back the paths that are ours alone, unless the sockets are kept for the master that comes next.

        The pidfile's name is left to a predecessor to take back, and to a successor that has not reported yet: there
        is no moment without a pidfile.
        """
        asked = self.ending is not None and self.ending.code == 0 and not self.master.again
        self.leave_sockets(last=self.master.alone and (asked or not self.services.notifier.keeps))
        self.controller.close(unlink=self.master.alone)  # another master takes it over by renaming
        leave = self.master.predecessor or self.master.upgrade.state is UpgradeState.STARTED
        hindrance = self.services.pidfile and self.services.pidfile.release(leave=leave)
        if hindrance:
            self.services.log.warning("pidfile_not_removed", reason=str(hindrance))

    def leave_sockets(self, *, last: bool) -> None:
        """Close them here; the ``last`` who serves them takes care that they are closed everywhere."""
        if last:
            self.fdstore.update({})
        self.sockets.close(unlink=last)

    def init_signals(self) -> None:
        """From here on signals are queued, and wake the loop through its pipe."""
        self._inbox = SignalInbox(SIGNALS)
        self.watch(self._inbox.fileno(), tuple)  # it only wakes: ``sleep`` looks at the signals at every turn

    def sleep(self) -> Iterator[Fact]:
        """Wait for whatever comes first, and give what it was."""
        longest = STRANGER_LOOK if self._strangers else LONGEST_SLEEP
        timeout = min(min(self.master.deadline(), self._notifier.due) - self.now(), longest)
        ready = self.selector.select(max(0.0, timeout))
        # Signals first: after Ctrl-C the workers end by themselves, and that is then no surprise.
        yield from self._signalled()
        watched = self.selector.get_map()
        for key, _events in ready:
            if watched.get(key.fd) is key:  # else it was given up a moment ago, in the same turn
                yield from key.data()
        for pid in [pid for pid in self._strangers if not process.lives(pid)]:
            yield from self._strangers.pop(pid)()

    def leave(self) -> set[int]:
        """Let go of the selector, the signals and the control socket. In a child; the descriptors that were theirs."""
        ours = {self._inbox.fileno(), *self.controller.filenos()}
        self.selector.close()
        self._inbox.close()
        self.controller.leave()
        return ours

    def wakeup(self) -> None:
        """Make ``sleep`` return."""
        self._inbox.wake()

    def _take(self, fact: Fact, now: float) -> None:
        """Let the policy decide on a fact, and on the facts that follow from obeying it."""
        waiting = deque([fact])
        while waiting and self.ending is None:
            for order in self.master.handle(waiting.popleft(), now):
                answer = EXECUTE[type(order)](self, order)
                if answer is not None:
                    waiting.append(answer)
        self.controller.settle()

    def now(self) -> float:
        """Seconds of the clock that everything here goes by."""
        return time.monotonic()

    # Sources of facts.

    def watch(self, descriptor: int, source: Source) -> None:
        """Have a source of facts asked when its descriptor is readable."""
        self.selector.register(descriptor, selectors.EVENT_READ, source)

    def unwatch(self, descriptor: int) -> None:
        """No longer. Before the descriptor is closed."""
        self.selector.unregister(descriptor)

    def _signalled(self) -> Iterator[Fact]:
        for signum in self._inbox.take():
            fact = SIGNALS[signum]
            if fact is None:
                yield from self.reap_workers()
            elif signum != signal.SIGWINCH or not self.services.terminal:
                yield fact

    def adopt_child(self, child: Child) -> None:
        """Watch a worker that was just forked."""
        self.children[child.worker] = child
        self.watch(child.channel.fileno(), lambda: self._listen(child, child.hear, child.channel.fileno()))
        self.watch(child.stacks, lambda: self._listen(child, child.dumped, child.stacks))
        self._watch_process(child)

    def _watch_process(self, child: Child) -> None:
        if child.pidfd is not None:
            self.watch(child.pidfd, lambda: self._reap(child))
        while child.pid and child.signals:
            process.send_signal(child.pid, child.signals.pop(0))

    def _listen(self, child: Child, source: Source, descriptor: int) -> Iterator[Fact]:
        if child.worker not in self.children:
            return  # it was reaped a moment ago, in the same turn of the loop, and all it said has been heard
        try:
            for fact in source():
                if isinstance(fact, facts.WorkerSpawned):
                    self._watch_process(child)
                yield fact
        except EOFError:
            if child.pid:
                self.selector.unregister(descriptor)
            elif descriptor != child.stacks:
                yield self.disown(child)

    def disown(self, child: Child) -> Fact:
        """Give up on a worker that a template was to fork and that has not said hello. Should it come, it is let go."""
        del self.children[child.worker]
        self._forget(child)
        return facts.ChildExited(child.worker, "it was not forked", clean=False)

    def reap_workers(self) -> Iterator[Fact]:
        """Collect the children that have ended: ours, and orphans that a master with pid 1 inherits."""
        for child in tuple(self.children.values()):
            if not child.pid:  # it may have said hello, and ended: then it is one of ours, and no orphan
                yield from self._listen(child, child.hear, child.channel.fileno())
            yield from self._reap(child)
        if os.getpid() == 1 or self.subreaper:
            process.reap_orphans(child.pid for child in self.children.values())

    def _reap(self, child: Child) -> Iterator[Fact]:
        if child.worker not in self.children or not child.pid:
            return
        ending = process.reap(child.pid)
        if ending is None:
            return
        del self.children[child.worker]
        yield from child.last_words()
        said = self._in_words(ending)
        yield facts.ChildExited(child.worker, said, ending.code == 0, ending.peak_memory, self.seen(child))
        self._forget(child)

    def _in_words(self, ending: process.Exit) -> str:
        if ending.signal != signal.SIGKILL:
            return str(ending)
        before, self._oom_kills = self._oom_kills, oom.kills()
        return f"{ending} (out of memory)" if self._oom_kills > before else str(ending)

    def _forget(self, child: Child) -> None:
        watched = self.selector.get_map()
        for descriptor in (child.channel.fileno(), child.stacks, child.pidfd):
            if descriptor is not None and descriptor in watched:
                self.selector.unregister(descriptor)
        child.close()

    def seen(self, child: Child) -> facts.RequestSeen:
        """What a worker's row says."""
        row = self.board.read(child.slot)
        return facts.RequestSeen(row.busy_since, row.request, row.served, row.queued)

    def watch_successor(self, successor: Successor) -> None:
        """Watch the new master: for its report, and for its end."""

        def heard() -> Iterator[Fact]:
            self.unwatch(successor.report)
            yield from successor.heard()

        def ended() -> Iterator[Fact]:
            if successor.report in self.selector.get_map():  # it has not been heard yet
                self.unwatch(successor.report)
            yield from successor.ended()

        self.watch(successor.report, heard)
        self._watch_stranger(successor.pid, ended)

    def _watch_stranger(self, pid: int, gone: Source) -> None:
        """Say so when a process that is no child of ours ends."""
        pidfd = process.open_pidfd(pid)
        if pidfd is None:
            self._strangers[pid] = gone  # it has ended already, or has to be looked at
            self.wakeup()
            return
        descriptor = pidfd

        def ended() -> Iterator[Fact]:
            self.selector.unregister(descriptor)
            os.close(descriptor)
            yield from gone()

        self.watch(descriptor, ended)

    def _listener_opened(self, listener: Listener) -> None:
        self.services.log.info("listener_opened", name=listener.name, address=listener.address)
