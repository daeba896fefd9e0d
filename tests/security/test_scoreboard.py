"""A worker reaches its own row of the scoreboard, and nothing else of it; it cannot take memory away from the master."""

from __future__ import annotations

import sys

import pytest

from tests.security.attacker import Service, as_root

KINDS = {
    "forked": "",
    "preloaded": "preload = true",
    "executed": f'python = "{sys.executable}"',
    "reforked": "preload = true\nrefork = [100000]",
}
MAPPED = """
    result = sorted({(line.split()[5], line.split()[1]) for line in open("/proc/self/maps") if "memfd" in line})
"""
# Every memory file of ours that this process has a descriptor of: try to shorten it, to write to it, and to map it.
SPOIL = """
    import mmap, os
    result = []
    for number in range(3, 1024):
        try:
            name = os.readlink(f"/proc/self/fd/{number}")
        except OSError:
            continue
        if "prefork" not in name:
            continue
        for what, spoil in (
            ("truncated", lambda: os.ftruncate(number, 0)),
            ("extended", lambda: os.ftruncate(number, 1 << 30)),
            ("written", lambda: os.pwrite(number, bytes(4096), 0)),
            ("mapped", lambda: mmap.mmap(number, 4096)),
        ):
            try:
                spoil()
                result.append((name, what))
            except OSError:
                pass
"""
MAKE_WRITABLE = """
    import ctypes
    result = []
    for line in open("/proc/self/maps"):
        if "prefork-words" in line:
            begin, end = (int(part, 16) for part in line.split()[0].split("-"))
            done = ctypes.CDLL(None).mprotect(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), 3)
            result.append(done)
"""


@as_root
@pytest.mark.parametrize("kind", KINDS)
def test_a_worker_maps_its_own_row_and_reads_the_masters_word(service: Service, kind: str):
    """M2. One page to write; the master's words, which no mprotect makes writable; no other row."""
    service.configure(web=KINDS[kind])
    service.start()
    mapped = dict(service.run(MAPPED))
    assert {name.split(":")[-1]: access for name, access in mapped.items()} == {
        "prefork-row": "rw-s",
        "prefork-words": "r--s",
    }
    assert service.run(MAKE_WRITABLE) == [-1]


@as_root
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_that_a_worker_holds_can_be_shortened_or_written(service: Service, kind: str):
    """M2. One ftruncate ended the root master and every pool; now all of it is refused, and the service goes on."""
    service.configure(web=KINDS[kind])
    service.start()
    assert service.run(SPOIL) == []
    assert service.run("result = 1", pool="shop") == 1
    assert service.daemon.process.poll() is None
