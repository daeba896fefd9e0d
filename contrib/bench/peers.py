"""The virtual environment: the peers from PyPI, and prefork from this checkout as it is now.

A peer that cannot be installed, for want of a compiler or a library, is left out with its reason; the others do not
suffer from it.
"""

from __future__ import annotations

import json
import subprocess
import venv
from collections.abc import Iterable, Mapping
from pathlib import Path

from contrib.bench.servers import Server

ROOT = Path(__file__).parents[2]
# fastwsgi imports pkg_resources, which setuptools had until version 80.
TOOLS = ("setuptools<81", "wheel")
PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--root-user-action", "ignore")
VERSIONS = """\
import importlib.metadata, json, platform
versions = {d.metadata["Name"].lower(): d.version for d in importlib.metadata.distributions()}
print(json.dumps({**versions, "python": platform.python_version()}))
"""


def install(directory: Path, servers: Iterable[Server]) -> dict[str, str]:
    """Make the environment or bring it up to date. Returns why a distribution could not be installed, by its name."""
    python = directory / "bin" / "python"
    if not python.exists():
        venv.create(directory, with_pip=True)
        _pip(python, *TOOLS)
    failures: dict[str, str] = {}
    present = versions(directory)
    needs = {server.distribution: server.needs for server in servers}
    for distribution, need in needs.items():
        if distribution == "prefork":
            failure = _pip(python, str(ROOT))  # a directory is installed anew, though its version is there already
        elif distribution in present:
            continue
        else:
            failure = _pip(python, distribution)
        if failure:
            failures[distribution] = f"not installed: {failure}" + (f" (it needs {need})" if need else "")
    return failures


def versions(directory: Path) -> Mapping[str, str]:
    """What is installed: distribution in lower case -> version; and "python"."""
    result = subprocess.run(
        [directory / "bin" / "python", "-c", VERSIONS], capture_output=True, check=True, text=True, timeout=60
    )
    versions: dict[str, str] = json.loads(result.stdout)
    return versions


def _pip(python: Path, *arguments: str) -> str:
    """Why it failed, in one line; empty when it did not."""
    result = subprocess.run([python, *PIP, *arguments], capture_output=True, check=False, text=True)
    if result.returncode == 0:
        return ""
    lines = [line.strip() for line in result.stderr.splitlines() if "error" in line.lower()]
    return lines[0] if lines else f"pip exits with {result.returncode}"
