"""What an edit costs."""

from __future__ import annotations

from typing import Any

import pytest

from prefork.config.changes import COSTS, Change, Cost, changes
from prefork.config.models import Config
from prefork.config.models.catalogue import NAMED, SECTIONS, keys

FILE = {"log": {"file": "/var/log/p.log"}}  # a daemon has no standard error


def config(pool: dict[str, Any] | None = None, **sections: Any) -> Config:
    return Config.model_validate({"pool": {"web": {"app": "shop:app", **(pool or {})}}, **sections})


def listening(**listen: Any) -> Config:
    return config(listen={"local": {"address": "unix:/run/web.sock", **listen}})


def test_every_key_and_every_section_that_may_come_or_go_has_a_cost():
    """The table is total over the models, and holds nothing else."""
    sections = {
        key for key in SECTIONS if key in {"log.access", "control", "status", "listen.*", "listen.*.tls", "pool.*"}
    }
    assert COSTS.keys() == keys().keys() | sections


def test_what_is_equal_has_no_changes():
    """An edit of comments costs nothing."""
    assert changes(config(), config()) == ()


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (config({"workers": 2}), config({"workers": "auto"}), Change("pool.web.workers", 2, "auto", Cost.NOTHING)),
        (config(), config({"surge": 1}), Change("pool.web.surge", "25%", 1, Cost.NOTHING)),
        (config(), config({"timeout": {"request": 1}}), Change("pool.web.timeout.request", 30.0, 1.0, Cost.NOTHING)),
        (config(), config({"timeout": {"body": 1}}), Change("pool.web.timeout.body", 30.0, 1.0, Cost.WORKERS)),
        (config(), config({"app": "a:b"}), Change("pool.web.app", "shop:app", "a:b", Cost.WORKERS)),
        (config(), config({"listen": ["http"]}), Change("pool.web.listen", None, ("http",), Cost.WORKERS)),
        (
            config(),
            config({"environment": {"A": "1"}}),
            Change("pool.web.environment", {}, {"A": "1"}, Cost.WORKERS),
        ),
        (config(), config(log={"level": "debug"}), Change("log.level", "info", "debug", Cost.WORKERS)),
        (config(), config(log={"file": "/a"}), Change("log.file", "stderr", "/a", Cost.UPGRADE)),
        (config(), config(master={"user": "www"}), Change("master.user", None, "www", Cost.UPGRADE)),
        (
            config(**FILE),
            config(**FILE, master={"daemonize": True}),
            Change("master.daemonize", False, True, Cost.UPGRADE),
        ),
        (listening(), listening(mode="0o600"), Change("listen.local.mode", 0o660, 0o600, Cost.NOTHING)),
        (
            listening(),
            listening(address="fd:3"),
            Change("listen.local.address", "unix:/run/web.sock", "fd:3", Cost.SOCKET),
        ),
    ],
)
def test_a_change_names_its_key_and_cost(old: Config, new: Config, expected: Change):
    """(old, new) -> what each edit needs to have effect; and so for the way back."""
    assert changes(old, new) == (expected,)
    assert changes(new, old) == (Change(expected.key, expected.new, expected.old, expected.cost),)


def test_a_pool_that_comes_or_goes_is_one_change():
    """It needs workers, or is rid of them."""
    two = Config.model_validate(
        {
            "listen": {"http": {"address": "127.0.0.1:8000"}, "b": {"address": "fd:3"}},
            "pool": {"web": {"app": "shop:app", "listen": ["http"]}, "api": {"app": "api:app", "listen": ["b"]}},
        }
    )
    found = changes(config({"listen": ["http"]}), two)
    assert [(change.key, change.cost) for change in found] == [("listen.b", Cost.SOCKET), ("pool.api", Cost.WORKERS)]
    assert found[1].old is None
    assert found[1].new == two.pool["api"]


def test_an_access_log_that_comes_or_goes_is_one_change():
    """It has one cost, whatever is in it."""
    access = config(log={"access": {"file": "/a", "format": "common"}})
    assert [(change.key, change.cost) for change in changes(config(), access)] == [("log.access", Cost.UPGRADE)]
    other = config(log={"access": {"file": "/a"}})
    assert [change.key for change in changes(access, other)] == ["log.access.format"]


def test_all_changes_are_told():
    """In the order of the sections."""
    found = changes(config(), config({"app": "a:b", "workers": 3}, log={"level": "error"}, master={"upgrade": "auto"}))
    assert [change.key for change in found] == ["master.upgrade", "log.level", "pool.web.app", "pool.web.workers"]


def test_the_named_tables_are_no_keys_of_their_own():
    """Their members are compared."""
    assert not set(NAMED) & COSTS.keys()
