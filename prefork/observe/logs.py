"""The structured log: an event name and fields become one line of a sink.

Rules. Nothing that is logged may raise or forge a line, whatever it is: a value of the network, of an application or a
traceback. The chain is ours alone: an application that configures structlog or logging for itself neither changes this
log nor gets into it. The level can change at any time.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Mapping, MutableMapping
from datetime import datetime, timezone
from types import TracebackType
from typing import Any

import structlog

from prefork.observe import lines
from prefork.observe.sink import Sink

RANKS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
RESERVED = ("time", "level", "event")

ExcInfo = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]


class _Output:
    """Where every logger of this process ends: rendered bytes go to the sink.

    One object, so that a level or a sink that changes is in force for loggers that were made before.
    """

    def __init__(self) -> None:
        self.sink: Sink | None = None
        self.threshold = RANKS["info"]
        self.render = lines.RENDERERS["json"]
        self.static: Mapping[str, object] = {}

    def process(self, _logger: object, method: str, given: MutableMapping[str, Any]) -> tuple[tuple[Any, ...], Any]:
        """The last processor of the chain: level, order, text."""
        level = "error" if method == "exception" else method
        if self.sink is None or RANKS.get(level, RANKS["info"]) < self.threshold:
            raise structlog.DropEvent
        fields = _ordered(level, given, self.static)
        return (self.sink, self.render(fields), level, fields), {}

    def emit(self, sink: Sink, line: bytes, level: str, fields: Mapping[str, object]) -> None:
        """Write, and once writing works again, say what was lost meanwhile."""
        sink.send(line, level, fields)
        lost = sink.recovered()
        if lost:
            owing = _ordered("warning", {"event": "log_lines_lost", "count": lost}, self.static)
            sink.send(self.render(owing), "warning", owing)

    debug = info = warning = error = critical = exception = emit


_output = _Output()


def configure(
    sink: Sink,
    *,
    level: str,
    format: str | None,  # noqa: A002 - the key in the configuration
    static: Mapping[str, object],
) -> None:
    """Set where this process logs to, and how; ``static`` fields are in every line.

    ``format``: json, logfmt or console; None is console on a terminal and json elsewhere. In the master at its start,
    and in a worker after fork.
    """
    _output.sink = sink
    _output.render = lines.renderer(format, sink.fileno())
    _output.static = dict(static)
    set_level(level)


def set_level(level: str) -> None:
    """debug, info, warning or error; in force at once, for loggers that exist too."""
    _output.threshold = RANKS[level]


def get(**bound: object) -> structlog.typing.FilteringBoundLogger:
    """A logger, with fields that are in each of its lines: ``log.info("worker_ready", pool="web", pid=1)``.

    May be called before ``configure``; what is logged before goes nowhere.
    """
    # Never structlog's global configuration: that is the application's.
    logger = structlog.wrap_logger(
        _output,
        processors=[_output.process],
        wrapper_class=structlog.make_filtering_bound_logger(RANKS["debug"]),
        context_class=dict,
        cache_logger_on_first_use=True,
    )
    bound_logger: structlog.typing.FilteringBoundLogger = logger.bind(**bound)
    return bound_logger


def _ordered(level: str, given: Mapping[str, Any], static: Mapping[str, object]) -> dict[str, object]:
    """Time, level and event first, then the fields as they came, then the traceback."""
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    fields: dict[str, object] = {"time": now, "level": level, "event": given.get("event", "")}
    trace = ""
    for name, value in {**static, **given}.items():
        if name == "exc_info":
            trace = _traceback(value)
        elif name != "event":
            fields[f"{name}_" if name in RESERVED else name] = value
    if trace:
        fields["traceback"] = trace
    return fields


def _traceback(given: object) -> str:
    """The text of whatever ``exc_info`` may be: True, an exception or a triple."""
    if isinstance(given, BaseException):
        error: BaseException | None = given
    elif isinstance(given, tuple) and len(given) == 3:
        error = given[1]
    else:
        error = sys.exc_info()[1] if given else None
    if error is None:
        return ""
    try:
        return "".join(traceback.format_exception(type(error), error, error.__traceback__)).rstrip()
    except Exception:  # an exception of an application whose text raises
        return f"{type(error).__name__}: its traceback cannot be written"
