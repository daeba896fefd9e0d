"""A worker cannot type into, or read along at, the terminal of whoever started the service."""

from __future__ import annotations

import fcntl
import os
import pty
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator

import pytest

from tests.operator.daemon import PATIENCE
from tests.security.attacker import Service, as_root

PYTHON = f'python = "{sys.executable}"'
KINDS = {"forked": "", "preloaded": "preload = true", "executed": PYTHON}
ABUSE = """
import fcntl, os, termios

def possible():
    for number in (0, 1, 2):
        try:
            fcntl.ioctl(number, termios.TIOCSTI, b"x")
            yield f"type at {number}"
        except OSError:
            pass
        try:
            os.set_blocking(number, False)
            if os.read(number, 1):
                yield f"read at {number}"
        except BlockingIOError:
            yield f"wait for input at {number}"
        except OSError:
            pass
    try:
        os.close(os.open("/dev/tty", os.O_RDWR))
        yield "open the terminal"
    except OSError:
        pass
"""
RUN = f"{ABUSE}\nresult = [*possible(), os.getsid(0) == os.getpid()]"
HOSTILE = f"{ABUSE}\nraise RuntimeError(' '.join(['found:', *possible(), 'end', str(os.getsid(0) == os.getpid())]))"


@pytest.fixture
def terminal() -> Iterator[tuple[int, Callable[[], None]]]:
    """A terminal, and what a process does before it executes to be controlled by it."""
    master, slave = pty.openpty()

    def take() -> None:
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

    yield slave, take
    os.close(master)
    os.close(slave)


@as_root
@pytest.mark.parametrize("kind", KINDS)
def test_a_worker_has_no_terminal(service: Service, terminal: tuple[int, Callable[[], None]], kind: str):
    """M3. Standard input is /dev/null, standard output only for writing, and there is no controlling terminal."""
    slave, take = terminal
    service.configure(web=KINDS[kind])
    service.start(stdout=slave, preexec_fn=take)
    assert service.run(RUN) == [True]


@as_root
@pytest.mark.parametrize("kind", ["forked", "executed"])
def test_neither_has_the_check_of_a_hostile_application(
    service: Service, terminal: tuple[int, Callable[[], None]], kind: str
):
    """M3. ``preforkd -t`` imports in a session of its own; all three streams are the terminal here."""
    slave, take = terminal
    service.configure(web=KINDS[kind])
    (service.daemon.home / "attacker.py").write_text(HOSTILE)
    checked = subprocess.run(
        service.daemon.command("-t"),
        stdin=slave,
        stdout=slave,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=take,
        timeout=PATIENCE,
        check=False,
        env=service.daemon.environment(),
    )
    assert checked.returncode == 70
    assert "found: end True" in checked.stderr
