"""Carries the master's orders out: one small method an order.

Rules. It decides nothing, and knows neither the loop nor the policy. Every order is answered: with nothing when it is
done, with a fact of its own, or, whatever is raised, with OrderFailed. So nothing that an order does unwinds through
the loop, and what a failure means is for the policy to say.

Diagnostics. ``order_failed`` (with the order's name and a traceback), ``log_not_reopened``, ``logs_reopened``,
``listener_not_renewed``, ``pidfile_lost``, ``control_lost``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from signal import Signals
from typing import Any, TypeVar

from prefork.arbiter import facts, orders, spawning
from prefork.arbiter.children import Child
from prefork.arbiter.control import Controller
from prefork.arbiter.facts import Fact
from prefork.arbiter.orders import Order
from prefork.arbiter.resources import Resources
from prefork.arbiter.upgrade.successor import Successor
from prefork.config.models import Config
from prefork.errors import BindError, ConfigError, PreforkError
from prefork.observe.sink import Sink
from prefork.system import process, room, signals
from prefork.system.channel import Kind

Method = Callable[["Executor", Any], "Fact | None"]
Decorated = TypeVar("Decorated", bound=Method)

METHODS: dict[type[Order], Method] = {}


def carries_out(kind: type[Order]) -> Callable[[Decorated], Decorated]:
    """Register the method that carries out a kind of order."""

    def register(method: Decorated) -> Decorated:
        assert kind not in METHODS, f"{kind.__name__} is carried out already"
        METHODS[kind] = method
        return method

    return register


def _reopen(sink: Sink) -> OSError | None:
    """Open a log anew. Returns what hindered it, at whatever step."""
    try:
        return sink.reopen()
    except OSError as error:
        return error


def _pass_on(child: Child, name: str, sink: Sink) -> None:
    """Give a child the log as it is open now, by an open file description of its own.

    A worker could spoil the master's.
    """
    with suppress(OSError):  # too many open files: it goes on with what it has
        lent = sink.lend()
        child.channel.send(Kind.REOPEN, name, lent)
        os.close(lent)


class Executor:
    """Carries out orders in the master: one method for each kind of order."""

    def __init__(self, resources: Resources, controller: Controller) -> None:
        self.ending: orders.Exit | None = None  # the order to exit, once it was given
        self._resources = resources
        self._services = resources.services
        self._controller = controller
        self._config = resources.services.config  # the one in force
        self._successor: Successor | None = None  # the one that was started last

    def execute(self, order: Order) -> Fact | None:
        """Carry an order out, and give its answer. Never raises."""
        try:
            return METHODS[type(order)](self, order)
        except Exception as error:
            name = type(order).__name__
            return facts.OrderFailed(order, self._resources.survival.note("order_failed", error, order=name))

    # Workers.

    @carries_out(orders.SpawnWorker)
    def spawn_worker(self, order: orders.SpawnWorker) -> Fact | None:
        return spawning.spawn_worker(self._resources, order)

    @carries_out(orders.SpawnTemplate)
    def spawn_template(self, order: orders.SpawnTemplate) -> Fact | None:
        return spawning.spawn_template(self._resources, order)

    @carries_out(orders.RetireWorker)
    def retire_worker(self, order: orders.RetireWorker) -> None:
        child = self._resources.children.get(order.worker)
        if child is None:
            return
        child.channel.send(Kind.DRAIN if order.drain else Kind.RETIRE)
        # A worker that boots does not read its channel. One that is ready does, and its application may have given the
        # signal another meaning, or its default back, which is death with requests in flight (asyncio's
        # remove_signal_handler does).
        if not child.ready:
            self._resources.children.signal(order.worker, signals.RETIRE)

    @carries_out(orders.KillWorker)
    def kill_worker(self, order: orders.KillWorker) -> Fact | None:
        child = self._resources.children.get(order.worker)
        if order.signal is Signals.SIGKILL and child is None:
            return facts.ChildExited(order.worker, "the process had already ended", clean=False)
        if order.signal is Signals.SIGKILL and child and not child.pid:
            return self._resources.children.disown(child)
        if child and order.signal is Signals.SIGQUIT:
            child.channel.send(Kind.QUIT)  # beside the signal, which an application may have given another meaning
        self._resources.children.signal(order.worker, order.signal)
        return None

    @carries_out(orders.DumpStacks)
    def dump_stacks(self, order: orders.DumpStacks) -> None:
        self._resources.children.signal(order.worker, signals.DUMP)
        child = self._resources.children.get(order.worker)
        if child and order.expired:
            child.expired = True
            child.expire()

    @carries_out(orders.WatchWorker)
    def watch_worker(self, order: orders.WatchWorker) -> Fact | None:
        child = self._resources.children.get(order.worker)
        if child is None:
            return None
        self._resources.board.watch(child.slot, watching=order.watching)
        # A request that it took up just before it could see that nobody watches any more would ring no bell.
        if not order.watching and self._resources.board.read(child.slot).busy_since:
            return facts.RequestStarted(order.worker)
        return None

    @carries_out(orders.ReadScoreboard)
    def read_scoreboard(self, order: orders.ReadScoreboard) -> Fact:
        children = self._resources.children
        there = (children.get(worker) for worker in order.workers)
        return facts.ScoreboardRead({child.worker: children.seen(child) for child in there if child})

    @carries_out(orders.LookAgain)
    def look_again(self, order: orders.LookAgain) -> None:
        for child in map(self._resources.children.get, order.workers):
            if child:
                child.channel.send(Kind.LOOK)

    @carries_out(orders.MeasureRoom)
    def measure_room(self, order: orders.MeasureRoom) -> Fact:
        there = [child for child in map(self._resources.children.get, order.like) if child]
        each = max((room.memory_of(child.pid) for child in there), default=0)
        rows = self._resources.board.capacity
        return facts.RoomMeasured(order.pool, order.workers, order.force, room.available(), each, rows)

    # The configuration and the listeners.

    @carries_out(orders.LoadConfig)
    def load_config(self, _order: orders.LoadConfig) -> Fact:
        try:
            config = self._services.load()
            self._resources.insist_on_room(config)
        except ConfigError as error:
            return facts.ReloadRefused(tuple(str(fault) for fault in error.faults))
        except PreforkError as error:
            return facts.ReloadRefused((str(error),))
        return facts.ConfigLoaded(config, self._services.changed(self._config, config))

    @carries_out(orders.OpenListeners)
    def open_listeners(self, order: orders.OpenListeners) -> Fact:
        try:
            self._resources.sockets.open(order.generation, order.config)
            self._controller.open(order.config)
        except BindError as error:
            self._resources.sockets.drop(order.generation)
            return facts.ReloadRefused((str(error),))
        return facts.ListenersOpened(order.generation)

    @carries_out(orders.AdoptGeneration)
    def adopt_generation(self, order: orders.AdoptGeneration) -> None:
        self._config = order.config
        self._resources.sockets.adopt(order.generation)
        self._renew_listeners(order.config)
        self._controller.adopt(order.config)
        self._services.set_level(order.config.log.level)

    @carries_out(orders.DropGeneration)
    def drop_generation(self, order: orders.DropGeneration) -> None:
        self._resources.sockets.drop(order.generation)
        self._controller.drop()

    @carries_out(orders.StopListening)
    def stop_listening(self, order: orders.StopListening) -> None:
        if order.last:
            self._resources.sockets.refuse_newcomers()
        self._resources.leave_sockets(last=order.last)

    @carries_out(orders.CloseUnclaimed)
    def close_unclaimed(self, _order: orders.CloseUnclaimed) -> None:
        self._resources.sockets.close_unclaimed(self._config)
        self._renew_listeners(self._config)
        if self._services.pidfile:
            with suppress(OSError, PreforkError):  # it is no pidfile, or another master's: nothing of ours
                self._services.pidfile.forget_predecessor()

    def _renew_listeners(self, config: Config) -> None:
        """Have listeners that were open before follow the configuration that is now in force."""
        for name, error in self._resources.sockets.renew(config):
            self._services.log.warning("listener_not_renewed", name=name, reason=str(error))

    # Logs, and whoever waits.

    @carries_out(orders.ReopenLogs)
    def reopen_logs(self, _order: orders.ReopenLogs) -> Fact:
        """Open every log anew, and pass the descriptors on: workers may have no right to open them."""
        failures = []
        for name, sink in self._services.sinks.items():
            error = _reopen(sink)
            if error:
                failures.append(f"log {name}: {error}")
                hint = "the old file is written to until USR1 finds the path writable"
                self.report(orders.report("error", "log_not_reopened", log=name, reason=str(error), hint=hint))
            for child in self._resources.children:
                _pass_on(child, name, sink)
        self._services.log.info("logs_reopened", logs=len(self._services.sinks))
        return facts.LogsReopened(tuple(failures))

    @carries_out(orders.AnnounceReady)
    def announce_ready(self, _order: orders.AnnounceReady) -> None:
        if self._services.handoff:
            self._take_control_over(self._services.handoff.master)
        else:
            self._renew_listeners(self._config)
        self._services.announce()

    def _take_control_over(self, predecessor: int) -> None:
        """Take the path of the control socket over from the predecessor.

        ``preforkctl`` talks to this master from here on.
        """
        try:
            self._controller.open(self._config, over=predecessor)
        except BindError as error:
            self._services.log.error("control_lost", reason=str(error))
        else:
            self._controller.adopt(self._config)

    @carries_out(orders.Report)
    def report(self, order: orders.Report) -> None:
        self._controller.reported(order)
        getattr(self._services.log, order.level)(order.event, **order.fields)

    @carries_out(orders.Exit)
    def exit_master(self, order: orders.Exit) -> None:
        self.ending = order

    # The other master of an upgrade.

    @carries_out(orders.Reexec)
    def reexec(self, _order: orders.Reexec) -> Fact:
        """Start the successor of an upgrade."""
        try:
            successor = Successor.start(self._resources)
        except (OSError, PreforkError) as error:
            return facts.SuccessorFailed(f"{self._services.command[0]}: {error}")
        self._successor = successor
        self._resources.ties.append(successor.leave)
        self._watch_successor(successor)
        return facts.SuccessorStarted(successor.pid)

    def _watch_successor(self, successor: Successor) -> None:
        """Watch for the report of the successor, and for its end."""
        watch = self._resources.watch

        def heard() -> Iterator[Fact]:
            watch.remove(successor.report)
            yield from successor.heard()

        def ended() -> Iterator[Fact]:
            watch.remove(successor.report)
            self._resources.ties.remove(successor.leave)
            yield from successor.ended()

        watch.stranger(successor.pid, ended)  # never raises; its end tells its report as well
        with suppress(OSError):  # no room for one more: its report is read when it ends, or it is overdue
            watch.add(successor.report, heard)

    @carries_out(orders.KillSuccessor)
    def kill_successor(self, order: orders.KillSuccessor) -> None:
        if self._successor:
            process.send_signal(self._successor.pid, order.signal)

    @carries_out(orders.RetirePredecessor)
    def retire_predecessor(self, _order: orders.RetirePredecessor) -> None:
        if self._services.handoff:
            process.send_signal(self._services.handoff.master, Signals.SIGTERM)

    @carries_out(orders.RestorePidfile)
    def restore_pidfile(self, _order: orders.RestorePidfile) -> None:
        self._controller.reclaim()
        if self._services.pidfile:
            try:
                self._services.pidfile.restore()
            except (OSError, PreforkError) as error:
                self._services.log.error("pidfile_lost", reason=str(error))
