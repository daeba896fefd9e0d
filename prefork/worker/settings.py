"""Pure. What a worker needs to know, as plain frozen values.

A worker may run in another interpreter than the master's, without pydantic: so these are made from the
configuration models before the fork, and hold nothing but numbers, texts and tuples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class HttpSettings:
    """The limits and manners of ``[pool.*.http]``; sizes in bytes."""

    max_request_line: int = 8 * 1024
    max_header_fields: int = 100
    max_header_size: int = 32 * 1024
    max_body: int = 100 * 1024 * 1024
    trusted_proxies: tuple[str, ...] = ("127.0.0.1", "::1", "unix:")
    server_header: str = "prefork"


@dataclass(frozen=True)
class TimeoutSettings:
    """Of ``[pool.*.timeout]``, what the worker itself watches; in seconds."""

    graceful: float = 30.0
    keepalive: float = 5.0
    header: float = 10.0
    body: float = 30.0
    boot: float = 60.0  # the master minds this one, and the next; the worker, what is to be done should it be gone
    request: float = 0.0


@dataclass(frozen=True)
class RecycleSettings:
    """Of ``[pool.*.recycle]``, what the worker itself counts; 0 is never. ``memory`` in bytes."""

    requests: int = 0
    memory: int = 0
    jitter: float = 0.1


@dataclass(frozen=True)
class HookSettings:
    """``module:function`` texts, or empty."""

    post_fork: str = ""
    ready: str = ""
    exit: str = ""
    abort: str = ""


@dataclass(frozen=True)
class Settings:
    """One worker's share of the configuration."""

    pool: str
    app: str
    kind: str = "sync"
    preload: bool = False  # a template imports the application, before its workers are forked
    probe: str = ""  # the path that the application has to answer before the worker is ready
    directory: str = ""
    python_path: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    workers: int = 1  # how many the pool wants: what wsgi.multiprocess is derived from
    timeout: TimeoutSettings = TimeoutSettings()
    http: HttpSettings = HttpSettings()
    hooks: HookSettings = HookSettings()
    recycle: RecycleSettings = RecycleSettings()

    def as_json(self) -> dict[str, Any]:
        """As what JSON knows."""
        return asdict(self)

    @classmethod
    def of_json(cls, value: Mapping[str, Any]) -> Settings:
        """The same again."""
        http = HttpSettings(**{**value["http"], "trusted_proxies": tuple(value["http"]["trusted_proxies"])})
        parts = {
            "http": http,
            "python_path": tuple(value["python_path"]),
            "timeout": TimeoutSettings(**value["timeout"]),
            "hooks": HookSettings(**value["hooks"]),
            "recycle": RecycleSettings(**value["recycle"]),
        }
        return cls(**{**value, **parts})
