"""Pure. The sections of the service as a whole: ``[master]``, ``[log]``, ``[control]`` and ``[status]``."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from prefork.config.models.section import Section
from prefork.config.models.values import AbsolutePath, ListenAddress, LogTarget, Octal, SocketPath, Text


class Master(Section):
    """The master process."""

    place: ClassVar[str] = "master"

    daemonize: bool = Field(False, description="Detach from the terminal and run in the background.")
    pidfile: AbsolutePath | None = Field(None, description="Where to write the master's pid; absent: nowhere.")
    working_directory: AbsolutePath | None = Field(
        None, description='The master\'s directory; absent: "/" when daemonized, else where it was started.'
    )
    umask: Octal = Field(0o022, description="Permission bits that new files do not get.")
    user: Text | None = Field(
        None,
        description="User that workers run as, by name or uid; absent: the master's.",
    )
    group: Text | None = Field(
        None,
        description="Group that workers run as, by name or gid; absent: the user's.",
    )
    upgrade: Literal["manual", "auto"] = Field(
        "manual", description="After USR2: manual, the old master waits for TERM; auto, it retires by itself."
    )


class Access(Section):
    """The access log. Without this section there is none."""

    place: ClassVar[str] = "log.access"

    file: LogTarget = Field(description='A path, "stderr", "syslog" or "journal".')
    format: Literal["json", "combined", "common"] = Field("json", description="json, combined or common.")


class Log(Section):
    """The log of the master and its workers."""

    place: ClassVar[str] = "log"

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="debug, info, warning or error.")
    format: Literal["json", "logfmt", "console"] | None = Field(
        None, description="json, logfmt or console; absent: console on a terminal, else json."
    )
    file: LogTarget = Field("stderr", description='A path, "stderr", "syslog" or "journal".')
    access: Access | None = Field(None, description="The access log; absent: none.")


class Control(Section):
    """The socket that preforkctl talks to."""

    place: ClassVar[str] = "control"

    socket: SocketPath = Field(description="The path of the unix socket.")
    mode: Octal = Field(0o660, description="The permission bits of the socket.")
    group: Text | None = Field(None, description="The group that owns the socket; absent: the master's.")


class Status(Section):
    """The status page."""

    place: ClassVar[str] = "status"

    listen: ListenAddress = Field(description="Where /metrics, /healthz, /status.json and a page for people are.")
