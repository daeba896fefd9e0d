"""Pure. The keys that are described but have no effect yet.

Setting one to anything but its default is refused: a key that is ignored is worse than one that is missing. A line
goes when its feature lands, and nothing else changes. ``*`` stands for the name of a pool or listener; a line with
``=`` refuses one value of a key.
"""

from __future__ import annotations

from collections.abc import Mapping

UNSUPPORTED: Mapping[str, str] = {
    "status": "remove the section",
    "listen.*.tls": "let a proxy in front of prefork speak TLS",
    "pool.*.worker = thread": 'use "sync", and more workers',
    "pool.*.worker = asgi": 'use "sync" for a WSGI application',
    "pool.*.worker = task": 'use "sync" for a WSGI application',
    "pool.*.workers.max": 'give a number or "auto"',
    "pool.*.threads": 'only worker = "thread" has threads; remove the key',
    "pool.*.http.proxy_protocol": "let the proxy send X-Forwarded-For, and name it in trusted_proxies",
}


def refusal(key: str, value: object) -> str | None:
    """Why ``key`` (with ``*`` for names) cannot be set to ``value`` yet; None if it can."""
    if key in UNSUPPORTED:
        return UNSUPPORTED[key]
    return UNSUPPORTED.get(f"{key} = {value}") if isinstance(value, str) else None
