"""The rules between listeners and pools."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from prefork.config.models import Config
from prefork.config.rules import Breach, breaches, detached

TWO = {"http": "127.0.0.1:80", "local": "unix:/web.sock"}


def test_one_pool_takes_every_listener():
    """Without ``listen``, a pool serves all."""
    assert breaches(TWO, {"web": None}) == []


def test_several_pools_share_the_listeners_out():
    """Each listener belongs to one pool."""
    assert breaches(TWO, {"web": ["http"], "api": ["local"]}) == []


def test_a_listener_that_no_pool_uses_is_a_fault():
    """It would be opened for nobody."""
    hint = "name it in the listen of a pool"
    assert breaches(TWO, {"web": ["http"]}) == [Breach(("listen", "local"), "no pool uses this listener", hint)]


def test_a_listener_that_two_pools_claim_is_a_fault():
    """Nobody could say which application answers."""
    assert breaches(TWO, {"web": ["http"], "api": ["local", "http"]}) == [
        Breach(
            ("pool", "api", "listen"),
            '"http" is claimed by the pools "web" and "api"',
            "a listener belongs to one pool",
        )
    ]


def test_several_pools_that_name_no_listener_claim_all():
    """The hint says what to write."""
    found = breaches({"http": "127.0.0.1:80"}, {"web": None, "api": None, "old": None})
    assert found == [
        Breach(
            ("pool", "api", "listen"),
            '"http" is claimed by the pools "web", "api" and "old"',
            "write listen = [...] in every pool",
        )
    ]


def test_an_unknown_listener_is_a_fault_with_a_suggestion():
    """A misspelt name does not make its listener unused as well."""
    assert breaches(TWO, {"web": ["local", "htpp"]}) == [
        Breach(("pool", "web", "listen", 1), 'no listener is called "htpp"', 'did you mean "http"?')
    ]
    assert breaches(TWO, {"web": ["xyz"]})[0].hint == 'there is "http" and "local"'


def test_two_listeners_on_one_address_are_a_fault():
    """However it is written."""
    assert breaches({"a": "[::1]:80", "b": "[0::1]:080", "c": "nonsense"}, {"web": None}) == [
        Breach(("listen", "b", "address"), "[::1]:80 is the address of listen.a already")
    ]


def test_all_breaches_are_found_at_once():
    """Not only the first."""
    found = breaches(TWO | {"also": "127.0.0.1:80"}, {"web": ["http", "also"], "api": ["http"]})
    assert [breach.path for breach in found] == [
        ("listen", "also", "address"),
        ("pool", "api", "listen"),
        ("listen", "local"),
    ]


def test_the_models_hold_the_rules_too():
    """A Config that breaks one cannot be made; each breach is an error with its own path."""
    with pytest.raises(ValidationError) as caught:
        Config.model_validate({"pool": {"a": {"app": "m:a", "listen": ["htp"]}, "b": {"app": "m:b", "listen": ["x"]}}})
    assert [error["loc"] for error in caught.value.errors()] == [("pool", "a", "listen", 0), ("pool", "b", "listen", 0)]


def test_a_daemon_with_its_log_on_standard_error_is_a_fault():
    """It would be lost; each log is named, and where to send it."""
    found = list(detached({}, {"log.file": "stderr", "log.access.file": "stderr"}))
    assert [breach.problem.split()[0] for breach in found] == ["log.file", "log.access.file"]
    assert {breach.path for breach in found} == {("master", "daemonize")}
    assert all("syslog" in breach.hint for breach in found)
    assert list(detached({}, {"log.file": "/var/log/p.log", "log.access.file": "journal"})) == []


def test_a_daemon_with_a_socket_of_systemd_is_a_fault():
    """LISTEN_PID names the process that systemd started, which ends when the daemon has detached."""
    [found] = detached({"web": "systemd:web", "local": "unix:/web.sock", "fd": "fd:3"}, {})
    assert found.path == ("listen", "web", "address")
    assert "daemonize = false" in found.hint


def test_what_a_daemon_loses_in_the_foreground_is_no_fault():
    """The models ask the rule of daemons only."""
    sections = {"pool": {"web": {"app": "m:a"}}, "listen": {"web": {"address": "systemd:web"}}}
    Config.model_validate(sections)
    with pytest.raises(ValidationError) as caught:
        Config.model_validate({**sections, "master": {"daemonize": True}})
    assert [error["loc"] for error in caught.value.errors()] == [("master", "daemonize"), ("listen", "web", "address")]
