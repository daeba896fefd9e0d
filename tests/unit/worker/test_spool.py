"""A body while it arrives: in memory, then in a file without a name."""

from __future__ import annotations

import pytest

from prefork.worker import spool as spool_module
from prefork.worker.spool import IN_MEMORY, Spool


@pytest.mark.parametrize("size", [0, 1, IN_MEMORY, IN_MEMORY + 1, 3 * IN_MEMORY])
@pytest.mark.parametrize("announced", [False, True])
def test_what_was_added_is_read_from_its_start(size, announced):
    """Whether its size was known or not."""
    body = bytes(range(256)) * (size // 256 + 1)
    spool = Spool(size if announced else 0)
    for place in range(0, size, 100_000):
        spool.add(body[place : min(place + 100_000, size)])
    assert spool.size == size
    assert spool.rewound().read() == body[:size]
    spool.close()


def test_a_large_body_has_no_name_in_the_temporary_directory(tmp_path, monkeypatch):
    """Whatever ends the worker, nothing is left behind."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    spool = Spool()
    spool.add(b"x" * (IN_MEMORY + 1))
    assert spool.rewound().fileno() > 2
    assert list(tmp_path.iterdir()) == []
    spool.close()


def test_what_does_not_fit_is_told_before_it_is_read_and_not_again(monkeypatch):
    """A file holds back what was added last: that there is no room for it may be seen late, and is seen once."""
    monkeypatch.setattr(spool_module, "_file_on_disk", lambda: open("/dev/full", "w+b"))  # noqa: SIM115 - the spool closes it
    spool = Spool(2 * IN_MEMORY)
    spool.add(b"x" * 100)
    with pytest.raises(OSError, match="No space left"):
        spool.rewound()
    spool.close()
