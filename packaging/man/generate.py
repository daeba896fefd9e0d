r"""Write the parts of the manual pages that are made from the code: ``python3 packaging/man/generate.py``.

A part stands between the comments ``.\" begin NAME`` and ``.\" end NAME`` of a page. A test fails while a page and the
code disagree.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from pydantic.fields import FieldInfo

from prefork.arbiter.fleet import NEXT, WorkerEvent, WorkerState
from prefork.config.changes import COSTS, Cost
from prefork.config.dump import value_text
from prefork.config.models.catalogue import NAMED, SECTIONS
from prefork.config.models.pool import WorkerRange
from prefork.config.models.section import Section
from prefork.config.models.unsupported import UNSUPPORTED

HERE = Path(__file__).parent
PART = re.compile(r'(\.\\" begin (?P<name>\w+)\n).*?(\.\\" end (?P=name)\n)', re.DOTALL)

STEPS: Mapping[WorkerEvent, str] = {
    WorkerEvent.BOOTED: "the worker reports that it is ready",
    WorkerEvent.RETIRE: "the worker is asked to finish: reload, upgrade, scaling, recycling, TERM, WINCH",
    WorkerEvent.QUIT: "the worker is told to drop its requests: QUIT, INT",
    WorkerEvent.OVERDUE: "the deadline of the state has passed, such as timeout.boot, request or graceful",
}


def lives() -> str:
    """The states of a worker and what leads from one to the next, drawn from the table that the master runs on."""
    drawn = []
    for state in WorkerState:
        ways = [(step, NEXT[state, step][0]) for step in WorkerEvent if (state, step) in NEXT]
        for index, (step, other) in enumerate(ways):
            name = state.value if index == 0 else ""
            drawn.append(f"{name:<9} --{step.value + '-':-<9}> {other.value}")
        if not ways:
            drawn.append(f"{state.value:<9} until the kernel has ended it")
    steps = [f".TP\n.B {step.value}\n{text}" for step, text in STEPS.items()]
    return "\n".join([".nf", *(line.replace("-", r"\-") for line in drawn), ".fi", *steps]) + "\n"


# The types of values, as the models name them, in words; each is explained in the page.
TYPES: Mapping[str, str] = {
    "AbsolutePath": "path",
    "App": "module:attribute",
    "Count": "number",
    "Counts": "list of numbers",
    "Duration": "duration",
    "Function": "module:function",
    "HeaderValue": "text",
    "ListenAddress": "address",
    "LogTarget": "path or word",
    "Names": "list of names",
    "Octal": "octal digits",
    "ProbePath": "path of a URL",
    "Proxies": "list of addresses",
    "Requests": "number",
    "Size": "size",
    "SocketPath": "path",
    "Surge": "percentage or number",
    "Text": "text",
    "Texts": "list of texts",
    "Tls": "table",
    "Variables": "table of texts",
    "WorkerKind": "word",
    "Workers": "number or word",
    "bool": "boolean",
    "float": "number",
    "int": "number",
}
NEEDS: Mapping[Cost, str] = {
    Cost.UPGRADE: "A reload does not change it: upgrade, or restart.",
    Cost.SOCKET: "A change opens a new socket before the old one is closed.",
}


def sections() -> str:
    """Every section and every key, from the models: type, default, meaning, and what a change takes."""
    shown = (section for section in SECTIONS.values() if section is not WorkerRange)
    return "\n".join(line for section in shown for line in _section(section)) + "\n"


def _section(section: type[Section]) -> Iterator[str]:
    header = section.place.replace("*", "NAME")
    yield f".SS {_roff(f'[{header}]' if header else 'Outside of every section')}"
    yield _roff((section.__doc__ or "").strip().replace("``", '"'))
    if section.place in UNSUPPORTED:
        yield ".I Not supported yet."
    for name, field in section.model_fields.items():
        if section.key_of(name) not in NAMED and not _is_section(section, name):
            yield from _key(section, name, field)


def _is_section(section: type[Section], name: str) -> bool:
    key = section.key_of(name)
    return key in SECTIONS and key not in (WorkerRange.place, "listen.*.tls")


def _key(section: type[Section], name: str, field: FieldInfo) -> Iterator[str]:
    key = section.key_of(name)
    kind = _type(section.__annotations__[name])
    absent = "required" if field.is_required() else _default(section, name, field)
    yield f".TP\n\\fB{name}\\fR = \\fI{_roff(kind)}\\fR, {_roff(absent)}"
    yield _roff(field.description or "")
    refused = [text for text in UNSUPPORTED if text.partition(" = ")[0] == key]
    if key in refused:
        yield ".I Not supported yet."
    elif refused:
        words = ", ".join(text.partition(" = ")[2] for text in refused)
        yield f".I Not supported yet: {_roff(words)}."
    if COSTS.get(key) in NEEDS and section.place not in UNSUPPORTED:
        yield _roff(NEEDS[COSTS[key]])


def _type(annotation: str) -> str:
    """In words. Raises KeyError for a type that has none yet."""
    name = annotation.removesuffix(" | None")
    if name.startswith("Literal["):
        return " | ".join(name.removeprefix("Literal[").removesuffix("]").replace('"', "").replace("'", "").split(", "))
    return TYPES[name]


def _default(section: type[Section], name: str, field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if value is None:
        return "absent"
    return f"default {value_text(section.model_construct().model_dump(mode='json', warnings=False)[name])}"


def _roff(text: str) -> str:
    """Text for troff: no request at the beginning of a line, no escape, hyphens that can be copied."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{text}" if text.startswith((".", "'")) else text


PARTS: Mapping[str, Callable[[], str]] = {"lives": lives, "sections": sections}


def generated(page: str) -> str:
    """The text of a page with its parts as the code has them now."""
    return PART.sub(lambda match: match[1] + PARTS[match["name"]]() + match[3], page)


def main() -> None:
    """Rewrite the pages beside this file."""
    for path in sorted(HERE.glob("*.[158]")):
        path.write_text(generated(path.read_text()))


if __name__ == "__main__":
    main()
