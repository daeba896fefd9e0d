r"""Write the parts of the manual pages that are made from the code: ``python3 packaging/man/generate.py``.

A part stands between the comments ``.\" begin NAME`` and ``.\" end NAME`` of a page. A test fails while a page and the
code disagree.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from prefork.arbiter.fleet import NEXT, Life, Step

HERE = Path(__file__).parent
PART = re.compile(r'(\.\\" begin (?P<name>\w+)\n).*?(\.\\" end (?P=name)\n)', re.DOTALL)

STEPS: Mapping[Step, str] = {
    Step.BOOTED: "it reports that it is ready",
    Step.RETIRE: "it is asked to finish: reload, upgrade, scaling, recycling, TERM, WINCH",
    Step.QUIT: "it is asked to drop what it does: QUIT, INT",
    Step.OVERDUE: "the deadline of this life has passed",
}


def lives() -> str:
    """The states of a worker and what leads from one to the next, drawn from the table that the master runs on."""
    drawn = []
    for life in Life:
        ways = [(step, NEXT[life, step]) for step in Step if (life, step) in NEXT]
        for index, (step, other) in enumerate(ways):
            name = life.value if index == 0 else ""
            drawn.append(f"{name:<9} --{step.value + '-':-<9}> {other.value}")
        if not ways:
            drawn.append(f"{life.value:<9} until the kernel has ended it")
    steps = [f".TP\n.B {step.value}\n{text}" for step, text in STEPS.items()]
    return "\n".join([".nf", *(line.replace("-", r"\-") for line in drawn), ".fi", *steps]) + "\n"


PARTS: Mapping[str, Callable[[], str]] = {"lives": lives}


def generated(page: str) -> str:
    """The text of a page with its parts as the code has them now."""
    return PART.sub(lambda match: match[1] + PARTS[match["name"]]() + match[3], page)


def main() -> None:
    """Rewrite the pages beside this file."""
    for path in sorted(HERE.glob("*.[158]")):
        path.write_text(generated(path.read_text()))


if __name__ == "__main__":
    main()
