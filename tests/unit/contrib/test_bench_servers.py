"""The benchmark's servers and loads are data that fit together."""

from __future__ import annotations

import pytest

from contrib.bench import app
from contrib.bench.loads import BROWSER_HEADERS, LOADS
from contrib.bench.servers import PREFORK, PREFORK_LOGGING, SERVERS
from prefork.config.load import load as load_config

FIELDS = {"bin": "/v/bin", "python": "/v/bin/python", "here": "/h", "home": "/t", "port": 8123, "workers": 3}
BY_NAME = {server.name: server for server in SERVERS}


@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.name)
def test_every_command_can_be_filled_in(server):
    """It uses no other fields, and each server listens on the port that it is given."""
    command = [argument.format(**FIELDS) for argument in server.command]
    texts = [text.format(**FIELDS) for text in server.files.values()]
    assert "8123" in " ".join(command + texts)
    if server.several_workers:
        assert "3" in " ".join(command) or "workers = 3" in " ".join(texts)


@pytest.mark.parametrize("name", [PREFORK, PREFORK_LOGGING])
def test_the_configurations_are_sound(name, tmp_path):
    """prefork accepts what it is measured with; only one of them has an access log."""
    file = tmp_path / "prefork.toml"
    file.write_text(BY_NAME[name].files["prefork.toml"].format(**{**FIELDS, "home": tmp_path, "here": tmp_path}))
    config = load_config(str(file))
    assert config.pool["web"].workers == 3
    assert (config.log.access is not None) is (name == PREFORK_LOGGING)


def test_a_browser_sends_thirteen_headers():
    """Host is the load generator's."""
    assert len(BROWSER_HEADERS) + 1 == 13


@pytest.mark.parametrize("load", LOADS, ids=lambda load: load.name)
def test_the_application_answers_as_long_as_the_load_expects(load):
    """A server that answers anything else is not measured."""
    started = []
    environ = {"PATH_INFO": load.path, "CONTENT_LENGTH": str(load.body), "wsgi.input": Body(load.body)}
    body = b"".join(app.application(environ, lambda *answer: started.append(answer)))
    assert len(body) == load.length
    assert started[0][0] == "200 OK"
    assert dict(started[0][1])["Content-Length"] == str(load.length)


class Body:
    """An input that gives at most 1,000 bytes at once, as a socket does."""

    def __init__(self, length):
        self.left = length

    def read(self, size):
        size = min(size, 1000, self.left)
        self.left -= size
        return b"x" * size
