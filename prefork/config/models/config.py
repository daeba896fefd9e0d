"""Pure. The whole configuration."""

from __future__ import annotations

from pydantic import Field, model_validator

from prefork.config.models.listen import Listen
from prefork.config.models.master import Control, Log, Master, Status
from prefork.config.models.pool import Pool
from prefork.config.models.section import Section, all_wrong
from prefork.config.models.values import Name, Texts
from prefork.config.rules import DEFAULT_LISTENERS, breaches, detached, without_template


def _default_listeners() -> dict[str, Listen]:
    return {name: Listen(address=address) for name, address in DEFAULT_LISTENERS.items()}


class Config(Section):
    """One file, or several by ``include``. The order of pools and listeners is that of the file."""

    include: Texts = Field(
        (), description="More configuration files, as paths or globs. A key may be set in one file only."
    )
    master: Master = Field(default_factory=Master, description="The master process.")
    log: Log = Field(default_factory=Log, description="The log.")
    control: Control | None = Field(None, description="The socket that preforkctl talks to. Default: none.")
    status: Status | None = Field(None, description="The status page. Default: none.")
    listen: dict[Name, Listen] = Field(
        default_factory=_default_listeners, min_length=1, description="The listeners, by name."
    )
    pool: dict[Name, Pool] = Field(min_length=1, description="The pools, by name.")

    def listeners_of(self, pool_name: str) -> tuple[str, ...]:
        """The names of the listeners that a pool serves."""
        named = self.pool[pool_name].listen
        return tuple(self.listen) if named is None else named

    @model_validator(mode="after")
    def _agrees(self) -> Config:
        addresses = {name: listen.address for name, listen in self.listen.items()}
        found = breaches(addresses, {name: pool.listen for name, pool in self.pool.items()})
        found += without_template(name for name, pool in self.pool.items() if pool.refork and not pool.preload)
        if self.master.daemonize:
            logs = {"log.file": self.log.file}
            if self.log.access:
                logs["log.access.file"] = self.log.access.file
            found += detached(addresses, logs)
        if found:
            raise all_wrong((breach.path, breach.problem, breach.hint) for breach in found)
        return self
