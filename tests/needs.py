"""What the tests run of the machine: each tool, and the Debian package that brings it.

A test says ``@pytest.mark.needs("wrk")``, or calls ``needs(shell)`` where the tool is its parameter. Where the tool is
missing the test skips, and the reason names the package. No test looks for a tool in another way. As a program this
prints the packages, for ``.ci/run`` to install before there is any virtual environment: it imports nothing else.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys

PACKAGES = {
    # The suite.
    "faketime": "faketime",
    "fish": "fish",
    "logrotate": "logrotate",
    "man": "man-db",
    "mandoc": "mandoc",
    "strace": "strace",
    "wrk": "wrk",
    "zsh": "zsh",
    # tests/packaging: to build the packages, and to judge them.
    "dh": "debhelper",
    "dpkg-buildpackage": "dpkg-dev",
    "git": "git",
    "lintian": "lintian",
    "piuparts": "piuparts",
    "rpmbuild": "rpm",
    "rpmlint": "rpmlint",
    "shellcheck": "shellcheck",
    "systemd-analyze": "systemd",
    # tests/packaging: machines to install them on, and what runs beside them.
    "curl": "curl",
    "haproxy": "haproxy",
    "ip": "iproute2",
    "mmdebstrap": "mmdebstrap",
    "nginx": "nginx-light",
    "nsenter": "util-linux",
    "podman": "podman",
    "runc": "runc",
    "systemd-nspawn": "systemd-container",
}
SYSTEM = ("/usr/local/sbin", "/usr/sbin", "/sbin")  # not in the PATH of every user
INSTALL = "apt-get install"
ANOTHER = 65534  # nobody, by number
NO_WAY = "other users cannot run {python} and import prefork; make the checkout and its Python accessible to them"


def find(tool: str) -> str | None:
    """The path of a tool, by PATH and where Debian keeps the tools of administrators; None if it is not installed."""
    return shutil.which(tool, path=os.pathsep.join([*os.get_exec_path(), *SYSTEM]))


def missing(*tools: str) -> str:
    """Why a test that runs these tools must skip; empty if all of them are installed."""
    lacking = [tool for tool in tools if not find(tool)]
    packages = sorted({PACKAGES[tool] for tool in lacking})
    return f"{', '.join(lacking)} not installed: {INSTALL} {' '.join(packages)}" if lacking else ""


def needs(*tools: str) -> None:
    """Skip the test that runs, with the packages to install in the reason, where a tool is missing."""
    skip(missing(*tools))


def needs_another_user() -> None:
    """Skip the test that runs where another user than root cannot execute this Python, or import prefork with it."""
    skip("" if another_user_can_run() else NO_WAY.format(python=sys.executable))


def skip(reason: str) -> None:
    """Skip the test that runs, unless the reason is empty."""
    import pytest

    if reason:
        pytest.skip(reason)


@functools.cache
def another_user_can_run() -> bool:
    """As root: whether ``nobody`` can start this Python and import prefork; it cannot from a private home directory."""
    command = [sys.executable, "-c", "import prefork.cli"]
    try:
        done = subprocess.run(
            command, user=ANOTHER, group=ANOTHER, extra_groups=[], cwd="/", capture_output=True, check=False
        )
    except PermissionError:
        return False
    return done.returncode == 0


if __name__ == "__main__":
    print(*sorted(set(PACKAGES.values())))
