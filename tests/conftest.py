"""What holds for every test: what it needs of the machine, what a run leaves out, and that it leaves nothing behind.

A tool that is missing skips the tests that run it (``tests.needs``), and the end of the run says what to install. In CI
a test that skips has failed, because a skip there hides a missing tool.
"""

from __future__ import annotations

import faulthandler
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.leftovers import clean
from tests.needs import INSTALL, needs
from tests.operator.daemon import Preforkd

TESTS = Path(__file__).parent
PACKAGING = TESTS / "packaging"  # builds packages and boots machines: minutes, and 2 GB of downloads
CI = os.environ.get("PREFORK_TESTS_MAY_SKIP") == "no"

# How long an example takes is the machine's business.
settings.register_profile("untimed", settings(), deadline=None)
settings.load_profile("untimed")

# A shell's background jobs ignore INT, and so would every program that the tests start; what is handled, an exec resets.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--all", action="store_true", help="run what takes minutes too: tests/packaging, the marker minutes"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """A run that no argument narrows goes by pytest-xdist, a file at a time; ``-n 0`` has it in this process."""
    option = config.option
    if "PYTEST_XDIST_WORKER" in os.environ:
        return  # each of its processes comes here as well, and would start processes of its own without end
    narrowed = config.args_source is not pytest.Config.ArgsSource.TESTPATHS or option.usepdb or option.collectonly
    if not narrowed and getattr(option, "numprocesses", 0) is None:
        option.numprocesses = min(max(len(os.sched_getaffinity(0)), 2), 8)  # most tests wait more than they work
        option.dist = "loadfile"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(*tools): skip where one of these tools is not installed")
    config.addinivalue_line("markers", "minutes: takes minutes; runs by --all, by its file or directory, or with -m")
    config.addinivalue_line("markers", "long: may take longer than faulthandler_timeout; it does not hang")


def asked_for(config: pytest.Config, place: Path) -> bool:
    """Whether what takes minutes there is to run: by the option, or because an argument names it or what is in it."""
    named = [Path(config.invocation_params.dir, argument.partition("::")[0]).resolve() for argument in config.args]
    return config.getoption("--all") or any(path == place or place in path.parents for path in named)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return True if collection_path == PACKAGING and not asked_for(config, PACKAGING) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.option.markexpr:
        return
    left_out = [item for item in items if item.get_closest_marker("minutes") and not named(config, item.path)]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)


def named(config: pytest.Config, file: Path) -> bool:
    """Whether an argument names this file, or a directory of it below tests."""
    return any(asked_for(config, place) for place in [file, *file.parents] if TESTS in place.parents)


def pytest_report_header(config: pytest.Config) -> list[str]:
    return [] if config.getoption("--all") else ["what takes minutes (tests/packaging and others): --all"]


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("long") or item.get_closest_marker("minutes") or PACKAGING in item.path.parents:
        # The dump reads the stacks of threads that run on, and can end the interpreter: it is for tests that hang.
        faulthandler.cancel_dump_traceback_later()
    for mark in item.iter_markers("needs"):
        needs(*mark.args)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    report = yield
    if report.skipped and CI:
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {report.longrepr}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One command that installs all that was missing."""
    reasons = [str(report.longrepr[-1]) for report in terminalreporter.stats.get("skipped", ())]
    packages = {word for reason in reasons for word in reason.partition(f"{INSTALL} ")[2].rstrip("')").split()}
    if packages:
        terminalreporter.section("to run what was skipped")
        terminalreporter.line(f"{INSTALL} {' '.join(sorted(packages))}")


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session):
    """Outside of the hook that removes the temporary directory: nothing that a test started may still run, or stay."""
    if hasattr(session.config, "workerinput"):  # of pytest-xdist: the session that started this one looks after all
        return (yield)
    place: Path = session.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
    left = clean(place)
    if left:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        reporter.write_line("\nstill running after the tests, and killed:\n    " + "\n    ".join(left), red=True)
    result = yield
    if place.parent.is_dir() and not any(place.parent.iterdir()):
        place.parent.rmdir()
    return result


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Preforkd]:
    """A daemon in a directory of its own, configured and started by the test; nothing of it is left running."""
    one = Preforkd(tmp_path)
    try:
        yield one
    finally:
        one.end()
        if hasattr(one, "events"):
            print(one.events)  # pytest shows it beside a failure
