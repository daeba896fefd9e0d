"""The access log: one line a request, one write a turn of the loop, no lock.

Everything in a line that a client chose is escaped, in each format, so that no request can forge a line or a field.
Runs in the worker.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from json.encoder import encode_basestring_ascii as quoted

from prefork.http.events import Request
from prefork.observe.sink import Sink

MOST = 256  # lines that wait at most: a long turn must not gather them without end
_UNPRINTABLE = re.compile(r"[^\x20\x21\x23-\x5b\x5d-\x7e]")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Visit:
    """What is said of one request; texts are the client's, as latin-1."""

    __slots__ = ("agent", "method", "protocol", "referer", "remote", "seconds", "sent", "status", "target")

    def __init__(self, request: Request | None, remote: str, status: int, sent: int, seconds: float) -> None:
        """``request``: None if it was refused before it was understood."""
        self.remote = remote
        self.method = self.target = self.protocol = self.referer = self.agent = ""
        if request is not None:
            # From the request, not the environ: that is the application's to change and to empty.
            line, headers = request.line, request.headers
            self.method = line.method
            self.target = line.target
            self.protocol = f"HTTP/1.{line.minor}"
            self.referer = headers.get("HTTP_REFERER", "")
            self.agent = headers.get("HTTP_USER_AGENT", "")
        self.status = status
        self.sent = sent  # bytes of the body
        self.seconds = seconds


class AccessLog:
    """Gathers lines, and writes them when the loop has nothing else to do."""

    def __init__(self, sink: Sink, form: str, fields: Mapping[str, object]) -> None:
        self._sink = sink
        self._write = WRITERS[form](fields)
        self._visits: list[Visit] = []

    def add(self, visit: Visit) -> None:
        self._visits.append(visit)
        if len(self._visits) >= MOST:
            self.flush()

    def flush(self) -> None:
        """Write what has gathered. Called once a turn of the loop."""
        if not self._visits:
            return
        visits, self._visits = self._visits, []
        self._sink.write("".join(self._write(visits, time.time())).encode())


def _json(fields: Mapping[str, object]) -> Callable[[list[Visit], float], list[str]]:
    """One object a line; the fields of the worker are at its end."""
    tail = "".join(
        f', "{name}": {value if isinstance(value, int) else quoted(str(value))}' for name, value in fields.items()
    )

    def lines(visits: list[Visit], now: float) -> list[str]:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}Z"
        return [
            f'{{"time": "{stamp}", "event": "request", "remote": {quoted(visit.remote)}, "method": {quoted(visit.method)}, '
            f'"target": {quoted(visit.target)}, "protocol": "{visit.protocol}", "status": {visit.status}, '
            f'"bytes": {visit.sent}, "duration_ms": {visit.seconds * 1000:.3f}, "referer": {quoted(visit.referer)}, '
            f'"user_agent": {quoted(visit.agent)}{tail}}}\n'
            for visit in visits
        ]

    return lines


def _common(_fields: Mapping[str, object]) -> Callable[[list[Visit], float], list[str]]:
    """The Common Log Format, as every tool for logs reads it."""

    def lines(visits: list[Visit], now: float) -> list[str]:
        stamp = _clf_time(now)
        return [f"{_common_part(visit, stamp)}\n" for visit in visits]

    return lines


def _combined(_fields: Mapping[str, object]) -> Callable[[list[Visit], float], list[str]]:
    """The same with referer and user agent."""

    def lines(visits: list[Visit], now: float) -> list[str]:
        stamp = _clf_time(now)
        return [
            f'{_common_part(visit, stamp)} "{_escaped(visit.referer) or "-"}" "{_escaped(visit.agent) or "-"}"\n'
            for visit in visits
        ]

    return lines


def _common_part(visit: Visit, stamp: str) -> str:
    line = f"{_escaped(visit.method)} {_escaped(visit.target)} {visit.protocol}" if visit.method else "-"
    return f'{visit.remote or "-"} - - [{stamp}] "{line}" {visit.status} {visit.sent or "-"}'


def _clf_time(now: float) -> str:
    moment = time.localtime(now)
    return f"{moment.tm_mday:02d}/{_MONTHS[moment.tm_mon - 1]}/{time.strftime('%Y:%H:%M:%S %z', moment)}"


def _escaped(text: str) -> str:
    """Printable ASCII without quotation mark and backslash; the rest as ``\\xhh``, as Apache does."""
    return _UNPRINTABLE.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


WRITERS = {"json": _json, "common": _common, "combined": _combined}
