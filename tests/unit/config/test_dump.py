"""--print-config and --schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from prefork.config import dump
from prefork.config.load import load
from prefork.config.models import Config
from prefork.config.models.catalogue import SECTIONS
from prefork.config.models.unsupported import UNSUPPORTED

WEB = {"app": "shop:app"}
FULL: dict[str, Any] = {
    "master": {"daemonize": True, "pidfile": "/run/p.pid", "working_directory": "/", "umask": "0o027", "user": "a", "group": "b", "upgrade": "auto"},
    "log": {"level": "debug", "format": "logfmt", "file": "/var/log/p.log", "access": {"file": "syslog", "format": "combined"}},
    "listen": {"http": {"address": "[::]:80", "backlog": 1}, "x-1": {"address": "unix:/a b", "mode": "0o600", "user": "u", "group": "g"}},
    "pool": {
        "web": {
            "app": "shop.wsgi:make()",
            "worker": "shop.workers:Mine",
            "listen": ["http"],
            "workers": "auto",
            "directory": "/srv/ä",
            "python_path": ["/a", 'quo"te\\', "lib"],
            "environment": {"A": "1", "B.C": "multi\nline\t\x7f\x00"[:-1]},
            "surge": 2,
            "timeout": {"boot": 0, "request": 0.0125, "graceful": "90s", "keepalive": "36h", "header": 1 / 3},
            "hooks": {"ready": "a:b"},
            "http": {"max_body": 1000, "max_request_line": "16KiB", "trusted_proxies": ["10.0.0.0/8", "::1"], "forwarded": ["forwarded"], "server_header": ""},
        },
        "api": {"app": "api:app", "listen": ["x-1"]},
    },
}  # fmt: skip


@pytest.mark.parametrize("data", [{"pool": {"web": WEB}}, FULL], ids=["least", "full"])
def test_what_is_printed_loads_to_an_equal_configuration(data: dict[str, Any], tmp_path: Path):
    """The effective configuration with every default, as TOML."""
    config = Config.model_validate(data)
    (tmp_path / "p.toml").write_text(dump.toml(config))
    assert load(str(tmp_path / "p.toml")) == config
    assert list(load(str(tmp_path / "p.toml")).pool) == list(config.pool)


@given(st.dictionaries(st.text(min_size=1), st.text(), max_size=5), st.floats(0, 1e6), st.integers(0, 1 << 40))
def test_any_value_survives_being_printed(environment: dict[str, str], seconds: float, count: int):
    """Whatever characters, fractions and sizes."""
    plain = {
        name.replace("=", "").replace("\0", "") or "x": value.replace("\0", "") for name, value in environment.items()
    }
    pool = WEB | {"environment": plain, "timeout": {"body": seconds}, "http": {"max_body": count}}
    config = Config.model_validate({"pool": {"web": pool}})
    assert Config.model_validate(tomli.loads(dump.toml(config))) == config


def test_units_are_printed_as_people_write_them():
    """Durations, sizes and octal numbers; sections as headers."""
    printed = dump.toml(Config.model_validate({"pool": {"web": WEB}})).splitlines()
    for line in (
        'umask = "0o022"',
        'keepalive = "5s"',
        'max_body = "100MiB"',
        "[pool.web.timeout]",
        "environment = {}",
    ):
        assert line in printed
    assert printed[0] == "[master]"


def test_a_range_of_workers_survives_being_printed(monkeypatch: pytest.MonkeyPatch):
    """As an inline table."""
    monkeypatch.delitem(UNSUPPORTED, "pool.*.workers.max")
    config = Config.model_validate({"pool": {"web": WEB | {"workers": {"min": 2, "max": 16}}}})
    assert "workers = { min = 2, max = 16 }" in dump.toml(config)
    assert Config.model_validate(tomli.loads(dump.toml(config))) == config


def test_the_schema_describes_every_key():
    """For editors: types, defaults as people write them, descriptions; no null, which TOML has not."""
    described = json.loads(dump.schema())
    assert "null" not in dump.schema()
    for section in SECTIONS.values():
        properties = described["$defs"].get(section.__name__, described)["properties"]
        assert properties.keys() == section.model_fields.keys()
    timeout = described["$defs"]["Timeout"]["properties"]["boot"]
    assert timeout["default"] == "1m"
    assert [form["type"] for form in timeout["anyOf"]] == ["number", "string"]
    assert timeout["description"] == "Time for a worker to become ready."
    assert described["$defs"]["Master"]["properties"]["umask"]["default"] == "0o022"
    assert described["$defs"]["Pool"]["required"] == ["app"]
