"""The access log: one line a request, one write a turn of the loop, no lock.

Everything in a line that a client chose is escaped, in each format, so that no request can forge a line or a field.
Runs in the worker.

Diagnostics. none of its own; how many lines were lost is told by the callback ``lost``.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from json.encoder import encode_basestring_ascii

from prefork.http.events import Request
from prefork.observe.sink import Sink

REST = 1024  # bytes of a line that are not a client's choice, at most
TEXTS = 4  # of a line that are: method, target, referer, user agent
MOST = 256  # lines that wait at most: a long turn must not gather them without end
_UNPRINTABLE = re.compile(r"[^\x20\x21\x23-\x5b\x5d-\x7e]")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

# The request (None: refused before it was understood), the client's address, the status, the bytes of the body, the
# nanoseconds from the call of the application to the end of its answer, and those that the connection waited to be
# accepted, if this was its first request. A plain tuple, for it is the hot path's.
# The address is not escaped: whatever a proxy says, it is one.
Visit = tuple[Request | None, str, int, int, int, int]
# The lines of visits at a time; of what a client chose no more than so many bytes each, 0 being all.
Lines = Callable[[list[Visit], float, int], list[str]]


# What a line says of a request, escaped: method (a token, which needs none), target, protocol, referer, user agent.
Story = tuple[str, str, str, str, str]


class AccessLog:
    """Gathers access lines, and writes them when the loop has nothing else to do. In the worker."""

    def __init__(
        self, sink: Sink, form: str, fields: Mapping[str, object], lost: Callable[[int], object] | None = None
    ) -> None:
        """``lost`` is told how many lines could not be written, once writing works again."""
        self._sink = sink
        self._tell_lost = lost
        self._lines = FORMS[form](fields)
        self._visits: list[Visit] = []

    def add(self, visit: Visit) -> None:
        """Note a request that has been answered, or cut, or refused."""
        self._visits.append(visit)
        if len(self._visits) >= MOST:
            self.flush()

    def flush(self) -> None:
        """Write what has gathered. Called once a turn of the loop."""
        if not self._visits:
            return
        visits, self._visits = self._visits, []
        now, limit = time.time(), self._sink.limit
        made = self._lines(visits, now, 0)
        if limit:
            for index, line in enumerate(made):
                if len(line) > limit:  # the log takes no more in one piece: what a client chose is cut, not the line
                    made[index] = self._lines([visits[index]], now, (limit - REST) // TEXTS)[0]
        self._sink.write("".join(made).encode())
        if self._tell_lost and (count := self._sink.recovered()):
            self._tell_lost(count)


def _story(request: Request | None, escape: Callable[[str], str], most: int) -> Story:
    if request is None:
        nothing = escape("")
        return "", nothing, "", nothing, nothing
    # From the request, not the environ: that is the application's to change and to empty.
    line, said = request.line, request.headers.get
    if most:
        texts = (line.method, line.target, said("HTTP_REFERER", ""), said("HTTP_USER_AGENT", ""))
        method, target, referer, agent = (_fitted(text, most) for text in texts)
        protocol = "HTTP/1.1" if line.minor else "HTTP/1.0"
        return method, escape(target), protocol, escape(referer), escape(agent)
    return (
        line.method,
        escape(line.target),
        "HTTP/1.1" if line.minor else "HTTP/1.0",
        escape(said("HTTP_REFERER", "")),
        escape(said("HTTP_USER_AGENT", "")),
    )


def _fitted(text: str, most: int) -> str:
    r"""A text, cut so that it has at most so many bytes when it is escaped; ``\\u00ff`` is the longest escape."""
    while (size := len(encode_basestring_ascii(text))) > most:
        text = text[: min(len(text) - 4, len(text) * (most - 8) // size)] + "..."
    return text


def _json(fields: Mapping[str, object]) -> Lines:
    """An access line as one JSON object, with the fields of the worker at its end."""
    quoted = encode_basestring_ascii
    tail = "".join(
        f', "{name}": {value if isinstance(value, int) else quoted(str(value))}' for name, value in fields.items()
    )

    def line(visit: Visit, start: str, most: int) -> str:
        request, remote, status, sent, took, queued = visit
        method, target, protocol, referer, agent = _story(request, quoted, most)
        wait = f', "queue_ms": {queued // 1_000_000}' if queued else ""
        return (
            f'{start}{remote}", "method": "{method}", "target": {target}, '
            f'"protocol": "{protocol}", "status": {status}, "bytes": {sent}, "duration_ms": {took / 1e6:.3f}{wait}, '
            f'"referer": {referer}, "user_agent": {agent}{tail}}}\n'
        )

    def lines(visits: list[Visit], now: float, most: int) -> list[str]:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}Z"
        start = f'{{"time": "{stamp}", "event": "request", "remote": "'
        return [line(visit, start, most) for visit in visits]

    return lines


def _common(_fields: Mapping[str, object]) -> Lines:
    """An access line in the Common Log Format."""

    def lines(visits: list[Visit], now: float, most: int) -> list[str]:
        stamp = _clf_time(now)
        return [f"{_common_part(visit, _story(visit[0], _escaped, most), stamp)}\n" for visit in visits]

    return lines


def _combined(_fields: Mapping[str, object]) -> Lines:
    """The Common Log Format with referer and user agent, as Apache and nginx write it."""

    def line(visit: Visit, stamp: str, most: int) -> str:
        story = _story(visit[0], _escaped, most)
        return f'{_common_part(visit, story, stamp)} "{story[3] or "-"}" "{story[4] or "-"}"\n'

    def lines(visits: list[Visit], now: float, most: int) -> list[str]:
        stamp = _clf_time(now)
        return [line(visit, stamp, most) for visit in visits]

    return lines


def _common_part(visit: Visit, story: Story, stamp: str) -> str:
    _, remote, status, sent, _, _ = visit
    method, target, protocol, _, _ = story
    line = f"{method} {target} {protocol}" if method else "-"
    return f'{remote or "-"} - - [{stamp}] "{line}" {status} {sent or "-"}'


def _clf_time(now: float) -> str:
    moment = time.localtime(now)
    return f"{moment.tm_mday:02d}/{_MONTHS[moment.tm_mon - 1]}/{time.strftime('%Y:%H:%M:%S %z', moment)}"


def _escaped(text: str) -> str:
    r"""A text in printable ASCII without quotation mark and backslash; the rest as ``\xhh``, as Apache does."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return text
    return _UNPRINTABLE.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


FORMS: Mapping[str, Callable[[Mapping[str, object]], Lines]] = {
    "json": _json,
    "common": _common,
    "combined": _combined,
}
