"""What the figures were measured on, in words for the report. Reads /proc and asks git and wrk."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path

from contrib.bench.processes import HERE


def describe() -> str:
    """Processor, cores, kernel."""
    system = platform.uname()
    kernel = f"{system.system} {system.release.partition('-')[0]}"
    return f"{_processor()}, {len(os.sched_getaffinity(0))} cores, {kernel} {system.machine}"


def software(versions: Mapping[str, str], distributions: list[str]) -> str:
    """Python, wrk, every server's version, and the commit of this checkout."""
    names = [f"{name} {versions[name.lower()]}" for name in distributions if name.lower() in versions]
    return ", ".join([f"Python {versions['python']}", _wrk(), *names]) + f" ({_commit()})"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _wrk() -> str:
    words = _output("wrk", "--version").split()
    return f"wrk {words[1]}" if len(words) > 1 else "wrk"


def _commit() -> str:
    described = _output("git", "-C", str(HERE), "describe", "--always", "--dirty").strip()
    return f"commit {described}" if described else "not from a git checkout"


def _output(*command: str) -> str:
    """What a command prints, whatever its exit status (wrk --version has 1); empty where there is no such command."""
    try:
        return subprocess.run(command, capture_output=True, check=False, text=True, timeout=10).stdout
    except FileNotFoundError:
        return ""
