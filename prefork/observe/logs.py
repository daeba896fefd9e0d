"""The structured log: an event name and fields go through a chain of processors and become one line of a sink.

Rules. The chain (structlog's) is filter_level, add_time_and_level, add_traceback, render_line; what a line is to have
is a processor, never a special case. Nothing that is logged may raise or forge a line, whatever it is: a value of the
network, of an application or a traceback. It is ours alone: an application that configures structlog or logging for
itself neither changes this log nor gets into it. The level can change at any time.
Diagnostics. log_lines_lost.
"""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Mapping, MutableMapping
from types import TracebackType
from typing import Any

import structlog

from prefork.observe import lines
from prefork.observe.shorten import fitted
from prefork.observe.sink import Sink

RANKS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "exception": 40, "critical": 50}
RESERVED = ("time", "level", "event")

Event = MutableMapping[str, Any]
ExcInfo = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]


class _Output:
    """Where every logger of this process ends, and what the chain of processors goes by.

    One object, so that a level or a sink that changes is in force for loggers that were made before.
    """

    def __init__(self) -> None:
        self.sink: Sink | None = None
        self.threshold = RANKS["info"]
        self.render = lines.RENDERERS["json"]
        self.static: Mapping[str, object] = {}
        self._second, self._stamp = -1, ""

    # The processors, in their order.

    def filter_level(self, _logger: object, method: str, event: Event) -> Event:
        """A processor that drops events below the level in force, before anything is worked out for them."""
        if self.sink is None or RANKS.get(method, RANKS["info"]) < self.threshold:
            raise structlog.DropEvent
        return event

    def add_time_and_level(self, _logger: object, method: str, event: Event) -> Event:
        """A processor that puts time, level and event first, then the static fields, then the others as they came."""
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second, self._stamp = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        fields: dict[str, Any] = {
            "time": f"{self._stamp}.{int(now % 1 * 1000):03d}Z",
            "level": "error" if method == "exception" else method,
            "event": event.pop("event", ""),
        }
        fields.update(self.static)
        if not event.keys().isdisjoint(RESERVED):
            event = {f"{name}_" if name in RESERVED else name: value for name, value in event.items()}
        fields.update(event)
        return fields

    def add_traceback(self, _logger: object, _method: str, event: Event) -> Event:
        """A processor that turns ``exc_info`` into a text, as the last field."""
        if "exc_info" in event:
            trace = _traceback(event.pop("exc_info"))
            if trace:
                event["traceback"] = trace
        return event

    def render_line(self, _logger: object, _method: str, event: Event) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """A processor that makes one line of an event, no longer than the sink takes in one piece."""
        assert self.sink is not None  # else it was dropped
        return (self.sink, fitted(event, self.render, self.sink.limit), event["level"], event), {}

    def emit(self, sink: Sink, line: bytes, level: str, fields: Mapping[str, object]) -> None:
        """Write a rendered line, and once writing works again, say how many lines were lost."""
        sink.send(line, level, fields)
        lost = sink.recovered()
        if lost:
            owing = self.add_time_and_level(None, "warning", {"event": "log_lines_lost", "count": lost})
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
    """Set the least severe level that is logged: debug, info, warning or error.

    In force at once, for loggers that exist too.
    """
    _output.threshold = RANKS[level]


def get(**bound: object) -> structlog.typing.FilteringBoundLogger:
    """A logger, with fields that are in each of its lines: ``log.info("worker_ready", pool="web", pid=1)``.

    May be called before ``configure``; what is logged before goes nowhere.
    """
    # Never structlog's global configuration: that is the application's.
    logger = structlog.wrap_logger(
        _output,
        processors=[
            _output.filter_level,
            _output.add_time_and_level,
            _output.add_traceback,
            _output.render_line,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(RANKS["debug"]),
        context_class=dict,
        cache_logger_on_first_use=True,
    )
    bound_logger: structlog.typing.FilteringBoundLogger = logger.bind(**bound)
    return bound_logger


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
