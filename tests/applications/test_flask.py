"""The Flask project, made by its factory."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack

import httpx
import pytest

from tests.applications.conftest import Application
from tests.applications.notes import EXPORTED


def test_a_form_and_a_signed_session_cookie(notes: Application):
    """What was noted comes back, whichever worker answers."""
    for note in ("milk", "käse & brot"):
        assert notes.client.post("/", data={"note": note}).status_code == 302
    assert notes.client.get("/").json() == ["milk", "käse & brot"]


def test_an_upload_of_50_mib(notes: Application):
    """A multipart form with a file."""
    data = b"0123456789abcdef" * (50 * 1024 * 64)
    answer = notes.client.post("/upload", files={"file": data}, data={"title": "big"}).json()
    assert answer == {"digest": hashlib.sha256(data).hexdigest(), "title": "big"}


def test_a_body_without_a_length(notes: Application):
    """Chunked."""
    answer = notes.client.post("/body", content=(b"x" * 1000 for _ in range(50))).json()
    assert answer == {"digest": hashlib.sha256(b"x" * 50000).hexdigest(), "length": 50000}


def test_a_stream_in_the_context_of_its_request(notes: Application):
    """stream_with_context: the request is there while the pieces are made."""
    lines = notes.client.get("/stream?word=note").text.splitlines()
    assert lines == [f"note {number}" for number in range(1000)]


def test_a_download_and_a_part_of_it(notes: Application):
    """send_file answers ranges and conditions, and those answers have no more than they should."""
    whole = notes.client.get("/download")
    assert hashlib.sha256(whole.content).hexdigest() == notes.digest
    part = notes.client.get("/download", headers={"Range": "bytes=1000-1999"})
    assert (part.status_code, part.content) == (206, whole.content[1000:2000])
    same = notes.client.get("/download", headers={"If-None-Match": whole.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")
    assert notes.client.get("/").status_code == 200


@pytest.mark.parametrize(("path", "status"), [("/missing", 404), ("/broken", 500), ("/upload", 405)])
def test_errors_are_flasks_own(notes: Application, path: str, status: int):
    """A status, a page, and the connection goes on."""
    assert notes.client.get(path).status_code == status
    assert notes.client.get("/").json() == []


def test_nobody_is_served_as_another_who_is_downloading(notes: Application):
    """H1. Flask-Login and stream_with_context: the context of a stream is never that of another request."""
    with ExitStack() as stack:
        exports = []
        for name in ("ann", "ben", "cid"):
            user = stack.enter_context(httpx.Client(base_url=notes.client.base_url, timeout=30))
            assert user.post(f"/login/{name}").json() is True
            exports.append((name, stack.enter_context(user.stream("GET", "/export")).iter_bytes()))
            assert user.get("/me").json() == name
        seen = []
        for _ in range(25):
            for _, export in exports:  # slow readers
                next(export)
            with httpx.Client(base_url=notes.client.base_url, timeout=30) as anonymous:
                seen.append((anonymous.get("/me").json(), anonymous.get("/export").status_code))
        assert set(seen) == {(None, 401)}
        for name, export in exports:
            assert {line.strip() for line in b"".join(export).split(b"\n")[1:-1]} == {name.encode()}


def test_a_fast_download_of_a_user_beside_anonymous_requests(notes: Application):
    """H1. The same where the reader is as fast as it can be."""
    with httpx.Client(base_url=notes.client.base_url, timeout=30) as user:
        assert user.post("/login/ann").json() is True
        for _ in range(5):
            with user.stream("GET", "/export") as export:
                assert notes.client.get("/me").json() is None
                lines = export.read().split(b"\n")
            assert {line.strip() for line in lines[:-1]} == {b"ann"}
            assert len(lines) == EXPORTED + 1
