"""Pure. What pydantic found wrong, in the words of the person who wrote the file.

Rules. Every sentence says what is expected, and what was there if that helps; a hint is what to write instead. Whatever
has no sentence here is shown as pydantic says it: that is a gap, not a failure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from pydantic_core import ErrorDetails

from prefork.config.models.catalogue import SECTIONS, pattern_of
from prefork.config.suggest import did_you_mean

Path = tuple[str | int, ...]

_EXAMPLES: Mapping[str, str] = {
    "pool": 'add [pool.web] with app = "module:attribute"',
    "pool.*.app": 'app = "module:attribute"',
    "listen.*.address": 'address = "127.0.0.1:8000"',
    "log.access.file": "to have no access log, remove the section",
}

# What other servers call it, for whoever brings a configuration along.
_ELSEWHERE: Mapping[str, str] = {
    "accesslog": "log.access.file",
    "bind": "listen.NAME.address",
    "chdir": "pool.NAME.directory",
    "daemon": "master.daemonize",
    "errorlog": "log.file",
    "forwarded_allow_ips": "pool.NAME.http.trusted_proxies",
    "graceful_timeout": "pool.NAME.timeout.graceful",
    "limit_request_field_size": "pool.NAME.http.max_header_size",
    "limit_request_fields": "pool.NAME.http.max_header_fields",
    "limit_request_line": "pool.NAME.http.max_request_line",
    "loglevel": "log.level",
    "max_requests": "pool.NAME.recycle.requests",
    "max_requests_jitter": "pool.NAME.recycle.jitter",
    "pid": "master.pidfile",
    "preload_app": "pool.NAME.preload",
    "pythonpath": "pool.NAME.python_path",
    "raw_env": "pool.NAME.environment",
    "worker_class": "pool.NAME.worker",
    "wsgi_app": "pool.NAME.app",
}


# What is asked for that is not a key of ours.
_NOT_A_KEY: Mapping[str, str] = {
    "reload": "prefork does not watch files: send HUP, or run preforkctl reload",
    "env": 'environment = { NAME = "value" } sets environment variables',
    "timeout": "[pool.NAME.timeout] has boot, request, slow, graceful, keepalive, header and body",
    "threads": "threads belongs to a pool: [pool.NAME]",
    "certfile": "listen.NAME.tls has certificate and key",
    "keyfile": "listen.NAME.tls has certificate and key",
}


def explain(error: ErrorDetails) -> tuple[Path, str, str]:
    """The path of the key, what is wrong with it, and a hint (perhaps empty)."""
    path = error["loc"]
    context = error.get("ctx", {})
    if error["type"] == "wrong":
        return path, context["problem"], context["hint"]
    if path and path[-1] == "[key]":
        return path[:-1], "is not a valid name", "a name is made of letters, digits, - and _, at most 64"
    sentence = _SENTENCES.get(error["type"])
    if sentence is None:
        message = error["msg"]
        return path, message[:1].lower() + message[1:], ""
    problem, hint = sentence(path, error["input"], context)
    return path, problem, hint


def _unknown(path: Path, _value: Any, _context: Mapping[str, Any]) -> tuple[str, str]:
    word = str(path[-1])
    elsewhere = _ELSEWHERE.get(word)
    if elsewhere:
        return "unknown key", f"the key in prefork is {_with_name(elsewhere, path)}"
    section = SECTIONS.get(pattern_of(path[:-1]))
    hint = did_you_mean(word, section.model_fields) if section else ""
    return "unknown key", _NOT_A_KEY.get(word) or hint or _belongs(word, path)


def _belongs(word: str, path: Path) -> str:
    """A hint to the section that does have the key."""
    for place, section in SECTIONS.items():
        if word in section.model_fields:
            key = section.key_of(word)
            if place.count("*") <= 1:
                return f"there is {_with_name(key.replace('*', 'NAME'), path)}"
    return ""


def _with_name(key: str, path: Path) -> str:
    """``key`` with the name of the pool or listener that ``path`` is about."""
    same = len(path) > 1 and key.startswith(f"{path[0]}.NAME")
    return key.replace("NAME", str(path[1]), 1) if same else key


def _missing(path: Path, _value: Any, _context: Mapping[str, Any]) -> tuple[str, str]:
    return "is required", _EXAMPLES.get(pattern_of(path), "")


def _text(path: Path, value: Any, _context: Mapping[str, Any]) -> tuple[str, str]:
    problem = f"must be text, not {_kind(value)}"
    if pattern_of(path) == "pool.*.worker":
        number = isinstance(value, int) and not isinstance(value, bool)
        hint = f"workers = {value} sets the number of workers" if number else 'for example "sync"'
        return problem, hint
    if isinstance(value, bool):
        return problem, f'write "{str(value).lower()}"'
    return problem, f'write "{value}"' if isinstance(value, int | float) else ""


def _whole_number(_path: Path, value: Any, _context: Mapping[str, Any]) -> tuple[str, str]:
    bare = isinstance(value, str) and value.strip().isdigit()
    return f"must be a whole number, not {_kind(value)}", "without quotation marks" if bare else ""


def _number(_path: Path, value: Any, _context: Mapping[str, Any]) -> tuple[str, str]:
    return f"must be a number, not {_kind(value)}", ""


def _truth(_path: Path, value: Any, _context: Mapping[str, Any]) -> tuple[str, str]:
    bare = isinstance(value, str) and value.lower() in ("true", "false")
    return f"must be true or false, not {_kind(value)}", "without quotation marks" if bare else ""


def _table(path: Path, value: Any, _context: Mapping[str, Any]) -> tuple[str, str]:
    pattern = pattern_of(path)
    section = SECTIONS.get(pattern)
    hint = f"its keys are {', '.join(section.model_fields)}" if section else ""
    if pattern in ("pool", "listen"):
        hint = f"write [{pattern}.NAME]"
    return f"must be a table, not {_kind(value)}", hint


def _list(_path: Path, value: Any, _context: Mapping[str, Any]) -> tuple[str, str]:
    return f"must be a list, not {_kind(value)}", f'write ["{value}"]' if isinstance(value, str) else ""


def _one_of(_path: Path, value: Any, context: Mapping[str, Any]) -> tuple[str, str]:
    words = re.findall("'([^']*)'", context["expected"])
    *rest, last = (f'"{word}"' for word in words)
    return f"must be {', '.join(rest)} or {last}, not {_kind(value)}", did_you_mean(str(value), words)


def _at_least(_path: Path, value: Any, context: Mapping[str, Any]) -> tuple[str, str]:
    return f"must be at least {context['ge']}, not {value}", ""


def _at_most(_path: Path, value: Any, context: Mapping[str, Any]) -> tuple[str, str]:
    return f"must be at most {context['le']}, not {value}", ""


def _empty(path: Path, _value: Any, _context: Mapping[str, Any]) -> tuple[str, str]:
    return "must not be empty", _EXAMPLES.get(pattern_of(path), "remove the key instead")


def _finite(_path: Path, _value: Any, _context: Mapping[str, Any]) -> tuple[str, str]:
    return "must be a finite number", ""


_SENTENCES: Mapping[str, Callable[[Path, Any, Mapping[str, Any]], tuple[str, str]]] = {
    "bool_type": _truth,
    "dict_type": _table,
    "extra_forbidden": _unknown,
    "finite_number": _finite,
    "float_type": _number,
    "greater_than_equal": _at_least,
    "int_type": _whole_number,
    "less_than_equal": _at_most,
    "literal_error": _one_of,
    "missing": _missing,
    "model_type": _table,
    "string_too_short": _empty,
    "string_type": _text,
    "too_short": _empty,
    "tuple_type": _list,
}


def _kind(value: Any) -> str:
    """What a TOML value is, with the value where it is short."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        return f'"{value}"'
    return "a list" if isinstance(value, list) else "a table" if isinstance(value, dict) else "a date or time"
