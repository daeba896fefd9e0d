"""Reading the configuration at the start, for a check, and again at every HUP.

Rules. A relative path is followed from the directory as the user named it, each time anew: where that is a symbolic
link to a release, a reload after the link has moved reads the new release's file. Whom workers run as is decided at the
start: an edited file and HUP make nobody root. In the master, and in the command that ends before there is one.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prefork.cli import wiring
from prefork.config.load import DEFAULT_PATH, Loaded, check_environment, check_start, read
from prefork.config.models import Config
from prefork.errors import ConfigError, Fault

AT_THE_START = ("user", "group")  # keys of [master] that only a new master takes


@dataclass
class Reader:
    """``path``: of the file, None for the default; ``directory``: where preforkd was started, as the user named it.

    ``writers``: as root, the users and groups beside root who may write to the file.
    """

    path: str | None
    overrides: Sequence[str]
    directory: str
    writers: Sequence[str] = ()
    running: Config | None = None

    @property
    def title(self) -> str:
        """How people know the file."""
        return self.path or DEFAULT_PATH

    def read(self) -> Loaded:
        """The file, sound in itself. Raises ConfigError."""
        path = str(Path(self.directory, self.path)) if self.path else None
        return read(path, self.overrides, self.writers)

    def start(self) -> Config:
        """A configuration that a master can start with. Raises ConfigError or PrivilegeError."""
        loaded = self.read()
        faults = start_faults(loaded)
        if faults:
            raise ConfigError(*faults)
        wiring.identity_of(loaded.config)
        self.running = loaded.config
        return loaded.config

    def reload(self) -> Config:
        """A configuration that the running master can take. Raises ConfigError or PrivilegeError."""
        loaded = self.read()
        check_environment(loaded.config, loaded.fault)
        faults = list(self._fixed(loaded))
        if faults:
            raise ConfigError(*faults)
        wiring.identity_of(loaded.config)
        return loaded.config

    def _fixed(self, loaded: Loaded) -> Sequence[Fault]:
        """What only a new master takes."""
        if self.running is None:
            return ()
        before, now = self.running.master, loaded.config.master
        hint = "upgrade (USR2), or restart the service"
        return [
            loaded.fault(("master", key), "cannot be changed by a reload", hint)
            for key in AT_THE_START
            if getattr(before, key) != getattr(now, key)
        ]


def start_faults(loaded: Loaded) -> list[Fault]:
    """Every fault that only shows on this machine: users, groups, directories, and what a start has to write."""
    faults: list[Fault] = []
    for checked in (check_environment, check_start):
        try:
            checked(loaded.config, loaded.fault)
        except ConfigError as error:
            faults += error.faults
    return faults


def runs_as_root(config: Config) -> bool:
    """Applications would have the rights of root."""
    return os.geteuid() == 0 and wiring.identity_of(config) is None
