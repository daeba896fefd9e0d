"""What a worker may say to its master: whatever it says, only its own life is at stake."""

from __future__ import annotations

import signal

import pytest

from tests.security.attacker import Service, as_root

# The channel to the master, by its kind: nothing else of a worker's is a SOCK_SEQPACKET.
CHANNEL = """
    import os, socket
    for number in range(3, 1024):
        try:
            end = socket.socket(fileno=os.dup(number))
        except OSError:
            continue
        if (end.family, end.type) == (socket.AF_UNIX, socket.SOCK_SEQPACKET):
            break
        end.close()
"""
SEND = """
    sent = 0
    for message in messages * times:
        try:
            end.send(message)
            sent += 1
        except BlockingIOError:
            pass
    result = sent
"""
PASS_DESCRIPTORS = """
    result = 0
    for _ in range(300):
        try:
            socket.send_fds(end, [b"R"], [0, 1, 2, 0, 1, 2])
            result += 1
        except OSError:
            break
"""
EVERY_KIND = [bytes([first]) + rest for first in range(256) for rest in (b"", b"requests", b"\xff" * 50, b"{}")]
FORGED = {
    "ready": [b"R"] * 50,
    "warm": [b"T"] * 50,
    "hello": [b"H"] * 50,
    "garbage": EVERY_KIND,
    "long": [b"F" + b"x" * 30_000] * 50,
    "rings": [b"!"] * 500,
}


def goes_on(service: Service) -> None:
    """Both pools answer, the master is the same, and it does what it is told."""
    assert service.daemon.process.poll() is None
    for pool in ("web", "shop"):
        assert service.run("result = 1", pool=pool) == 1
    service.daemon.signal(signal.SIGUSR1)
    service.daemon.expect("logs_reopened")


@as_root
@pytest.mark.parametrize("kind", FORGED)
def test_forged_messages_change_nothing_for_others(service: Service, kind: str):
    """Garbage, floods and forged words: the service goes on, and the other pool's worker stays the same."""
    service.configure()
    service.start()
    neighbour = service.pid("shop")
    assert service.run(CHANNEL + SEND, messages=FORGED[kind], times=3) > 0
    goes_on(service)
    assert service.pid("shop") == neighbour


@as_root
@pytest.mark.parametrize("refork", ["[]", "[1000000]"])
def test_a_forged_warm_makes_nobody_the_template(service: Service, refork: str):
    """M7. Neither where the pool does not refork, nor before the row says that it is due."""
    service.configure(web=f"preload = true\nrefork = {refork}")
    service.start()
    service.daemon.expect("template_ready", pool="web")
    service.run(CHANNEL + SEND, messages=[b"T"], times=20)
    goes_on(service)
    service.daemon.signal(signal.SIGTTIN)
    service.daemon.expect("worker_ready", pool="web", worker=2)
    assert len(service.daemon.events.named("template_ready")) == 1
    assert len(service.daemon.events.named("template_spawned")) == 1


@as_root
def test_descriptors_that_a_worker_sends_do_not_fill_the_masters_table(service: Service):
    """They are closed by the kernel, for the master makes no room for them."""
    service.configure()
    service.start()
    assert service.run(CHANNEL + PASS_DESCRIPTORS) > 0
    goes_on(service)
