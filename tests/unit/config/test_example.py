"""prefork.toml.example against the models."""

from __future__ import annotations

import re
from pathlib import Path

import tomli

from prefork.config.load import load
from prefork.config.locations import scan
from prefork.config.models import Config
from prefork.config.models.catalogue import SECTIONS, keys, pattern_of
from prefork.config.models.unsupported import UNSUPPORTED

EXAMPLE = Path(__file__).parents[3] / "prefork.toml.example"
TEXT = EXAMPLE.read_text()
# A commented line that is TOML once the "# " is gone: a key or a section.
COMMENTED = re.compile(r"^# (?=\[|[a-z_]+ = )", re.MULTILINE)


def documented() -> set[str]:
    """The key of every line, live or commented out."""
    lines = COMMENTED.sub("", TEXT).replace("workers = 1 ", "# ")  # workers is shown in two forms
    return {pattern_of(path) for path in scan(lines, "") if isinstance(path[-1], str)}


def test_every_key_is_in_the_example():
    """Live, or commented out if it has no default or no effect yet; and nothing that is no key."""
    tls = {"listen.*.tls.certificate", "listen.*.tls.key"}
    workers = {"pool.*.workers.min", "pool.*.workers.max"}
    sections = SECTIONS.keys() - {"", "pool.*.workers"} | {"listen", "pool"}
    assert documented() - sections == keys().keys() | tls | workers


def test_every_value_is_the_default():
    """Apart from the app, the file says what holds without it."""
    least = Config.model_validate({"pool": {"demo": {"app": "prefork.demo:app"}}})
    assert load(str(EXAMPLE)) == least


def test_every_key_with_a_default_and_an_effect_is_live():
    """A reader sees what holds."""
    live = {pattern_of(path) for path in scan(TEXT, "")}
    with_default = {
        key
        for key, field in keys().items()
        if not field.is_required() and field.get_default(call_default_factory=True) is not None
    }
    waiting = {key for key in UNSUPPORTED if key in keys()}
    optional = {key for key in keys() if key.startswith(("log.access", "control", "status"))}
    assert with_default - waiting - optional - live == set()


def test_a_commented_default_is_the_default_too():
    """What waits for its effect shows the value that it has now."""
    pool = tomli.loads(COMMENTED.sub("", TEXT).replace("workers = 1 ", "# "))["pool"]["demo"]
    waiting = {"threads": pool["threads"], "preload": pool["preload"], "refork": pool["refork"], "probe": pool["probe"]}
    data = {"app": "prefork.demo:app", "recycle": pool["recycle"], "timeout": pool["timeout"], **waiting}
    data["http"] = {"proxy_protocol": pool["http"]["proxy_protocol"]}
    assert Config.model_validate({"pool": {"demo": data}}) == load(str(EXAMPLE))


def test_every_key_has_a_line_of_comment():
    """On its own line."""
    for line in TEXT.splitlines():
        if COMMENTED.match(line) or re.match(r"[a-z_]+ = ", line):
            assert re.search(r"[^#]+#\s+\S.*$", line.removeprefix("# ")), line
        assert len(line) <= 120
