"""What a child told of the import of its pool's application."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from prefork.cli.check import Story, read_story
from prefork.config.load import Loaded, read


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    (tmp_path / "p.toml").write_text("[pool.web]\napp = 'shop:app'\nhooks.ready = 'shop:ready'\n")
    return read(str(tmp_path / "p.toml"))


def told(loaded: Loaded, story: Story) -> list[str]:
    return [
        str(fault).removeprefix(f"{Path(loaded.source.file).parent}/") for fault in read_story(loaded, "web", story)
    ]


def test_a_child_that_found_nothing_wrong_has_no_fault(loaded: Loaded):
    """Its story is empty."""
    assert told(loaded, Story("", "")) == []


def test_each_failure_is_a_fault_at_its_key(loaded: Loaded):
    """The application and the hooks."""
    lines = [
        {"path": ["app"], "problem": "cannot be imported: X\n    trace"},
        {"path": ["hooks", "ready"], "problem": "cannot be imported: Y"},
    ]
    assert told(loaded, Story("".join(json.dumps(line) + "\n" for line in lines), "")) == [
        "p.toml:2:1: pool.web.app: cannot be imported: X\n    trace",
        "p.toml:3:7: pool.web.hooks.ready: cannot be imported: Y",
    ]


def test_a_child_that_ended_early_is_a_fault_with_its_stacks(loaded: Loaded):
    """At the application, whatever it was doing."""
    story = Story("Current thread\n  File x\n", "the import took longer than timeout.boot, 1m")
    (fault,) = told(loaded, story)
    assert fault.splitlines() == [
        "p.toml:2:1: pool.web.app: cannot be imported: the import took longer than timeout.boot, 1m",
        "    Current thread",
        "      File x",
    ]
