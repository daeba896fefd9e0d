"""Becoming a daemon, while the shell that launched it waits to hear how that went.

Rules. The original process forks, and then only waits: it ends with the exit status of the start. The standard
streams are /dev/null from the moment of detaching, for workers inherit them and would hold the launching terminal, or
a pipe behind ``$(...)``, as long as they live. Everything else that was open stays open: it belongs to whoever opened
it, an agent or a wrapper, which goes on writing to that number.
"""

from __future__ import annotations

import os
import socket
import sys
from contextlib import suppress
from typing import NoReturn

import daemon

from prefork.errors import PreforkError
from prefork.system import process, signals

READY = b"R"
FAILED = b"F"
LIMIT = 128 * 1024  # of the message to the terminal, in bytes
DIED = 70  # EX_SOFTWARE
INTERRUPTED = 130  # what shells say of a process that INT ended


class Launch:
    """The daemon's line to the process that launched it. Exactly one of ``ready`` and ``failed``, once."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line

    @classmethod
    def detach(cls, *, working_directory: str, umask: int) -> Launch:
        """Go on as a daemon: in a session of its own, with 0-2 and what else led to a terminal on /dev/null.

        Returns in the daemon alone. The calling process waits for it and ends with the start's exit status. Raises
        PreforkError if the calling process cannot fork; whatever fails later is told on the terminal.
        """
        process.open_standard_streams()
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):  # the terminal has gone, or it was closed: nobody reads it
                stream.flush()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            pid = process.fork()
        except OSError as error:
            ours.close()
            theirs.close()
            raise PreforkError(f"cannot become a daemon: {error.strerror}") from error
        if pid:
            theirs.close()
            _wait(ours)
        ours.close()
        launch = cls(theirs)
        _become_daemon(launch, working_directory, umask)
        return launch

    def leave(self) -> None:
        """Let go of the line. In a child of the daemon: the launching process waits for the daemon alone."""
        self._line.close()

    def ready(self) -> None:
        """The launching process ends, with status 0."""
        self._tell(READY)

    def failed(self, message: str, exit_code: int) -> None:
        """The launching process prints ``message`` and ends with ``exit_code``; this one goes on, to its own end."""
        self._tell(FAILED + b"%d " % exit_code + message.encode(errors="replace")[: LIMIT // 2])

    def _tell(self, message: bytes) -> None:
        with suppress(OSError):  # the launching process was interrupted: nobody waits for the answer
            self._line.send(message)
        self._line.close()


def _become_daemon(launch: Launch, working_directory: str, umask: int) -> None:
    try:
        # Its steps one by one, and not DaemonContext: that closes by number what agents open while it forks, in hooks
        # of ``os.register_at_fork`` and in threads of theirs.
        daemon.daemon.change_file_creation_mask(umask)
        daemon.daemon.change_working_directory(working_directory)
        daemon.daemon.detach_process_context()
        _leave_terminals()
    except (daemon.daemon.DaemonError, OSError) as error:
        launch.failed(f"cannot become a daemon: {error}", DIED)
        os._exit(DIED)
    signals.unblock()


def _leave_terminals() -> None:
    """Put /dev/null in the place of the standard streams, and of every other descriptor of a terminal.

    In its place: a number that became free could be given to a socket, and its owner would write into that.
    """
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for descriptor in process.open_descriptors():
        if descriptor <= 2 or os.isatty(descriptor):
            os.dup2(null, descriptor, inheritable=os.get_inheritable(descriptor))
    os.close(null)


def _wait(line: socket.socket) -> NoReturn:
    """In the original process: wait for the daemon's word, pass it on, end."""
    code, message = DIED, "the daemon died before it was ready; its log may say why"
    try:
        said = line.recv(LIMIT)
        if said[:1] == READY:
            code, message = 0, ""
        elif said[:1] == FAILED:
            number, _, text = said[1:].partition(b" ")
            code, message = int(number), text.decode(errors="replace")
    except KeyboardInterrupt:
        code, message = INTERRUPTED, "interrupted; the daemon continues to start"
    finally:
        with suppress(OSError):  # the terminal has gone
            os.write(2, f"{message}\n".encode() if message else b"")
        os._exit(code)
