"""The sections: defaults, types, what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from prefork.config import messages
from prefork.config.models import Config, Section
from prefork.config.models.catalogue import SECTIONS, keys, pattern_of
from prefork.config.models.unsupported import UNSUPPORTED


def config(pool: dict[str, Any] | None = None, **sections: Any) -> Config:
    """A configuration with one pool, "web"."""
    return Config.model_validate({"pool": {"web": {"app": "shop:app", **(pool or {})}}, **sections})


def faults_of(data: dict[str, Any]) -> dict[str, str]:
    """key -> what is wrong, with the hint."""
    with pytest.raises(ValidationError) as caught:
        Config.model_validate(data)
    explained = [messages.explain(error) for error in caught.value.errors()]
    return {".".join(map(str, path)): f"{problem} ({hint})" if hint else problem for path, problem, hint in explained}


def pool_faults(**pool: Any) -> dict[str, str]:
    return faults_of({"pool": {"web": {"app": "shop:app", **pool}}})


def test_only_the_app_is_required():
    """With nothing else set: one listener on 127.0.0.1:8000, no pidfile, no change of user, log on stderr."""
    sound = config()
    assert {name: listen.address for name, listen in sound.listen.items()} == {"http": "127.0.0.1:8000"}
    assert sound.listeners_of("web") == ("http",)
    assert (sound.master.pidfile, sound.master.user, sound.master.group, sound.master.daemonize) == (
        None,
        None,
        None,
        False,
    )
    assert (sound.log.file, sound.log.access, sound.control, sound.status) == ("stderr", None, None, None)


def test_values_are_read_in_their_units():
    """Durations are seconds, sizes are bytes, modes and umask are numbers."""
    sound = config(
        {"timeout": {"boot": "5m", "header": 0.5}, "http": {"max_body": "1MiB"}},
        master={"umask": "0o027"},
        listen={"local": {"address": "unix:/run/web.sock", "mode": "0o666"}},
    )
    pool = sound.pool["web"]
    assert (pool.timeout.boot, pool.timeout.header, pool.timeout.request) == (300.0, 0.5, 30.0)
    assert (pool.http.max_body, sound.master.umask, sound.listen["local"].mode) == (1 << 20, 0o027, 0o666)


@pytest.mark.parametrize("workers", [1, 16, "auto"])
def test_workers_are_a_number_or_auto(workers: object):
    """The models keep what was said."""
    assert config({"workers": workers}).pool["web"].workers == workers


@pytest.mark.parametrize(
    ("workers", "key", "problem"),
    [
        ("4", "pool.web.workers", "(without quotation marks)"),
        ("atuo", "pool.web.workers", '(did you mean "auto"?)'),
        (0, "pool.web.workers", "must be at least 1, not 0"),
        (True, "pool.web.workers", "must be a number of workers"),
        (2.5, "pool.web.workers", "must be a number of workers"),
        ({"min": 2, "max": 16}, "pool.web.workers.max", "not yet supported"),
        ({"min": 2}, "pool.web.workers.max", "is required"),
        ({"min": "2", "max": 16}, "pool.web.workers.min", "must be a whole number"),
        ({"min": 2, "max": 16, "mid": 3}, "pool.web.workers.mid", "unknown key"),
    ],
)
def test_other_workers_are_refused(workers: object, key: str, problem: str):
    """A fault names the key alone, whichever form was tried."""
    assert problem in pool_faults(workers=workers)[key]


def test_a_range_of_workers_is_ordered(monkeypatch: pytest.MonkeyPatch):
    """min greater than max is a fault (once ranges are supported)."""
    monkeypatch.delitem(UNSUPPORTED, "pool.*.workers.max")
    assert config({"workers": {"min": 2, "max": 3}}).pool["web"].workers.max == 3
    assert "min is 3 and max 2" in pool_faults(workers={"min": 3, "max": 2})["pool.web.workers"]


@pytest.mark.parametrize(
    ("section", "key", "value", "problem"),
    [
        ("master", "daemonize", "true", 'must be true or false, not "true" (without quotation marks)'),
        ("master", "daemonize", 1, "must be true or false, not the number 1"),
        (
            "master",
            "pidfile",
            "run.pid",
            'must be an absolute path (an absolute path begins with "/"; "run.pid" does not)',
        ),
        ("master", "user", 1000, 'must be text, not the number 1000 (write "1000")'),
        ("master", "user", "", "must not be empty (remove the key instead)"),
        ("master", "umask", 18, 'must be an octal text like "0o660", in quotation marks'),
        ("master", "upgrade", "atuo", 'must be "manual" or "auto", not "atuo" (did you mean "auto"?)'),
        ("log", "level", "warn", 'did you mean "warning"?'),
        ("log", "level", 3, "not the number 3"),
        ("log", "file", "stdout", '(write "/dev/stdout")'),
        ("log", "file", "stder", 'did you mean "stderr"?'),
        ("log", "file", "/var/log/a\0b", "must not contain a NUL character"),
        ("log", "access", {"format": "json"}, None),
        ("log", "access", "/var/log/access.log", "must be a table"),
        ("master", "pid", "/run/x.pid", "unknown key (the key in prefork is master.pidfile)"),
    ],
)
def test_a_wrong_value_is_explained(section: str, key: str, value: object, problem: str | None):
    """Every sentence says what is expected, and what to write."""
    found = faults_of({"pool": {"web": {"app": "shop:app"}}, section: {key: value}})
    if problem is None:
        assert found == {"log.access.file": "is required (to have no access log, remove the section)"}
    else:
        assert problem in found[f"{section}.{key}"]


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("app", "shop.wsgi", '(did you mean "shop:wsgi"?)'),
        ("app", "shop/wsgi.py", '(for example "shop.wsgi:application")'),
        ("app", "shop:app(1)", 'must be "module:attribute" or "module:factory()"'),
        ("app", "", "must be"),
        ("worker", "gthread", 'did you mean "thread"?'),
        ("worker", "shop.workers.Mine", '"package.module:Class"'),
        ("listen", [], "must not be empty"),
        ("listen", "http", 'must be a list, not "http" (write ["http"])'),
        ("threads", 0, "must be at least 1"),
        ("threads", True, "must be a whole number, not true"),
        ("preload", "yes", "must be true or false"),
        ("directory", "srv", "must be an absolute path"),
        ("environment", {"A=B": "x"}, "cannot be the name of an environment variable"),
        ("environment", {"A": "x\0"}, "must not contain a NUL"),
        ("environment", ["A=1"], "must be a table, not a list"),
        ("surge", "25", "percentage"),
        ("surge", "25%\n", "percentage"),
        ("surge", -1, "percentage"),
        ("surge", True, "percentage"),
        ("timeout", 30, "must be a table, not the number 30 (its keys are boot, request"),
        ("bind", "x", "unknown key (the key in prefork is listen.NAME.address)"),
        ("max_requests", 1000, "unknown key (the key in prefork is pool.web.recycle.requests)"),
        ("keepalive", 3, "unknown key (there is pool.web.timeout.keepalive)"),
        ("timout", {}, 'unknown key (did you mean "timeout"?)'),
        ("frobnicate", {}, "unknown key"),
    ],
)
def test_a_wrong_pool_is_explained(key: str, value: object, problem: str):
    """What other servers call a key is known too."""
    assert problem in pool_faults(**{key: value})[f"pool.web.{key}"]


@pytest.mark.parametrize(
    ("key", "value", "at", "problem"),
    [
        ("trusted_proxies", ["*"], "trusted_proxies.0", "(0.0.0.0/0 and ::/0 trust everybody)"),
        ("trusted_proxies", ["unix:", "10.0.0.1/8"], "trusted_proxies.1", 'a network like "10.0.0.0/8"'),
        ("forwarded", "for", "forwarded", 'must be a list, not "for" (write ["for"])'),
        ("forwarded", ["for", "X-Forwarded-Host"], "forwarded.1", '"forwarded", not "X-Forwarded-Host" (write "host")'),
        ("forwarded", ["Proto"], "forwarded.0", '(write "proto")'),
        ("forwarded", ["protocol"], "forwarded.0", '(did you mean "proto"?)'),
        ("forwarded", ["x-real-ip"], "forwarded.0", 'must be "for", "proto", "host", "port", "prefix" or "forwarded"'),
        ("forwarded", ["*"], "forwarded.0", 'must be "for"'),
        ("forwarded", [1], "forwarded.0", "must be text"),
        ("forwarded", ["forwarded", "for"], "forwarded", 'must not name "forwarded" beside "for"'),
        ("forwarded", ["proto", "host", "forwarded"], "forwarded", '"forwarded" beside "proto" and "host"'),
        ("trusted_proxy_headers", ["for"], "trusted_proxy_headers", "the key in prefork is pool.web.http.forwarded"),
        ("server_header", "a\r\nb", "server_header", "must be printable ASCII"),
        ("max_header_fields", 0, "max_header_fields", "must be at least 1"),
        ("max_body", "10MB", "max_body", 'write "MiB"'),
    ],
)
def test_wrong_http_settings_are_explained(key: str, value: object, at: str, problem: str):
    """A fault in a list names the position."""
    assert problem in pool_faults(http={key: value})[f"pool.web.http.{at}"]


@pytest.mark.parametrize(
    "fields", [[], ["for"], ["forwarded"], ["forwarded", "port", "prefix"], ["host", "for", "port"]]
)
def test_any_fields_that_do_not_contradict_each_other_may_be_heeded(fields: list[str]):
    """By default those that nearly every proxy sets."""
    assert config({"http": {"forwarded": fields}}).pool["web"].http.forwarded == tuple(fields)
    assert config({"http": {}}).pool["web"].http.forwarded == ("for", "proto")


def test_hooks_are_functions():
    """A hook is "module:function", or empty."""
    assert config({"hooks": {"ready": "shop.boot:ready", "exit": ""}}).pool["web"].hooks.ready == "shop.boot:ready"
    assert "module:function" in pool_faults(hooks={"ready": "shop.boot.ready"})["pool.web.hooks.ready"]


@pytest.mark.parametrize("name", ["a b", "", "ä", "-x", "x" * 65, "a.b"])
def test_names_are_plain(name: str):
    """Names of pools and listeners go into process titles, logs and commands."""
    found = faults_of({"pool": {name: {"app": "shop:app"}}})
    assert "a name is made of letters, digits, - and _" in found[f"pool.{name}"]


def test_a_configuration_without_a_pool_is_refused():
    """The hint says how to add one."""
    assert faults_of({}) == {"pool": 'is required (add [pool.web] with app = "module:attribute")'}
    assert faults_of({"pool": {}}) == {"pool": 'must not be empty (add [pool.web] with app = "module:attribute")'}


@pytest.mark.parametrize("key", ["mode", "user", "group"])
def test_only_a_unix_socket_has_an_owner_and_a_mode(key: str):
    """A key without effect is refused, never ignored."""
    for address in ("127.0.0.1:80", "unix:@web", "fd:3"):
        listen = {"http": {"address": address, key: "0o600"}}
        found = faults_of({"pool": {"web": {"app": "shop:app"}}, "listen": listen})
        assert found == {
            f"listen.http.{key}": f"only a unix socket in the file system has one, {address} does not (remove the key)"
        }


def test_an_address_is_kept_in_its_canonical_form():
    """Two texts that mean one address are one address."""
    assert config(listen={"http": {"address": "[0::1]:080"}}).listen["http"].address == "[::1]:80"


def test_the_models_are_values():
    """Frozen, and equal if they say the same."""
    assert config() == config()
    assert config() != config({"workers": 2})
    with pytest.raises(ValidationError):
        config().master.umask = 0


# What to set a key to that has no effect yet: key -> (pool data or sections)
SET = {
    "status": {"status": {"listen": "127.0.0.1:9091"}},
    "listen.*.tls": {"listen": {"x": {"address": ":80", "tls": {}}}},
    "pool.*.worker = thread": {"worker": "thread"},
    "pool.*.worker = asgi": {"worker": "asgi"},
    "pool.*.worker = task": {"worker": "task"},
    "pool.*.workers.max": {"workers": {"min": 1, "max": 2}},
    "pool.*.threads": {"threads": 4},
    "pool.*.refork": {"refork": [1000]},
    "pool.*.http.proxy_protocol": {"http": {"proxy_protocol": True}},
}


@pytest.mark.parametrize("key", UNSUPPORTED)
def test_a_key_without_effect_is_refused(key: str):
    """A key that has no effect yet is refused with "not yet supported", never ignored."""
    given = SET[key]
    data: dict[str, Any] = {"pool": {"web": {"app": "shop:app", **(given if key.startswith("pool") else {})}}}
    found = faults_of(data if key.startswith("pool") else data | given)
    path = key.partition(" = ")[0].replace("pool.*", "pool.web").replace("listen.*", "listen.x")
    assert found[path] == f"not yet supported ({UNSUPPORTED[key]})"


@pytest.mark.parametrize("key", UNSUPPORTED)
def test_what_is_not_supported_is_a_key(key: str):
    """The table names keys or sections that exist, so none outlives its feature by a misspelling."""
    known = keys().keys() | SECTIONS.keys() | {"pool.*.workers.max"}
    assert key.partition(" = ")[0] in known


def test_the_default_of_a_key_without_effect_may_be_written():
    """--print-config prints every default, and its output is a configuration."""
    pool = {
        "threads": 8,
        "refork": [],
    }
    assert config(pool) == config()


@pytest.mark.parametrize("section", SECTIONS.values(), ids=SECTIONS)
def test_every_key_is_described(section: type[Section]):
    """One line of description a key."""
    for name, field in section.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name
        assert "\n" not in field.description


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        (("pool", "web", "listen", 0), "pool.*.listen"),
        (("listen", "http"), "listen.*"),
        (("pool",), "pool"),
        (("log", "access", "file"), "log.access.file"),
    ],
)
def test_a_path_has_its_pattern(path: tuple[str | int, ...], pattern: str):
    """Names of pools and listeners become ``*``."""
    assert pattern_of(path) == pattern


def test_every_section_is_in_the_catalogue():
    """What the catalogue is used for (costs, hints, the example) is total."""
    assert set(SECTIONS.values()) == set(Section.__subclasses__())
