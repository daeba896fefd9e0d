"""Packages that are built once, machines that are booted once a suite, and a service that each test finds fresh."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.needs import needs, skip
from tests.packaging.machine import Machine, hindrance
from tests.packaging.packages import Packages
from tests.packaging.roots import root_of
from tests.packaging.service import Service


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Packages]:
    needs("git", "dh", "dpkg-buildpackage", "rpmbuild")
    place = tmp_path_factory.getbasetemp()
    shared = place.parent if "PYTEST_XDIST_WORKER" in os.environ else place  # by all processes of the run
    built = Packages(shared / "packages")
    yield built
    built.close()


def machine_of(suite: str, scratch: Path, binds: Mapping[Path, str] | None = None) -> Machine:
    """To be entered. Skips the test, and says why, where there can be none."""
    skip(hindrance())
    return Machine(root_of(suite), scratch, suite, binds)


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def machine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, packages: Packages
) -> Iterator[Machine]:
    """With the package installed, as it comes."""
    with machine_of(request.param, tmp_path_factory.mktemp("machine") / request.param) as one:
        one.install(packages.deb())
        yield one


@pytest.fixture
def service(machine: Machine) -> Iterator[Service]:
    """The shop, serving on two workers; afterwards nothing of the test is left."""
    one = Service(machine)
    one.begin()
    yield one
    print(machine.journal("preforkd"))  # pytest shows it beside a failure
    one.end()
