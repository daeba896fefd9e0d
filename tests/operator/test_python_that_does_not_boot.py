"""``python = "..."`` where the interpreter itself, or what it finds first, is in the way: whatever it is, it is told."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from tests.operator.daemon import Preforkd

PYTHON = f'python = "{sys.executable}"'
# What stands in the way, as the pool's environment and a module of its own, and what has to be told of it.
OBSTACLES = {
    "no standard library": ('PYTHONHOME = "/nonexistent"', "", "encodings"),
    "a module in front of ours": ('PYTHONPATH = "{home}"', "selectors.py", "RuntimeError: in the way"),
    "a module in front of json": ('PYTHONPATH = "{home}"', "json.py", "RuntimeError: in the way"),
    "an exit": ('PYTHONPATH = "{home}"', "structlog.py", "in the way"),
}
NO_DIRECTORY = """
import tempfile


def refuse(*_args, **_how):
    raise FileNotFoundError(2, "No usable temporary directory found")


tempfile.gettempdir = tempfile.TemporaryFile = refuse
"""


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_whatever_ends_the_interpreter_is_told(daemon: Preforkd, obstacle: str):
    """P8. At the start on standard error, and by a reload as its reason, which changes nothing."""
    environment, module, told = OBSTACLES[obstacle]
    pool = f"{PYTHON}\nenvironment = {{ {environment.format(home=daemon.home)} }}"
    if module:
        error = "SystemExit('in the way')" if obstacle == "an exit" else "RuntimeError('in the way')"
        Path(daemon.home, module).write_text(f"raise {error}\n")
    daemon.configure(pool=pool)
    started = daemon.run()
    assert started.returncode == 70
    assert told in started.stderr
    checked = daemon.run("-t")
    assert checked.returncode == 70
    assert told in checked.stderr
    daemon.configure()
    daemon.start()
    daemon.configure(pool=pool)
    daemon.signal(signal.SIGHUP)
    assert told in daemon.expect("reload_refused")["reason"]
    assert daemon.get()[0] == 200


def test_no_temporary_directory_is_needed(daemon: Preforkd, tmp_path: Path):
    """P8. A read-only system: what the interpreter is told is handed over in memory."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(NO_DIRECTORY)
    daemon.configure(pool=PYTHON)
    daemon.start(env={**daemon.environment(), "PYTHONPATH": str(tmp_path / "site")})
    assert daemon.get()[0] == 200
