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
from prefork.arbiter.inheritance import leave_to_master
from prefork.arbiter.resources import Resources
from prefork.arbiter.services import Birth
from prefork.system import process
from prefork.system.channel import Channel, Kind
from prefork.worker.spec import Handles


class Ends(NamedTuple):
    """The two ends of a channel, and of the pipe that stacks are written to; ours and the child's."""

    channel: Channel
    stacks: int
    its_channel: Channel
    its_stacks: int

    def close_ours(self) -> None:
        """There is no child after all."""
        self.channel.close()
        os.close(self.stacks)

    def close_its(self) -> None:
        """The child has them, or there is none."""
        self.its_channel.close()
        os.close(self.its_stacks)


def connect(*, asks_sender: bool = False) -> Ends:
    """Raises OSError, and has then left nothing open."""
    ours, theirs = Channel.pair(asks_sender=asks_sender)
    try:
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        ours.close()
        theirs.close()
        raise
    return Ends(ours, reader, theirs, writer)


def spawn_worker(resources: Resources, order: orders.SpawnWorker) -> Fact | None:
    """A worker, by whoever forks it."""
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
    """Ask another to fork. The child says hello when it is there; should neither come to it, the channel ends."""
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


def _live(resources: Resources, ends: Ends, order: Birth, handles: Handles) -> None:
    """The child's whole life; it does not return."""
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
