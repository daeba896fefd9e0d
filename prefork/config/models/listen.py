"""Pure. ``[listen.NAME]``: one listener."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, model_validator

from prefork.config.addresses import UnixAddress, parse
from prefork.config.models.section import Section, all_wrong
from prefork.config.models.values import AbsolutePath, Count, ListenAddress, Octal, Text

SOCKET_MODE = 0o660


class Tls(Section):
    """The certificate of a listener."""

    place: ClassVar[str] = "listen.*.tls"

    certificate: AbsolutePath = Field(description="Certificate chain, PEM.")
    key: AbsolutePath = Field(description="Private key, PEM.")


class Listen(Section):
    """A listener: where clients connect."""

    place: ClassVar[str] = "listen.*"

    address: ListenAddress = Field(description="host:port, [v6]:port, unix:/path, unix:@name, fd:N or systemd:NAME.")
    backlog: Count = Field(
        2048,
        description="Number of connections that may wait to be accepted; the kernel may cap it (net.core.somaxconn).",
    )
    mode: Octal = Field(SOCKET_MODE, description="Permission bits of a unix socket.")
    user: Text | None = Field(None, description="Owner of a unix socket. Default: the master's user.")
    group: Text | None = Field(None, description="Group of a unix socket. Default: the master's group.")
    tls: Tls | None = Field(None, description="Certificate and key for TLS. Default: plain text.")

    @model_validator(mode="after")
    def _owned(self) -> Listen:
        address = parse(self.address)
        if isinstance(address, UnixAddress) and not address.abstract:
            return self
        given = {"mode": self.mode != SOCKET_MODE, "user": self.user is not None, "group": self.group is not None}
        problem = f"only a unix socket in the file system has one, {self.address} does not"
        faults = [((key,), problem, "remove the key") for key, is_set in given.items() if is_set]
        if faults:
            raise all_wrong(faults)
        return self
