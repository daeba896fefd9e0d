"""A line that is longer than its log takes at once: the middle of its longest fields goes, and its format stays whole.

Rules. What is left is a line of the same format, with a mark where something was cut; nobody who reads the log ever
meets half of a JSON object. Beginning and end of a text stay, and more of the end: of a traceback that is what matters.
"""

from __future__ import annotations

from prefork.observe.lines import Fields, Renderer, as_text

ATTEMPTS = 32  # each of them shortens the longest field that is left
MARK = 64  # bytes of the mark at most, as rendered
KEPT = ("time", "level")  # by which every line is found; they are ours, and short
EVENT_MOST = 64  # characters of an event's name, where nothing else helps


def fitted(fields: Fields, render: Renderer, limit: int) -> bytes:
    """The line of an event, of ``limit`` bytes at most; 0 is without limit. Never raises."""
    line = render(fields)
    if not limit or len(line) <= limit:
        return line
    texts = {name: as_text(value) for name, value in fields.items() if name not in KEPT}
    kept = {name: len(text) for name, text in texts.items()}
    shortened = dict(fields)
    for _ in range(ATTEMPTS):
        name = max(kept, key=kept.__getitem__, default="")
        if not kept.get(name):
            break
        # One character may take twelve bytes, escaped: what goes is worked out in proportion.
        size = len(render({name: shortened[name]}))
        share = max(0, size - (len(line) - limit) - MARK) / size
        kept[name] = min(int(kept[name] * share), kept[name] - 1)
        shortened[name] = cut(texts[name], kept[name])
        line = render(shortened)
        if len(line) <= limit:
            return line
    bare = {name: value for name, value in fields.items() if name in KEPT}
    return render({**bare, "event": as_text(fields.get("event", ""))[:EVENT_MOST], "fields_cut": len(fields)})


def cut(text: str, keep: int) -> str:
    """A text shortened to ``keep`` characters, a quarter of them from its beginning, with a mark between."""
    head = keep // 4
    tail = len(text) - (keep - head)
    gone = len(text[head:tail].encode(errors="backslashreplace"))
    return f"{text[:head]}...{gone} bytes cut...{text[tail:]}"
