"""What a reload would do, before it is asked for."""

from __future__ import annotations

from typing import Any

from prefork.config import plan
from prefork.config.models import Config


def config(pool: dict[str, Any] | None = None, **sections: Any) -> Config:
    return Config.model_validate({"pool": {"web": {"app": "shop:app", **(pool or {})}}, **sections})


def test_equal_configurations_have_no_line_of_change():
    """The applications are still loaded anew: that is what a reload is for."""
    [line] = plan.lines(config(), config())
    assert line.startswith("A reload first waits for one new worker of each pool")
    assert plan.by_cost(config(), config()) == {}


def test_each_change_is_a_line_with_what_it_takes():
    """Values as the file would have them."""
    new = config(
        {"workers": 4, "app": "shop:other", "timeout": {"request": "90s"}},
        listen={"http": {"address": "127.0.0.1:8000"}, "local": {"address": "unix:/run/web.sock"}},
        master={"pidfile": "/run/prefork.pid"},
    )
    found = [" ".join(line.split()) for line in plan.lines(config(), new)]
    assert "master.pidfile absent -> /run/prefork.pid takes an upgrade or a restart" in found
    assert "listen.local added takes a socket" in found
    assert "pool.web.workers 1 -> 4 at once" in found
    assert "pool.web.app shop:app -> shop:other takes new workers" in found
    assert "pool.web.timeout.request 30s -> 90s at once" in found
    assert "A reload does not change master.pidfile." in found
    assert "The reload opens new sockets for listen.local first, and closes the old ones afterwards." in found


def test_the_log_has_the_keys_by_what_they_take():
    """What takes nothing is left out."""
    assert plan.by_cost(config(), config({"workers": 2}, log={"file": "/x"})) == {
        "at_once": ("pool.web.workers",),
        "needs_upgrade": ("log.file",),
    }
