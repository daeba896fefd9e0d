"""Holds connections open: idle.py PORT COUNT. One request on each, "ready", then silence until standard input ends.

Its last line says how many of them the server still keeps. Runs as a process of its own, on the load generator's core.
"""

from __future__ import annotations

import resource
import select
import socket
import sys
import time

REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
PATIENCE = 5.0  # seconds for one connection
TOGETHER = 30.0  # seconds for all of them


def connect(port: int) -> socket.socket:
    """A connection that has had one answer. Raises OSError where the server does not keep it."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    connection.sendall(REQUEST)
    answer = connection.recv(65536)
    while not answer.endswith(b"World!\n"):
        piece = connection.recv(65536)
        if not piece:
            raise ConnectionError(f"closed after {len(answer)} bytes of an answer")
        answer += piece
    if b"connection: close" in answer.lower():
        raise ConnectionError("closes every connection after its answer")
    return connection


def silent(connections: list[socket.socket]) -> int:
    """How many have nothing to read: a connection that the server closed has its end."""
    poll = select.poll()
    for connection in connections:
        poll.register(connection, select.POLLIN)
    return len(connections) - len(poll.poll(0))


def main(port: int, count: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    connections: list[socket.socket] = []
    deadline = time.monotonic() + TOGETHER
    try:
        while len(connections) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"not reached in {TOGETHER:.0f} s")
            connections.append(connect(port))
    except OSError as error:
        sys.exit(f"connection {len(connections) + 1}: {error}")
    print("ready", flush=True)
    sys.stdin.read()
    print(silent(connections), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
