"""The packages as files: built twice alike, without a fault that the distributions' own checkers know."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import prefork
from tests.needs import needs, skip
from tests.packaging.machine import hindrance
from tests.packaging.packages import PACKAGING, THIS, Packages, build
from tests.packaging.roots import archive_of, root_of

UNITS = sorted((PACKAGING / "systemd").glob("*.service"))


def test_the_changelog_names_this_version():
    """And the tests are of it."""
    first = (PACKAGING / "debian/changelog").read_text().split()[1]
    assert first == f"({prefork.__version__}-1)" == f"({THIS}-1)"


def digest(package: Path) -> str:
    return hashlib.sha256(package.read_bytes()).hexdigest()


@pytest.mark.parametrize("kind", ["deb", "rpm"])
def test_two_builds_are_the_same_bytes(packages: Packages, tmp_path: Path, kind: str):
    """From the sources and the hashes of the libraries alone, which the Debian package fetches anew for that."""
    first = {"deb": packages.deb, "rpm": packages.rpm}[kind]()
    again = build(kind, tmp_path, "--quick", *(["--libraries", str(packages.libraries())] if kind == "rpm" else []))
    assert digest(first) == digest(again)  # of megabytes, pytest would explain the difference for minutes


def test_lintian(packages: Packages, tmp_path: Path):
    """No error and no warning; every override says why."""
    needs("lintian")
    command = ["lintian", "--fail-on", "error,warning", "--allow-root", str(packages.deb())]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}  # it leaves files there
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stdout) == (0, "")


def test_rpmlint(packages: Packages):
    """The same."""
    needs("rpmlint")
    command = ["rpmlint", "--config", str(PACKAGING / "rpm/rpmlint.toml"), str(packages.rpm())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "0 errors, 0 warnings" in done.stdout, done.stdout
    assert done.returncode == 0


def test_piuparts(packages: Packages):
    """Installed, upgraded, removed and purged in a bare directory, which is afterwards as it was."""
    needs("piuparts")
    skip(hindrance())
    archive = archive_of(root_of("bookworm"))
    command = ["piuparts", "--basetgz", str(archive), "--distribution", "bookworm", "--skip-logrotatefiles-test"]
    command += [
        "--warn-on-leftovers-after-purge",
        "--no-upgrade-test",
        "--do-not-verify-signatures",
        str(packages.deb()),
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    )
    assert done.returncode == 0, done.stdout[-5000:]
    assert "PASS: All tests." in done.stdout


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_the_units_are_understood_and_shut_in(unit: Path, packages: Packages, tmp_path: Path):
    """Every key is known, and the exposure that systemd works out is at most 2.5."""
    needs("systemd-analyze")
    known = tmp_path / unit.name
    text = unit.read_text()
    for program in ("/usr/bin/preforkd", "/usr/bin/preforkctl", "/usr/lib/prefork/maintain/drain"):
        text = text.replace(program, shutil.which("true") or "")
    known.write_text(text.replace("Documentation=man:", "# man:"))
    done = subprocess.run(["systemd-analyze", "verify", str(known)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=25", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_an_instance_differs_in_its_places_alone():
    """Two files, one text."""
    one, many = (PACKAGING / f"systemd/preforkd{at}.service" for at in ("", "@"))
    expected = one.read_text().replace("/etc/prefork.toml", "/etc/prefork/%i.toml")
    expected = expected.replace("application server\n", "application server (%i)\n")
    assert many.read_text() == expected.replace("RuntimeDirectory=prefork\n", "RuntimeDirectory=prefork-%i\n")


def test_the_bundled_libraries_are_those_that_prefork_asks_for():
    """Under the same bounds."""
    if sys.version_info < (3, 11):
        import tomli as tomllib
    else:
        import tomllib
    asked = tomllib.loads((PACKAGING.parent / "pyproject.toml").read_text())["project"]["dependencies"]
    listed = (PACKAGING / "bundle/requirements.in").read_text().splitlines()
    assert [line for line in listed if not line.startswith("#")] == asked
