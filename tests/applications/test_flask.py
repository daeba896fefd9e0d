"""The Flask project, made by its factory."""

from __future__ import annotations

import hashlib

import pytest

from tests.applications.conftest import Application


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
