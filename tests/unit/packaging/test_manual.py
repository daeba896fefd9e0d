"""The manual pages say what the code does."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from prefork.arbiter.fleet import NEXT, WorkerEvent, WorkerState
from prefork.arbiter.loop import SIGNALS
from prefork.config.models.catalogue import keys
from prefork.control.commands import COMMANDS

MAN = Path(__file__).parents[3] / "packaging/man"


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", MAN / "generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", sorted(MAN.glob("*.[158]")), ids=lambda path: path.name)
def test_what_is_generated_is_up_to_date(generate: ModuleType, page: Path):
    """Run packaging/man/generate.py after a change of the tables."""
    assert generate.generated(page.read_text()) == page.read_text()


@pytest.mark.needs("man", "mandoc")
@pytest.mark.parametrize("page", sorted(MAN.glob("*.[158]")), ids=lambda path: path.name)
def test_a_page_is_sound(page: Path):
    """For mandoc and for man: no request that is unknown, no text that is lost."""
    lint = subprocess.run(["mandoc", "-Tlint", "-Wwarning", str(page)], capture_output=True, text=True, check=False)
    faults = [line for line in lint.stdout.splitlines() if "missing date" not in line]  # the package has one
    assert faults == []
    formatted = subprocess.run(
        ["man", "--warnings", "--encoding=UTF-8", "--local-file", "-Tutf8", str(page)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "MANPAGER": "cat", "LC_ALL": "C.UTF-8"},
    )
    assert formatted.stderr == ""
    assert "SEE ALSO" in re.sub(r".\x08", "", formatted.stdout)


@pytest.mark.parametrize("key", sorted(keys()))
def test_every_key_is_in_the_page_of_the_file(generate: ModuleType, key: str):
    """With its type and its default."""
    section, _, name = key.rpartition(".")
    page = generate.sections()
    if section == "listen.*.tls":
        section, name = "listen.*", "tls"
    header = f".SS [{section}]".replace("*", "NAME") if section else ".SS Outside"
    chapter = page[page.index(header + ("\n" if section else "")) :].split("\n.SS ", 2)[0 if header else 1]
    assert f"\n\\fB{name}\\fR = \\fI" in chapter


def test_the_diagram_has_every_life_and_every_way(generate: ModuleType):
    """Nothing of the table is left out."""
    drawn = generate.lives().replace("\\-", "-")
    assert drawn.count("> ") == len(NEXT)
    assert all(f"\n{state.value}" in drawn for state in WorkerState)
    assert generate.STEPS.keys() == set(WorkerEvent)


@pytest.mark.parametrize("signum", [signum for signum in SIGNALS if signum is not signal.SIGCHLD])
def test_every_signal_is_in_the_page_of_the_daemon(signum: int):
    """By its name without SIG; real-time signals by their distance from the first."""
    page = (MAN / "preforkd.8").read_text()
    chapter = page[page.index(".SH SIGNALS") : page.index(".SH RELOAD")]
    named = isinstance(signum, signal.Signals) and signum < signal.SIGRTMIN
    name = signal.Signals(signum).name.removeprefix("SIG") if named else f"RTMIN+{signum - signal.SIGRTMIN}"
    assert name in chapter


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_is_in_the_page_of_preforkctl(command: str):
    """With its own paragraph."""
    page = (MAN / "preforkctl.1").read_text()
    chapter = page[page.index(".SH COMMANDS") : page.index(".SH OPTIONS")]
    assert re.search(rf"^\.TP\n\.[BR]+[I]? {command}\b", chapter, re.MULTILINE)
