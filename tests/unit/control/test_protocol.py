"""What may be asked over the control socket: everything else is a sentence."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from prefork.control import protocol
from prefork.control.commands import COMMANDS
from prefork.control.protocol import Misunderstood, Request, request

ARGUMENTS: dict[str, dict[str, Any]] = {
    "reload": {"wait": True},
    "upgrade": {"wait": True},
    "scale": {"pool": "web", "workers": 8, "force": True},
    "dump": {"worker": "web/2"},
}


@pytest.mark.parametrize("do", COMMANDS)
def test_what_is_written_is_what_is_read(do: str):
    """Every word, with its arguments."""
    asked = request(do, **ARGUMENTS.get(do, {}))
    line = asked.line()
    assert line.endswith(b"\n")
    assert json.loads(line)["prefork"] == 1
    assert protocol.parse(line) == asked


def test_arguments_have_defaults():
    """Only a pool and its number must be given."""
    assert protocol.parse(b'{"prefork": 1, "do": "reload"}') == request("reload")
    assert protocol.parse(b'{"prefork": 1, "do": "dump"}') == request("dump")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (b"", "one JSON object"),
        (b"hello", "one JSON object"),
        (b"[" * 100_000, "one JSON object"),
        (b"\xff\xfe\x00", "one JSON object"),
        (b"1" * 10_000, "one JSON object"),
        (b"[]", "what to"),
        (b"{}", "what to"),
        (b'{"prefork": 1, "do": 3}', "what to"),
        (b'{"do": "status"}', '"prefork": 1'),
        (b'{"prefork": 2, "do": "status"}', '"prefork": 1'),
        (b'{"prefork": true, "do": "status"}', '"prefork": 1'),
        (b'{"prefork": [1], "do": "status"}', '"prefork": 1'),
        (b'{"prefork": 1, "do": "explode"}', "status, reload, upgrade"),
        (b'{"prefork": 1, "do": "status", "wait": true}', "takes no 'wait'"),
        (b'{"prefork": 1, "do": "reload", "wait": 1}', "must be of type bool"),
        (b'{"prefork": 1, "do": "scale", "pool": "web"}', "needs workers"),
        (b'{"prefork": 1, "do": "scale", "workers": 1}', "needs pool"),
        (b'{"prefork": 1, "do": "scale", "pool": "web", "workers": 0}', "1 to 1000"),
        (b'{"prefork": 1, "do": "scale", "pool": "web", "workers": 1001}', "1 to 1000"),
        (b'{"prefork": 1, "do": "scale", "pool": "web", "workers": true}', "must be of type int"),
        (b'{"prefork": 1, "do": "scale", "pool": "web", "workers": 2.0}', "must be of type int"),
        (b'{"prefork": 1, "do": "scale", "pool": "web", "workers": 2, "force": 1}', "must be of type bool"),
        (b'{"prefork": 1, "do": "stop", "wait": true}', "takes no 'wait'"),
        (b'{"prefork": 1, "do": "dump", "worker": "' + b"x" * 300 + b'"}', "at most 256 characters"),
    ],
)
def test_what_is_not_understood_is_answered_with_a_sentence(line: bytes, sentence: str):
    """That says what would be."""
    with pytest.raises(Misunderstood) as told:
        protocol.parse(line)
    assert sentence in str(told.value)


def test_numbers_at_the_edge_are_understood():
    """1 and 1000 workers."""
    for number in (1, 1000):
        line = request("scale", pool="web", workers=number).line()
        assert protocol.parse(line).given["workers"] == number


def outcome(line: bytes) -> Request | str:
    """The request, or the sentence."""
    try:
        return protocol.parse(line)
    except Misunderstood as sentence:
        return str(sentence)


@given(some.binary(max_size=300))
def test_any_bytes_give_a_request_or_a_sentence(line: bytes):
    """Never another exception."""
    assert outcome(line)


PLAIN = some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=20)
JSON = PLAIN | some.lists(PLAIN, max_size=2) | some.dictionaries(some.text(max_size=5), PLAIN, max_size=2)


@given(
    some.sampled_from([*COMMANDS, "x"]),
    some.dictionaries(some.sampled_from(["wait", "pool", "workers", "worker", "force", "x"]), JSON),
)
def test_any_arguments_give_a_request_or_a_sentence(do: str, arguments: dict[str, Any]):
    """And the sentence can be sent, whatever is in it."""
    told = outcome(json.dumps({"prefork": 1, "do": do, **arguments}).encode())
    if isinstance(told, Request):
        assert protocol.parse(told.line()) == told
    else:
        assert json.loads(protocol.response(ok=False, reason=told))["ok"] is False


def test_a_reply_is_one_line():
    """Whatever is in it."""
    line = protocol.event("worker_died", {"stacks": "a\nb", "pid": 1})
    assert line.count(b"\n") == 1
    assert json.loads(line) == {"event": "worker_died", "stacks": "a\nb", "pid": 1}
    assert json.loads(protocol.response(ok=True, some="thing")) == {"ok": True, "some": "thing"}
