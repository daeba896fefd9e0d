"""Reading the configuration at the start, for a check, and again at every HUP.

Rules. A relative path is followed from the directory as the user named it, each time anew: where that is a symbolic
link to a release, a reload after the link has moved reads the new release's file. Whom workers run as is decided at the
start: an edited file and HUP make nobody root. In the master, and in the command that ends before there is one.

Diagnostics. ConfigError for what a start would find, and for keys that a reload cannot change.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from prefork.cli import wiring
from prefork.cli.apart import Vault
from prefork.config.load import DEFAULT_PATH, Loaded, check_environment, check_start, read
from prefork.config.models import Config, Section
from prefork.errors import ConfigError, Fault

AT_THE_START = ("user", "group")  # keys of [master] and [pool.*] that only a new master takes


@dataclass
class Reader:
    """Reads the configuration.

    ``path``: of the file, None for the default. ``directory``: where preforkd was started, as the user named it.
    ``writers``: as root, the users and groups besides root who may write to the file.
    """

    path: str | None
    overrides: Sequence[str]
    directory: str
    writers: Sequence[str] = ()
    running: Config | None = None
    vault: Vault = field(default_factory=Vault)

    @property
    def title(self) -> str:
        """The name of the file in logs and process titles."""
        return self.path or DEFAULT_PATH

    def read_plain(self) -> Loaded:
        """The file, sound in itself, as it stands. Raises ConfigError. Not in a process that forks workers."""
        # Until there is a master this process is where it was started, and faults name the file as the user did.
        path = str(Path(self.directory, self.path)) if self.path and self.running else self.path
        return read(path, self.overrides, self.writers)

    def read(self) -> Loaded:
        """The file, sound in itself, its environments sealed: see ``apart``. Raises ConfigError or PreforkError."""
        return self.vault.read(self.read_plain)

    def start(self) -> Config:
        """A configuration that a master can start with. Raises ConfigError or PrivilegeError."""
        loaded = self.read()
        faults = start_faults(loaded)
        if faults:
            raise ConfigError(*faults)
        wiring.check_identities(loaded.config)
        self.running = loaded.config
        return loaded.config

    def reload(self) -> Config:
        """A configuration that the running master can take. Raises ConfigError or PrivilegeError."""
        loaded = self.read()
        check_environment(loaded.config, loaded.fault)
        faults = list(self._fixed(loaded))
        if faults:
            raise ConfigError(*faults)
        wiring.check_identities(loaded.config)
        return loaded.config

    def _fixed(self, loaded: Loaded) -> Sequence[Fault]:
        """Faults for keys that only a new master takes."""
        if self.running is None:
            return ()
        running, pools = self.running, loaded.config.pool
        sections: list[tuple[tuple[str, ...], Section, Section]] = [(("master",), running.master, loaded.config.master)]
        sections += ((("pool", name), running.pool[name], pools[name]) for name in pools if name in running.pool)
        hint = "upgrade (USR2), or restart the service"
        return [
            loaded.fault((*path, key), "cannot be changed by a reload", hint)
            for path, before, now in sections
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
    """Whether applications would run with the rights of root."""
    identities = (wiring.identity_of(config, pool) for pool in config.pool)
    return os.geteuid() == 0 and any(identity is None or identity.uid == 0 for identity in identities)
