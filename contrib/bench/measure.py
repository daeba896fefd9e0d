"""Rounds over the servers: each in its turn is started, checked, and put under every load; at the end the memory.

What goes wrong with one server is a reason in the results, and the others are measured all the same.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from contrib.bench import figures
from contrib.bench.figures import CpuTime, Results, Sample
from contrib.bench.loads import CONNECTIONS, LOADS, PLAIN, Load
from contrib.bench.processes import HERE, Cores, Running, ServerError, core_time, serving
from contrib.bench.servers import Server

WARM_UP = 1  # seconds of the plain GET before a server's first load; wrk knows whole seconds only
MEMORY_WORKERS = 4
PATIENCE = 60.0  # seconds beyond a load's own length, for wrk and for opening idle connections
Closed = Callable[[], int]  # how many of the idle connections the server has closed
TROUBLE = (ServerError, OSError, ValueError, http.client.HTTPException, subprocess.SubprocessError)


@dataclass(frozen=True)
class Plan:
    """What to do, and where."""

    servers: Sequence[Server]
    rounds: int
    seconds: int
    cores: Cores
    venv: Path


def run(plan: Plan) -> Results:
    """Everything. Takes about rounds x servers x loads x seconds."""
    allow_many_files()
    results = Results()
    for number in range(1, plan.rounds + 1):
        for server in plan.servers:
            say(f"round {number} of {plan.rounds}: {server.name}")
            _measure_one(plan, server, results)
    for server in plan.servers:
        say(f"memory: {server.name}")
        try:
            results.memory[server.name] = figures.mean_memory(_memory(plan, server))
        except TROUBLE as trouble:
            results.no_memory[server.name] = str(trouble)
    return results


def say(text: str) -> None:
    """Progress, on standard error: standard output is the report's."""
    print(text, file=sys.stderr, flush=True)


def allow_many_files() -> None:
    """As many descriptors as the hard limit allows; servers and wrk inherit it. A thousand connections need it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _measure_one(plan: Plan, server: Server, results: Results) -> None:
    """Every load on one server; a server that fails under one of them is started again for the next."""
    waiting = list(LOADS)
    while waiting:
        try:
            with serving(server, plan.venv, 1, plan.cores.server) as running:
                _generate(running, PLAIN, WARM_UP, plan.cores)
                while waiting:
                    load = waiting.pop(0)
                    if not _put_under(plan, running, server, load, results):
                        break
        except TROUBLE as trouble:
            for load in waiting:
                results.miss(server.name, load.name, str(trouble))
            return


def _put_under(plan: Plan, running: Running, server: Server, load: Load, results: Results) -> bool:
    """One load on a server that runs; False when it went wrong."""
    if load.idle and server.closes:
        results.miss(server.name, load.name, server.closes)
        return True
    try:
        _check(running, load)
        results.add(server.name, load.name, _measure(running, load, plan.seconds, plan.cores))
    except TROUBLE as trouble:
        results.miss(server.name, load.name, str(trouble))
        return False
    return True


def _check(running: Running, load: Load) -> None:
    """A wrong answer is not worth measuring. Raises ServerError."""
    answer = running.ask(load.path, load.headers, b"x" * load.body)
    if answer != (200, load.length):
        raise ServerError(f"answers {answer.status} with {answer.length} bytes instead of 200 with {load.length}")


def _measure(running: Running, load: Load, seconds: int, cores: Cores) -> Sample:
    with _idle(running, load.idle, cores) as closed:
        before = _cpu_time(running, cores)
        summary = _generate(running, load, seconds, cores)
        used = _cpu_time(running, cores).since(before)
        return figures.sample(summary, used, closed())


def _generate(running: Running, load: Load, seconds: int, cores: Cores) -> dict[str, int]:
    """Run wrk; what load.lua prints at its end."""
    command = ["taskset", "--cpu-list", str(cores.load), "wrk", "--threads", "1", "--duration", f"{seconds}s"]
    command += ["--connections", str(CONNECTIONS), "--latency", "--script", str(HERE / load.script)]
    for name, value in load.headers.items():
        command += ["--header", f"{name}: {value}"]
    command += [f"http://127.0.0.1:{running.port}{load.path}", "--", *([str(load.body)] if load.body else [])]
    result = subprocess.run(command, capture_output=True, check=False, text=True, timeout=seconds + PATIENCE)
    if result.returncode:
        raise ServerError(f"wrk: {(result.stderr or result.stdout).strip()}")
    summary: dict[str, int] = json.loads(result.stdout.strip().splitlines()[-1])
    return summary


@contextlib.contextmanager
def _idle(running: Running, count: int, cores: Cores) -> Iterator[Closed]:
    """Idle connections for the length of a load. Raises ServerError when the server does not take or keep them."""
    if not count:
        yield lambda: 0
        return
    command = ["taskset", "--cpu-list", str(cores.load), sys.executable, str(HERE / "idle.py"), str(running.port)]
    pipe = subprocess.PIPE
    with subprocess.Popen([*command, str(count)], stdin=pipe, stdout=pipe, stderr=pipe, text=True) as holder:
        try:
            assert holder.stdout
            assert holder.stderr
            if holder.stdout.readline() != "ready\n":
                raise ServerError(f"idle connections: {holder.stderr.read().strip()}")
            yield lambda: count - int(holder.communicate(timeout=PATIENCE)[0])
        finally:
            holder.kill()


def _memory(plan: Plan, server: Server) -> list[tuple[int, int]]:
    """USS and PSS of every worker after the loads that make a server grow, on all cores."""
    with serving(server, plan.venv, MEMORY_WORKERS, None) as running:
        for load in LOADS:
            if not load.fresh and not load.idle:
                _generate(running, load, plan.seconds, plan.cores)
        return [(memory.uss, memory.pss) for memory in running.worker_memory()]


def _cpu_time(running: Running, cores: Cores) -> CpuTime:
    """Of the children that have ended, wrk is the only one that ends between two calls."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    wrk = usage.ru_utime + usage.ru_stime
    return CpuTime(wrk, core_time(cores.load), running.cpu(), core_time(cores.server))
