"""Agents that are in every process before prefork is: what they write arrives at their files, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.applications.wrapped import MODES, Wrapped, has_silence

AGENT = """
import logging, os, threading

home = os.environ["HOME_OF_TEST"]
for number in range(12):
    logger = logging.getLogger(f"agent.{number}")
    logger.propagate = False
    logger.setLevel("INFO")
    logger.addHandler(logging.FileHandler(f"{home}/agent-{number}.log"))
beats = open(f"{home}/beats.log", "a", buffering=1)
opened = []

def beat():
    while True:
        beats.write(f"beat {os.getpid()}\\n")
        threading.Event().wait(0.01)

def start():
    threading.Thread(target=beat, daemon=True, name="agent").start()

def forked():
    opened.append(open(f"{home}/forked.log", "a", buffering=1))
    start()

start()
os.register_at_fork(after_in_child=forked)
"""
APPLICATION = """
import logging, os, sitecustomize

def application(environ, start_response):
    for number in range(12):
        logging.getLogger(f"agent.{number}").info("asked %s", environ["PATH_INFO"])
    for file in sitecustomize.opened:
        file.write(f"forked {os.getpid()}\\n")
    start_response("200 OK", [("Content-Length", "5")])
    return [b"hello"]
"""
REQUESTS = 30


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Wrapped]:
    """One with the agent above."""
    one = Wrapped(tmp_path, sitecustomize=AGENT)
    (tmp_path / "asked.py").write_text(APPLICATION)
    try:
        yield one
    finally:
        one.end()


@pytest.mark.parametrize("daemonize", [False, True], ids=["foreground", "daemonize"])
@pytest.mark.parametrize("mode", MODES)
def test_what_an_agent_writes_arrives_at_its_files(daemon: Wrapped, mode: str, daemonize: bool):  # noqa: FBT001
    """P1. Twelve files, a thread and an at-fork handler; idle clients beside it read nothing, the pidfile is whole."""
    daemon.launch(daemonize=daemonize, app="asked:application", workers=2, pool=MODES[mode])
    idle = [daemon.connect() for _ in range(3)]
    for number in range(REQUESTS):
        assert daemon.get(f"/{number}") == (200, b"hello")
    assert all(has_silence(client) for client in idle)
    assert daemon.pidfile.read_text() == f"{daemon.master}\n"
    for client in idle:
        client.close()
    daemon.stop_and_wait()
    expected = sorted(f"asked /{number}" for number in range(REQUESTS))
    for number in range(12):
        assert sorted((daemon.home / f"agent-{number}.log").read_text().splitlines()) == expected
    forked = (daemon.home / "forked.log").read_text().splitlines()
    assert len(forked) >= REQUESTS
    assert all(line.startswith("forked ") for line in forked)
    beats = (daemon.home / "beats.log").read_text().splitlines()
    assert {line.split()[0] for line in beats} == {"beat"}
    for entry in daemon.log_entries():
        assert "event" in entry
