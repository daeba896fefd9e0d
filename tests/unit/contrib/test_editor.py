"""The JSON Schema for editors, and the directive by which they find it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from prefork.config import dump

REPOSITORY = Path(__file__).parents[3]
SCHEMA = REPOSITORY / "contrib/editor/prefork.schema.json"
EXAMPLE = REPOSITORY / "prefork.toml.example"


def taplo(file: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """What the language server behind Even Better TOML says of a file."""
    command = [str(Path(sys.executable).with_name("taplo")), "lint", "--colors=never", *options, str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The example where a user has copied it, with its schema where the directive says."""
    (tmp_path / "contrib/editor").mkdir(parents=True)
    shutil.copy(SCHEMA, tmp_path / "contrib/editor")
    return Path(shutil.copy(EXAMPLE, tmp_path / "prefork.toml"))


def test_it_is_up_to_date():
    """Run preforkd --schema > contrib/editor/prefork.schema.json after a change of the models."""
    assert SCHEMA.read_text() == dump.schema() + "\n"


def test_an_editor_finds_no_fault_in_the_example(copy: Path):
    """By the directive in its first line."""
    assert taplo(copy).returncode == 0


@pytest.mark.parametrize(("right", "wrong"), [("workers = 1 ", "workres = 1 "), ('boot = "60s"', 'boot = "60"')])
def test_an_editor_finds_what_is_wrong(copy: Path, right: str, wrong: str):
    """A key that there is not, a value that cannot be."""
    text = copy.read_text()
    assert text.count(right) == 1
    copy.write_text(text.replace(right, wrong))
    assert taplo(copy).returncode == 1


def test_the_packaged_file_has_none_either():
    """Its directive leads to where the packages put the schema."""
    file = REPOSITORY / "packaging/etc/prefork.toml"
    assert file.read_text().startswith("#:schema file:///usr/share/prefork/prefork.schema.json\n")
    assert taplo(file, f"--schema=file://{SCHEMA}").returncode == 0
