"""Pure. The types of values: how each is read, shown again, and described in the JSON Schema.

Rules. A value that was shown (``model_dump(mode="json")``) reads as the same value. JSON Schema must accept whatever
is accepted here; it may be laxer.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

from prefork.config import addresses, quantities
from prefork.config.models.section import wrong
from prefork.errors import did_you_mean

Value = TypeVar("Value")

MOST_WORKERS = 500  # of a pool: twice as many have to fit on the scoreboard while they are replaced
MOST_REQUESTS = 10**12

LOG_WORDS = ("stderr", "syslog", "journal")
FORWARDED_FIELDS = ("for", "proto", "host", "port", "prefix", "forwarded")
WORKER_KINDS = ("sync", "thread", "asgi", "task")

# What other servers call it.
_LOG_HINTS = {
    "-": 'write "stderr", or "/dev/stdout"',
    "stdout": 'write "/dev/stdout"',
    "": "to have the default, remove the key",
}

_MODULE = r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*"
_APP = re.compile(rf"{_MODULE}:{_MODULE}(\(\))?")
_FUNCTION = re.compile(rf"{_MODULE}:{_MODULE}")
_NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"
_PERCENT = r"^[0-9]{1,3}(\.[0-9]+)?%$"


def _reading(read: Callable[[object], Value]) -> Callable[[object], Value]:
    """A validator that reads a quantity by ``read``."""

    def validate(value: object) -> Value:
        try:
            return read(value)
        except ValueError as error:
            raise wrong(str(error)) from None

    return validate


def _number_or_text(kind: str, pattern: str) -> dict[str, Any]:
    return {"anyOf": [{"type": kind, "minimum": 0}, {"type": "string", "pattern": pattern}]}


def _tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _path(text: str) -> str:
    if not text.startswith("/"):
        raise wrong("must be an absolute path", f'an absolute path begins with "/"; "{text}" does not')
    return _without_nul(text)


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise wrong("must not contain a NUL character")
    return text


def _socket_path(text: str) -> str:
    try:
        addresses.parse(f"unix:{_path(text)}")
    except ValueError as error:
        raise wrong(str(error)) from None
    return text


def _log_target(text: str) -> str:
    if text in LOG_WORDS:
        return text
    if not text.startswith("/"):
        hint = _LOG_HINTS.get(text) or did_you_mean(text, LOG_WORDS)
        raise wrong(f'must be an absolute path, "stderr", "syslog" or "journal", not "{text}"', hint)
    return _without_nul(text)


def _address(text: str) -> str:
    try:
        return str(addresses.parse(text))
    except ValueError as error:
        raise wrong(str(error)) from None


def _app(text: str) -> str:
    if not _APP.fullmatch(text):
        raise wrong(f'must be "module:attribute" or "module:factory()", not "{text}"', _app_hint(text))
    return text


def _app_hint(text: str) -> str:
    if text.endswith(".py"):
        return f'for example "{text.removesuffix(".py").replace("/", ".")}:application"'
    module, dot, name = text.rpartition(".")
    return f'did you mean "{module}:{name}"?' if dot and ":" not in text else ""


def _function(text: str) -> str:
    if text and not _FUNCTION.fullmatch(text):
        raise wrong(f'must be "module:function", not "{text}"', "an empty text means no hook")
    return text


def _worker(text: str) -> str:
    if text not in WORKER_KINDS and not _FUNCTION.fullmatch(text):
        kinds = ", ".join(f'"{kind}"' for kind in WORKER_KINDS)
        raise wrong(f'must be {kinds} or "package.module:Class", not "{text}"', did_you_mean(text, WORKER_KINDS))
    return text


def _surge(value: object) -> int | str:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        if value > MOST_WORKERS:
            raise wrong(f"must be at most {MOST_WORKERS}, not {value}")
        return value
    if isinstance(value, str) and re.fullmatch(_PERCENT, value, re.ASCII):
        return value
    raise wrong('must be a percentage like "25%", or a number of workers')


def _variables(variables: dict[str, str]) -> dict[str, str]:
    for name, value in variables.items():
        if not name or "=" in name or "\0" in name:
            hint = 'a name must not be empty and must not contain "="'
            raise wrong(f'"{name}" cannot be the name of an environment variable', hint)
        if "\0" in value:
            raise wrong(f"the value of {name} must not contain a NUL character")
    return variables


def _proxy(text: str) -> str:
    """Validates one entry of ``trusted_proxies``.

    An address, a network in CIDR notation, or ``unix:`` for every unix peer.
    """
    if text == "unix:":
        return text
    try:
        return str(ip_network(text) if "/" in text else ip_address(text))
    except ValueError:
        hint = "0.0.0.0/0 and ::/0 trust everybody" if text == "*" else ""
        raise wrong(f'must be an IP address, a network like "10.0.0.0/8", or "unix:", not "{text}"', hint) from None


def _forwarded_field(text: str) -> str:
    """One of ``forwarded``: a field as it is named behind ``X-Forwarded-``, or ``forwarded`` (RFC 7239)."""
    if text not in FORWARDED_FIELDS:
        *rest, last = (f'"{field}"' for field in FORWARDED_FIELDS)
        short = text.lower().removeprefix("x-forwarded-")
        hint = f'write "{short}"' if short in FORWARDED_FIELDS else did_you_mean(short, FORWARDED_FIELDS)
        raise wrong(f'must be {", ".join(rest)} or {last}, not "{text}"', hint)
    return text


def _one_source(fields: tuple[str, ...]) -> tuple[str, ...]:
    """Forwarded has parameters of its own for the client, the scheme and the host."""
    twice = [f'"{field}"' for field in ("for", "proto", "host") if field in fields]
    if "forwarded" in fields and twice:
        problem = f'must not name "forwarded" beside {" and ".join(twice)}: each could contradict the other'
        raise wrong(problem, "name only what the proxy itself sets")
    return fields


def _header_value(text: str) -> str:
    # RFC 9110 section 5.5, without obs-text.
    if not (text.isascii() and text.isprintable()) or text != text.strip():
        raise wrong("must be printable ASCII without spaces around it")
    return text


def _probe(text: str) -> str:
    if text and (not text.startswith("/") or not text.isascii() or not text.isprintable() or " " in text):
        raise wrong(f'must be a path like "/healthz", not "{text}"')
    return text


Duration = Annotated[
    float,
    BeforeValidator(_reading(quantities.duration)),
    PlainSerializer(quantities.duration_text, when_used="json"),
    WithJsonSchema(_number_or_text("number", quantities.DURATION_PATTERN)),
]
Size = Annotated[
    int,
    BeforeValidator(_reading(quantities.size)),
    PlainSerializer(quantities.size_text, when_used="json"),
    WithJsonSchema(_number_or_text("integer", quantities.SIZE_PATTERN)),
]
Octal = Annotated[
    int,
    BeforeValidator(_reading(quantities.octal)),
    PlainSerializer(quantities.octal_text, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": quantities.OCTAL_PATTERN}),
]
Surge = Annotated[
    int | str,
    BeforeValidator(_surge),
    WithJsonSchema(_number_or_text("integer", _PERCENT)),
]
Name = Annotated[str, Field(pattern=_NAME, max_length=64)]
Text = Annotated[str, Field(min_length=1), AfterValidator(_without_nul)]
AbsolutePath = Annotated[str, AfterValidator(_path), WithJsonSchema({"type": "string", "pattern": "^/"})]
SocketPath = Annotated[str, AfterValidator(_socket_path), WithJsonSchema({"type": "string", "pattern": "^/"})]
LogTarget = Annotated[
    str,
    AfterValidator(_log_target),
    WithJsonSchema({"type": "string", "pattern": f"^(/.*|{'|'.join(LOG_WORDS)})$"}),
]
ListenAddress = Annotated[str, AfterValidator(_address)]
App = Annotated[str, AfterValidator(_app)]
Function = Annotated[str, AfterValidator(_function)]
WorkerKind = Annotated[str, AfterValidator(_worker)]
Variables = Annotated[dict[str, str], AfterValidator(_variables)]
HeaderValue = Annotated[str, AfterValidator(_header_value)]
ProbePath = Annotated[str, AfterValidator(_probe)]
# A TOML list becomes a tuple: the models are values, and a list in one could be changed.
Texts = Annotated[tuple[Text, ...], BeforeValidator(_tuple)]
Names = Annotated[tuple[str, ...], Field(min_length=1), BeforeValidator(_tuple)]
Proxies = Annotated[tuple[Annotated[str, AfterValidator(_proxy)], ...], BeforeValidator(_tuple)]
ForwardedFields = Annotated[
    tuple[
        Annotated[
            str,
            AfterValidator(_forwarded_field),
            WithJsonSchema({"type": "string", "enum": list(FORWARDED_FIELDS)}),
        ],
        ...,
    ],
    BeforeValidator(_tuple),
    AfterValidator(_one_source),
]
# Every number has a bound that can be kept, so that a slip is a fault and not an error of the kernel's later.
Counts = Annotated[tuple[Annotated[int, Field(ge=1, le=MOST_REQUESTS)], ...], BeforeValidator(_tuple)]
Count = Annotated[int, Field(ge=1, le=65_535)]
Workers = Annotated[int, Field(ge=1, le=MOST_WORKERS)]
Requests = Annotated[int, Field(ge=0, le=MOST_REQUESTS)]
