"""One small function an order: the hands of the master.

They decide nothing. What can fail answers with a fact, and raises nothing: a fork, a file or a socket that fails is
the policy's business, never the loop's end.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from signal import Signals
from typing import TYPE_CHECKING, Any

from prefork.arbiter import facts, orders
from prefork.arbiter.facts import Fact
from prefork.arbiter.spawning import spawn_template, spawn_worker
from prefork.arbiter.upgrade.successor import Successor
from prefork.config.models import Config
from prefork.errors import BindError, ConfigError, PreforkError
from prefork.system import process, signals
from prefork.system.channel import Kind

if TYPE_CHECKING:
    from prefork.arbiter.loop import Arbiter


def retire_worker(arbiter: Arbiter, order: orders.RetireWorker) -> None:
    child = arbiter.children.get(order.worker)
    if child is None:
        return
    child.channel.send(Kind.DRAIN if order.drain else Kind.RETIRE)
    # A worker that boots does not read its channel. One that is ready does, and its application may have given the
    # signal another meaning, or its default back, which is death with requests in flight (asyncio's
    # remove_signal_handler does).
    if not child.ready:
        _signal(arbiter, order.worker, signals.RETIRE)


def kill_worker(arbiter: Arbiter, order: orders.KillWorker) -> Fact | None:
    child = arbiter.children.get(order.worker)
    if child and not child.pid and order.signal is Signals.SIGKILL:
        return arbiter.disown(child)
    if child and order.signal is Signals.SIGQUIT:
        child.channel.send(Kind.QUIT)  # beside the signal, which an application may have given another meaning
    _signal(arbiter, order.worker, order.signal)
    return None


def _signal(arbiter: Arbiter, worker: int, signum: int) -> None:
    """A child that is in the table has not been reaped, so its pid is its own."""
    child = arbiter.children.get(worker)
    if child and child.pid:
        process.send_signal(child.pid, signum)
    elif child:
        child.signals.append(signum)


def dump_stacks(arbiter: Arbiter, order: orders.DumpStacks) -> None:
    _signal(arbiter, order.worker, signals.DUMP)
    if order.expired and signals.EXPIRE:
        _signal(arbiter, order.worker, signals.EXPIRE)


def watch_worker(arbiter: Arbiter, order: orders.WatchWorker) -> Fact | None:
    child = arbiter.children.get(order.worker)
    if child is None:
        return None
    arbiter.board.watch(child.slot, order.watching)
    # A request that it took up just before it could see that nobody watches any more would ring no bell.
    if not order.watching and arbiter.board.read(child.slot).busy_since:
        return facts.RequestStarted(order.worker)
    return None


def read_scoreboard(arbiter: Arbiter, order: orders.ReadScoreboard) -> Fact:
    children = (arbiter.children.get(worker) for worker in order.workers)
    return facts.ScoreboardRead({child.worker: arbiter.seen(child) for child in children if child})


def load_config(arbiter: Arbiter, _order: orders.LoadConfig) -> Fact:
    try:
        config = arbiter.services.load()
    except ConfigError as error:
        return facts.ReloadRefused(tuple(str(fault) for fault in error.faults))
    except PreforkError as error:
        return facts.ReloadRefused((str(error),))
    return facts.ConfigLoaded(config, arbiter.services.changed(arbiter.master.config, config))


def open_listeners(arbiter: Arbiter, order: orders.OpenListeners) -> Fact:
    try:
        arbiter.sockets.open(order.generation, order.config)
        arbiter.controller.open(order.config)
    except BindError as error:
        arbiter.sockets.drop(order.generation)
        return facts.ReloadRefused((str(error),))
    return facts.ListenersOpened(order.generation)


def adopt_generation(arbiter: Arbiter, order: orders.AdoptGeneration) -> None:
    arbiter.sockets.adopt(order.generation)
    _renew_listeners(arbiter, order.config)
    arbiter.controller.adopt(order.config)
    arbiter.services.set_level(order.config.log.level)


def drop_generation(arbiter: Arbiter, order: orders.DropGeneration) -> None:
    arbiter.sockets.drop(order.generation)
    arbiter.controller.drop()


def stop_listening(arbiter: Arbiter, order: orders.StopListening) -> None:
    if order.last:
        arbiter.sockets.refuse_newcomers()
    arbiter.leave_sockets(last=order.last)


def reopen_logs(arbiter: Arbiter, _order: orders.ReopenLogs) -> None:
    """Open every log anew, and pass the descriptors on: workers may have no right to open them."""
    for name, sink in arbiter.services.sinks.items():
        error = sink.reopen()
        if error:
            hint = "the old file is written to until USR1 finds the path writable"
            report(arbiter, orders.report("error", "log_not_reopened", log=name, reason=str(error), hint=hint))
        for child in arbiter.children.values():
            child.channel.send(Kind.REOPEN, name, sink.fileno())
    arbiter.services.log.info("logs_reopened", logs=len(arbiter.services.sinks))


def reexec(arbiter: Arbiter, _order: orders.Reexec) -> Fact:
    """Start the successor."""
    try:
        successor = Successor.start(arbiter)
    except (OSError, PreforkError) as error:
        return facts.SuccessorFailed(f"{arbiter.services.command[0]}: {error}")
    arbiter.watch_successor(successor)
    return facts.SuccessorStarted(successor.pid)


def kill_successor(arbiter: Arbiter, order: orders.KillSuccessor) -> None:
    with suppress(ProcessLookupError):  # it has ended, and that fact is on its way
        os.kill(arbiter.master.upgrade.pid, order.signal)


def retire_predecessor(arbiter: Arbiter, _order: orders.RetirePredecessor) -> None:
    assert arbiter.services.handoff is not None
    with suppress(ProcessLookupError):  # it has ended, and that fact is on its way
        os.kill(arbiter.services.handoff.master, Signals.SIGTERM)


def restore_pidfile(arbiter: Arbiter, _order: orders.RestorePidfile) -> None:
    arbiter.controller.reclaim()
    if arbiter.services.pidfile:
        try:
            arbiter.services.pidfile.restore()
        except (OSError, PreforkError) as error:
            arbiter.services.log.error("pidfile_lost", reason=str(error))


def announce_ready(arbiter: Arbiter, _order: orders.AnnounceReady) -> None:
    if arbiter.services.handoff:
        _take_control_over(arbiter, arbiter.services.handoff.master)
    else:
        _renew_listeners(arbiter, arbiter.master.config)
    arbiter.services.announce()


def close_unclaimed(arbiter: Arbiter, _order: orders.CloseUnclaimed) -> None:
    arbiter.sockets.close_unclaimed(arbiter.master.config)
    _renew_listeners(arbiter, arbiter.master.config)


def _renew_listeners(arbiter: Arbiter, config: Config) -> None:
    """Those that were open before follow the configuration, now that it is in force."""
    for name, error in arbiter.sockets.renew(config):
        arbiter.services.log.warning("listener_not_renewed", name=name, reason=str(error))


def _take_control_over(arbiter: Arbiter, predecessor: int) -> None:
    """From here on preforkctl talks to this master, and no more to its predecessor."""
    try:
        arbiter.controller.open(arbiter.master.config, over=predecessor)
    except BindError as error:
        arbiter.services.log.error("control_lost", reason=str(error))
    else:
        arbiter.controller.adopt(arbiter.master.config)


def report(arbiter: Arbiter, order: orders.Report) -> None:
    arbiter.controller.heard(order)
    getattr(arbiter.services.log, order.level)(order.event, **order.fields)


def exit_master(arbiter: Arbiter, order: orders.Exit) -> None:
    arbiter.ending = order


EXECUTE: dict[type, Callable[[Arbiter, Any], Fact | None]] = {
    orders.SpawnWorker: spawn_worker,
    orders.SpawnTemplate: spawn_template,
    orders.RetireWorker: retire_worker,
    orders.KillWorker: kill_worker,
    orders.DumpStacks: dump_stacks,
    orders.WatchWorker: watch_worker,
    orders.ReadScoreboard: read_scoreboard,
    orders.LoadConfig: load_config,
    orders.OpenListeners: open_listeners,
    orders.AdoptGeneration: adopt_generation,
    orders.DropGeneration: drop_generation,
    orders.StopListening: stop_listening,
    orders.ReopenLogs: reopen_logs,
    orders.Reexec: reexec,
    orders.KillSuccessor: kill_successor,
    orders.RetirePredecessor: retire_predecessor,
    orders.RestorePidfile: restore_pidfile,
    orders.AnnounceReady: announce_ready,
    orders.CloseUnclaimed: close_unclaimed,
    orders.Report: report,
    orders.Exit: exit_master,
}
