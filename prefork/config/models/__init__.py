"""Pure. The sections of the configuration, frozen: every key with its type, default and one line of description.

Rules. An attribute is named as its TOML key, so a path in the file is a path in the models. What a value means
elsewhere (a worker's settings, a socket) is made elsewhere. A key that has no effect yet is refused by ``unsupported``.
"""

from __future__ import annotations

from prefork.config.models.config import Config
from prefork.config.models.listen import Listen, Tls
from prefork.config.models.master import Access, Control, Log, Master, Status
from prefork.config.models.pool import Hooks, Http, Pool, Recycle, Timeout, WorkerRange
from prefork.config.models.section import Section

__all__ = [
    "Access",
    "Config",
    "Control",
    "Hooks",
    "Http",
    "Listen",
    "Log",
    "Master",
    "Pool",
    "Recycle",
    "Section",
    "Status",
    "Timeout",
    "Tls",
    "WorkerRange",
]
