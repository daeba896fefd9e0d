"""The demonstration application."""

from __future__ import annotations

import os
from wsgiref.validate import validator

from prefork.demo import app


def test_the_page_says_who_answered_and_what_to_try(monkeypatch):
    """Pool, worker and generation come from the environment that every worker has."""
    monkeypatch.setenv("PREFORK_POOL", "<web>")
    monkeypatch.setenv("PREFORK_WORKER", "3")
    monkeypatch.setenv("PREFORK_GENERATION", "7")
    said = []
    page = b"".join(app({}, lambda *arguments: said.append(arguments))).decode()
    status, headers = said[0]
    assert status == "200 OK"
    assert ("Content-Length", str(len(page.encode()))) in headers
    assert "worker 3, generation 7" in page
    assert "&lt;web&gt;" in page
    for signal in ("HUP", "USR2", "TTIN", "TERM"):
        assert f"kill -{signal} {os.getppid()}" in page


def test_it_is_a_wsgi_application():
    """wsgiref.validate has nothing to say."""
    from wsgiref.util import setup_testing_defaults

    environ: dict = {"QUERY_STRING": ""}
    setup_testing_defaults(environ)
    result = validator(app)(environ, lambda status, headers, exc_info=None: lambda data: None)
    assert b"prefork is serving" in b"".join(result)
    result.close()
