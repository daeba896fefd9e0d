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
    pidfile: AbsolutePath | None = Field(None, description="File that the master writes its pid to. Default: none.")
    working_directory: AbsolutePath | None = Field(
        None, description='Working directory of the master. Default: "/" when daemonized, else where it was started.'
    )
    umask: Octal = Field(0o022, description="File mode creation mask: permission bits that new files do not get.")
    user: Text | None = Field(
        None,
        description="User that workers run as (name or uid). Default: the master's user.",
    )
    group: Text | None = Field(
        None,
        description="Group that workers run as (name or gid). Default: the group of the user.",
    )
    no_new_privileges: bool = Field(
        True, description="With user or group: no program that workers start, sudo included, gets more rights."
    )
    upgrade: Literal["manual", "auto"] = Field(
        "manual",
        description="After USR2, the old master waits for TERM (manual), or retires when the new one is ready (auto).",
    )


class Access(Section):
    """The access log. Without this section there is none."""

    place: ClassVar[str] = "log.access"

    file: LogTarget = Field(description='Where the access log is written: a path, "stderr", "syslog" or "journal".')
    format: Literal["json", "combined", "common"] = Field(
        "json", description="Format of the access log: json, combined or common."
    )


class Log(Section):
    """The log of the master and its workers."""

    place: ClassVar[str] = "log"

    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe level that is logged: debug, info, warning or error."
    )
    format: Literal["json", "logfmt", "console"] | None = Field(
        None, description="Format of the log: json, logfmt or console. Default: console on a terminal, else json."
    )
    file: LogTarget = Field("stderr", description='Where the log is written: a path, "stderr", "syslog" or "journal".')
    access: Access | None = Field(None, description="The access log. Default: none.")


class Control(Section):
    """The socket that preforkctl talks to."""

    place: ClassVar[str] = "control"

    socket: SocketPath = Field(description="Path of the unix socket.")
    mode: Octal = Field(0o660, description="Permission bits of the socket.")
    group: Text | None = Field(None, description="Group that owns the socket. Default: the master's group.")


class Status(Section):
    """The status page."""

    place: ClassVar[str] = "status"

    listen: ListenAddress = Field(
        description="Address that serves /metrics, /healthz, /status.json and a page for people."
    )
