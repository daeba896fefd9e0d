"""Forking: workers and templates by the master, and workers by a template on the master's order.

A fork that fails is a fact. A child ends by ``os._exit`` whatever happens: nothing of it unwinds into the master's.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import NamedTuple

from prefork.arbiter import facts, orders
from prefork.arbiter.children import Child
from prefork.arbiter.facts import Fact
from prefork.arbiter.resources import Resources
from prefork.arbiter.services import Birth
from prefork.system import process
from prefork.system.channel import Channel, Kind
from prefork.worker.spec import Handles


class Ends(NamedTuple):
    """Both ends of a new child's channel, and of the pipe that its stacks are written to."""

    channel: Channel
    stacks: int
    its_channel: Channel
    its_stacks: int

    def close_ours(self) -> None:
        """Close the master's ends: the child was not forked after all."""
        self.channel.close()
        os.close(self.stacks)

    def close_its(self) -> None:
        """Close the child's ends in the master: the child has them, or was not forked."""
        self.its_channel.close()
        os.close(self.its_stacks)


def connect(*, asks_sender: bool = False) -> Ends:
    """Open the channel and the pipe for a new child. Raises OSError, and has then left nothing open."""
    ours, theirs = Channel.pair(asks_sender=asks_sender)
    try:
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        ours.close()
        theirs.close()
        raise
    return Ends(ours, reader, theirs, writer)


def spawn_worker(resources: Resources, order: orders.SpawnWorker) -> Fact | None:
    """Fork a worker, or have a template fork it. In the master; returns the fact that answers the order."""
    if order.slot >= resources.board.capacity:
        return facts.SpawnFailed(order.worker, f"the scoreboard is full ({resources.board.capacity} processes)")
    try:
        row = resources.board.open_row(order.slot)
    except OSError as error:
        return facts.SpawnFailed(order.worker, f"a row of the scoreboard cannot be made: {error}")
    try:
        if order.template:
            place = {"number": order.number, "slot": order.slot, "warm_at": order.warm_at}
            return _have_forked(resources, order, order.template, place, row)
        return _fork(resources, order, row)
    finally:
        os.close(row)


def spawn_template(resources: Resources, order: orders.SpawnTemplate) -> Fact | None:
    """A template, by the master or by a warm worker. From now on the orphans below us are ours: it forks workers."""
    if order.slot >= resources.board.capacity:
        return facts.SpawnFailed(order.worker, f"the scoreboard is full ({resources.board.capacity} processes)")
    resources.board.close_row(order.slot)
    if order.source:
        return _have_forked(resources, order, order.source, {"number": 0, "slot": 0, "warm_at": 0})
    resources.subreaper = resources.subreaper or process.set_subreaper(True)
    if not resources.subreaper:
        return facts.SpawnFailed(
            order.worker, "preload and python need a child subreaper (prctl(2)), which only Linux has"
        )
    return _fork(resources, order)


def _fork(resources: Resources, order: Birth, row: int = -1) -> Fact:
    try:
        ends = connect()
    except OSError as error:
        return facts.SpawnFailed(order.worker, str(error))
    try:
        handles = _handles(resources, order, ends, row)
        pid = process.fork()
    except BaseException as error:
        ends.close_ours()
        ends.close_its()
        if isinstance(error, OSError):
            return facts.SpawnFailed(order.worker, str(error))
        raise
    if pid == 0:
        _live(resources, ends, order, handles)
    ends.close_its()
    child = _child(resources, order, ends, pid, process.open_pidfd(pid))
    try:
        resources.children.adopt(child)
    except BaseException as error:
        process.kill_and_reap(pid)  # nobody can hear it
        if isinstance(error, OSError):
            return facts.SpawnFailed(order.worker, str(error))
        raise
    return facts.WorkerSpawned(order.worker, pid)


def _have_forked(resources: Resources, order: Birth, parent: int, place: Mapping[str, int], *row: int) -> Fact | None:
    """Ask a template to fork. The new child says hello; if the request is lost, its channel ends."""
    forks = resources.children.get(parent)
    try:
        ends = connect(asks_sender=True)
    except OSError as error:
        return facts.SpawnFailed(order.worker, str(error))
    child = _child(resources, order, ends, 0, None)
    try:
        resources.children.adopt(child)  # first: one that nobody can hear is not to be forked
    except OSError as error:
        ends.close_its()
        return facts.SpawnFailed(order.worker, str(error))
    given = (ends.its_channel.fileno(), ends.its_stacks, *row)
    asked = forks and forks.channel.send(Kind.FORK, json.dumps(place), *given)
    ends.close_its()
    if not asked:
        resources.children.disown(child)
        return facts.SpawnFailed(order.worker, "the template that should fork this worker is not responding")
    return None


def _child(resources: Resources, order: Birth, ends: Ends, pid: int, pidfd: int | None) -> Child:
    return Child(
        *(order.worker, order.slot, pid, pidfd, ends.channel, ends.stacks),
        served=lambda: resources.board.read(order.slot).served,
        taken=lambda pid: any(child.pid == pid for child in resources.children),
    )


def _handles(resources: Resources, order: Birth, ends: Ends, row: int) -> Handles:
    listeners = resources.sockets.of(order.generation, order.config.listeners_of(order.pool))
    return Handles(
        channel=ends.its_channel,
        stacks=ends.its_stacks,
        row=row,
        words=resources.board.words,
        listeners={name: listener.socket for name, listener in listeners.items()},
        sinks=resources.services.sinks,
    )


def leave_to_master(resources: Resources, order: Birth) -> None:
    """Let go of all that is the master's, but for the listeners of the child's pool. In the child, signals blocked.

    Each descriptor is closed by the object that owns it, and by nothing else: the process has descriptors of agents and
    wrappers as well. What the kernel shares with the child (the set of an epoll, the pidfile's lock) is not touched.

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


def _live(resources: Resources, ends: Ends, order: Birth, handles: Handles) -> None:
    """Run the child's whole life. Does not return."""
    code = 1
    try:
        process.leave_terminal()
        ends.close_ours()
        leave_to_master(resources, order)
        for sink in handles.sinks.values():
            sink.separate()  # what an application does to a log's description is not to be the master's
        code = resources.services.serve(order, handles)
    finally:
        os._exit(code)
