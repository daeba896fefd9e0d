"""Forking: workers and templates by the master, and workers by a template on the master's order.

A fork that fails is a fact. A child ends by ``os._exit`` whatever happens: nothing of it unwinds into the master's.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import NamedTuple

from prefork.arbiter import facts, orders
from prefork.arbiter.children import Child
from prefork.arbiter.facts import Fact
from prefork.arbiter.inheritance import leave_to_master
from prefork.arbiter.resources import Resources
from prefork.arbiter.services import Berth
from prefork.system import process
from prefork.system.channel import Channel, Kind


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
    if order.template:
        place = {"number": order.number, "slot": order.slot, "warm_at": order.warm_at}
        return _have_forked(resources, order, order.template, place)
    return _fork(resources, order, order.number, resources.services.serve)


def spawn_template(resources: Resources, order: orders.SpawnTemplate) -> Fact | None:
    """A template, by the master or by a warm worker. From now on the orphans below us are ours: it forks workers."""
    if order.source:
        return _have_forked(resources, order, order.source, {"number": 0})
    resources.subreaper = resources.subreaper or process.set_subreaper(True)
    if not resources.subreaper:
        return facts.SpawnFailed(
            order.worker, "preload and python need a child subreaper (prctl(2)): Linux alone has one"
        )
    return _fork(resources, order, 0, resources.services.serve_template)


def _fork(
    resources: Resources, order: orders.SpawnWorker | orders.SpawnTemplate, number: int, life: Callable[[Berth], int]
) -> Fact:
    try:
        ends = connect()
    except OSError as error:
        return facts.SpawnFailed(order.worker, str(error))
    try:
        berth = _berth(resources, order, number, ends)
        pid = process.fork()
    except BaseException as error:
        ends.close_ours()
        ends.close_its()
        if isinstance(error, OSError):
            return facts.SpawnFailed(order.worker, str(error))
        raise
    if pid == 0:
        _live(resources, ends, berth, life)
    ends.close_its()
    child = Child(order.worker, order.slot, pid, process.open_pidfd(pid), ends.channel, ends.stacks)
    try:
        resources.children.adopt(child)
    except BaseException as error:
        process.kill_and_reap(pid)  # nobody can hear it
        if isinstance(error, OSError):
            return facts.SpawnFailed(order.worker, str(error))
        raise
    return facts.WorkerSpawned(order.worker, pid)


def _have_forked(
    resources: Resources, order: orders.SpawnWorker | orders.SpawnTemplate, parent: int, place: Mapping[str, int]
) -> Fact | None:
    """Ask another to fork. The child says hello when it is there; should neither come to it, the channel ends."""
    forks = resources.children.get(parent)
    try:
        ends = connect(asks_sender=True)
    except OSError as error:
        return facts.SpawnFailed(order.worker, str(error))
    child = Child(order.worker, order.slot, 0, None, ends.channel, ends.stacks)
    try:
        resources.board.clear(order.slot)
        resources.children.adopt(child)  # first: one that nobody can hear is not to be forked
    except OSError as error:
        ends.close_its()
        return facts.SpawnFailed(order.worker, str(error))
    asked = forks and forks.channel.send(Kind.FORK, json.dumps(place), ends.its_channel.fileno(), ends.its_stacks)
    ends.close_its()
    if not asked:
        resources.children.disown(child)
        return facts.SpawnFailed(order.worker, "who was to fork it does not listen")
    return None


def _berth(resources: Resources, order: orders.SpawnWorker | orders.SpawnTemplate, number: int, ends: Ends) -> Berth:
    resources.board.clear(order.slot)
    return Berth(
        pool=order.pool,
        number=number,
        slot=order.slot,
        generation=order.generation,
        config=order.config,
        board=resources.board,
        channel=ends.its_channel,
        stacks=ends.its_stacks,
        listeners=resources.sockets.of(order.generation, order.config.listeners_of(order.pool)),
        sinks=resources.services.sinks,
    )


def _live(resources: Resources, ends: Ends, berth: Berth, life: Callable[[Berth], int]) -> None:
    """The child's whole life; it does not return."""
    code = 1
    try:
        ends.close_ours()
        leave_to_master(resources, berth.listeners.values())
        code = life(berth)
    finally:
        os._exit(code)
