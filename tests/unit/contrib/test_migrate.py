"""The pages for those who come from elsewhere: complete, and true about this side."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest
import tomli
from gunicorn.config import KNOWN_SETTINGS

from prefork.arbiter.loop import SIGNALS
from prefork.config.models import Config
from prefork.config.models.catalogue import SECTIONS, keys
from prefork.control.commands import COMMANDS

PAGES = sorted((Path(__file__).parents[3] / "contrib/migrate").glob("*.md"))
GUNICORN = PAGES[0].with_name("gunicorn.md")
KEY = re.compile(r"`((?:pool\.NAME|listen\.NAME|master|log|control)(?:\.\w+)+)")


@pytest.mark.parametrize("setting", sorted(setting.name for setting in KNOWN_SETTINGS))
def test_every_setting_of_gunicorn_has_its_line(setting: str):
    """In the first column of a table."""
    columns = re.findall(r"^\| (`[^|]*) \|", GUNICORN.read_text(), re.MULTILINE)
    assert [column for column in columns if f"`{setting}`" in column], f"{setting} is nowhere"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_key_that_is_named_is_one(page: Path):
    """None was renamed since."""
    known = keys().keys() | SECTIONS.keys() | {"pool.*.workers.min", "pool.*.workers.max"}
    named = {found.replace("NAME", "*") for found in KEY.findall(page.read_text())}
    assert len(named) > 5
    assert named - known == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_command_that_is_named_is_one(page: Path):
    """Of preforkctl."""
    named = set(re.findall(r"`preforkctl (?:--json )?(\w+)", page.read_text()))
    assert named
    assert named <= COMMANDS.keys()


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_signal_has_its_line(page: Path):
    """Those that an operator sends."""
    text = page.read_text()
    chapter = text[text.index("## Signals") :]
    names = [signal.Signals(number).name[3:] for number in SIGNALS if number < 32 and number != signal.SIGCHLD]
    missing = [name for name in names if f"`{name}`" not in chapter]
    assert missing == ([] if page == GUNICORN else ["TTIN", "TTOU"])  # uWSGI takes them by its fifo


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_the_example_is_a_configuration(page: Path):
    """As it stands."""
    [example] = re.findall(r"```toml\n(.*?)```", page.read_text(), re.DOTALL)
    Config.model_validate(tomli.loads(example))
