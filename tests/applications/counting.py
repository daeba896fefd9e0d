"""A WSGI application that counts the exchanges that are open at once in a thread, from the call to ``close()``."""

import contextlib
import json
import sqlite3
import tempfile
import threading
from collections import Counter

PIECE = bytes(range(256)) * 256
PIECES = 256  # of a stream: 16 MiB
LOCK = threading.Lock()
OPEN = Counter()  # by thread
CALLS = Counter()  # by thread
MOST = Counter()  # by thread: of OPEN
DATABASE = []


class Counted:
    """An iterable that is open until it is closed."""

    def __init__(self, pieces):
        self._pieces = pieces

    def __iter__(self):
        return iter(self._pieces)

    def close(self):
        left()


def entered():
    thread = threading.get_ident()
    CALLS[thread] += 1
    OPEN[thread] += 1
    MOST[thread] = max(MOST[thread], OPEN[thread])


def left():
    OPEN[threading.get_ident()] -= 1


def stream(environ, write):
    """Read by slow clients."""
    return Counted(PIECE for _ in range(PIECES))


def written(environ, write):
    """The same, the first of it by write()."""
    write(PIECE)
    return Counted(PIECE for _ in range(PIECES - 1))


def wrapped(environ, write):
    """The same, from a file."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the server closes it
    for _ in range(PIECES):
        file.write(PIECE)
    file.seek(0)
    wrapper = environ["wsgi.file_wrapper"](file)

    def close():
        file.close()
        left()

    wrapper.close = close
    return wrapper


def echo(environ, write):
    """What was sent, in one piece."""
    with LOCK:
        return Counted([environ["wsgi.input"].read()])


def stored(environ, write):
    """What was sent, through a database that belongs to the thread that opened it."""
    if not DATABASE:
        DATABASE.append(sqlite3.connect(":memory:"))
    [(text,)] = DATABASE[0].execute("select ?", [environ["wsgi.input"].read()])
    return Counted([text])


def counted(environ, write):
    """The most exchanges that were open at once in any thread, and the calls."""
    return Counted(
        [json.dumps({"most": max(MOST.values()), "threads": len(CALLS), "calls": sum(CALLS.values())}).encode()]
    )


ROUTES = {
    "/stream": stream,
    "/written": written,
    "/wrapped": wrapped,
    "/echo": echo,
    "/stored": stored,
    "/counted": counted,
}


def application(environ, start_response):
    entered()
    with contextlib.ExitStack() as stack:
        stack.callback(left)
        write = start_response("200 OK", [("Content-Type", "application/octet-stream")])
        result = ROUTES[environ["PATH_INFO"]](environ, write)
        stack.pop_all()
        return result
