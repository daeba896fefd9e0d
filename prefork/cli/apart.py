"""Reading the configuration in a process of its own, so that no worker's memory holds another pool's environment.

Rules. What a master has in its memory, even what it has freed, every child that it forks has too. So the files are read
in a child that ends: what comes back has, in the place of each pool's ``environment``, a number under which a memory
file keeps it. That file is read by a worker's process, for its own pool alone, and closed there before any code of the
application runs. A configuration that stays the same keeps its numbers, so that ``==`` tells what has changed.

Diagnostics. PreforkError if the child that reads ends without an answer.
"""

from __future__ import annotations

import errno
import json
import os
import pickle
import signal
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from prefork.config.load import Loaded
from prefork.config.models import Config
from prefork.errors import PreforkError
from prefork.system import memory, process, signals

LENGTH = 8  # bytes of the number in front of each entry


@dataclass(frozen=True)
class SealedEnvironment:
    """Stands for ``[pool.*] environment``: where the entry begins in the memory file of a descriptor."""

    descriptor: int
    place: int

    def read(self) -> dict[str, str]:
        """The variables. To be called in the worker's process, whose memory holds them from then on."""
        length = int.from_bytes(os.pread(self.descriptor, LENGTH, self.place), "big")
        variables: dict[str, str] = json.loads(os.pread(self.descriptor, length, self.place + LENGTH))
        return variables

    def leave(self) -> None:
        """Close the file, with what it holds of other pools. In a child."""
        os.close(self.descriptor)


class Vault:
    """The memory file, and how configurations are read into it. In the master, and in the command ``-t``."""

    def __init__(self) -> None:
        """Raises OSError."""
        self.descriptor = memory.memory_file("prefork-environments")

    def read(self, read: Callable[[], Loaded]) -> Loaded:
        """What ``read`` returns in a child, with sealed environments. Raises what it raises, or PreforkError."""
        try:
            outcome = memory.memory_file("prefork-configuration")
        except OSError as error:
            raise PreforkError(f"the configuration cannot be read: {error.strerror}") from error
        try:
            ending = self._run(read, outcome)
            if not os.fstat(outcome).st_size:
                raise PreforkError(f"the configuration cannot be read: {_reason(ending)}")
            with os.fdopen(os.dup(outcome), "rb") as file:
                file.seek(0)
                found = pickle.load(file)  # noqa: S301 - our own child wrote it
        except (OSError, EOFError) as error:
            raise PreforkError(f"the configuration cannot be read: {error}") from error
        finally:
            os.close(outcome)
        if isinstance(found, BaseException):
            raise found
        loaded: Loaded = found
        return loaded

    def _run(self, read: Callable[[], Loaded], outcome: int) -> process.Exit:
        pid = process.fork()
        if pid == 0:
            self._live(read, outcome)
        try:
            _pid, status, usage = os.wait4(pid, 0)
        except ChildProcessError:
            return process.Exit(None, None, 0)  # reaped already, where SIGCHLD is ignored
        except KeyboardInterrupt:
            process.send_signal(pid, signal.SIGKILL)
            raise
        return process.exit_of(status, usage)

    def _live(self, read: Callable[[], Loaded], outcome: int) -> NoReturn:
        """The child's whole life: the configuration that it read, or the error that was raised, goes to the file."""
        try:
            signals.unblock()
            found: Any = self._sealed(read())
        except PreforkError as error:
            found = error
        except BaseException:  # a fault of ours: the parent tells it
            found = PreforkError(f"the configuration cannot be read:\n{traceback.format_exc()}")
        code = 1
        try:
            with os.fdopen(outcome, "wb") as file:
                pickle.dump(found, file)
            code = 0
        except OSError as error:  # a memory file has its bounds too (RLIMIT_FSIZE): nothing else is left to say so
            code = error.errno or 1
        finally:
            os._exit(code)

    def _sealed(self, loaded: Loaded) -> Loaded:
        pools = {}
        for name, pool in loaded.config.pool.items():
            sealed = SealedEnvironment(self.descriptor, self._put(pool.environment))
            pools[name] = pool.model_copy(update={"environment": sealed})
        config = loaded.config.model_copy(update={"pool": pools})
        return replace(loaded, config=config, source=replace(loaded.source, data={}))

    def _put(self, variables: Mapping[str, str]) -> int:
        """Where the variables are in the file; equal ones have one place."""
        data = json.dumps(dict(variables)).encode()
        entry = len(data).to_bytes(LENGTH, "big") + data
        end, place = os.fstat(self.descriptor).st_size, 0
        while place < end:
            length = LENGTH + int.from_bytes(os.pread(self.descriptor, LENGTH, place), "big")
            if os.pread(self.descriptor, length, place) == entry:
                return place
            place += length
        written = 0
        while written < len(entry):
            written += os.pwrite(self.descriptor, entry[written:], place + written)
        return place


def _reason(ending: process.Exit) -> str:
    """Why the child that reads has left nothing: its code is the number of an error."""
    if ending.code is not None and ending.code in errno.errorcode:
        limit = ", see the limit of file sizes (ulimit -f, LimitFSIZE=)" if ending.code == errno.EFBIG else ""
        return os.strerror(ending.code) + limit
    return f"the process that reads it ended with {ending}"


def environment_of(config: Config, pool: str) -> dict[str, str]:
    """The environment variables of a pool, sealed or not."""
    environment: Any = config.pool[pool].environment
    return environment.read() if isinstance(environment, SealedEnvironment) else dict(environment)


def forget_others(config: Config) -> None:
    """Close every environment that is still sealed. In a child, once it has its own."""
    for pool in config.pool.values():
        environment: Any = pool.environment
        if isinstance(environment, SealedEnvironment):
            with suppress(OSError):  # closed already: it is one file for all pools
                environment.leave()
            return
