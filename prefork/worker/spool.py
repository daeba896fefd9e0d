"""The body of a request while it arrives: in memory at first, in an unlinked temporary file when it grows.

What an application gets as ``wsgi.input`` is the whole body, read from its start without ever waiting. A body that
cannot be kept raises OSError: there is no room for it. In the worker.
"""

from __future__ import annotations

import tempfile
from contextlib import suppress
from io import BytesIO
from typing import IO

from prefork.http.events import Request

IN_MEMORY = 1024 * 1024  # bytes


class Spool:
    """The bytes of one body."""

    __slots__ = ("_file", "_on_disk", "size")

    def __init__(self, expected: int = 0) -> None:
        """``expected``: bytes, if they are known. Raises OSError if there is no room for a file."""
        self._on_disk = expected > IN_MEMORY
        self._file: IO[bytes] = _file_on_disk() if self._on_disk else BytesIO()
        self.size = 0

    def add(self, piece: bytes) -> None:
        """Append bytes to the body. Raises OSError if there is no room."""
        self.size += len(piece)
        if not self._on_disk and self.size > IN_MEMORY:
            self._move_to_disk()
        self._file.write(piece)

    def _move_to_disk(self) -> None:
        memory, self._file = self._file, _file_on_disk()
        self._on_disk = True
        memory.seek(0)
        self._file.write(memory.read())

    def rewound(self) -> IO[bytes]:
        """The body, to be read from its start. Raises OSError if the last of it did not fit."""
        self._file.seek(0)
        return self._file

    def close(self) -> None:
        """Let go of the body, even where a full disk refuses its last bytes."""
        with suppress(OSError):
            self._file.close()


class RequestBody:
    """A request whose body is on its way in. Made when its head has come; raises OSError."""

    __slots__ = ("_spool", "request")

    def __init__(self, request: Request) -> None:
        self.request = request
        self._spool = Spool(request.length)

    def add(self, piece: bytes) -> None:
        """Keep a piece of the body. Raises OSError."""
        self._spool.add(piece)

    def whole(self) -> IO[bytes]:
        """The body as a file, from its beginning, when all of it has come. Raises OSError."""
        if self.request.chunked:
            self.request.decode(self._spool.size)
        return self._spool.rewound()

    def close(self) -> None:
        """Let go of the body: the application is done with it, or it will never be complete."""
        self._spool.close()


def _file_on_disk() -> IO[bytes]:
    """A file without a name: it goes with its last descriptor, whatever becomes of the worker."""
    return tempfile.TemporaryFile(prefix="prefork-body-")
