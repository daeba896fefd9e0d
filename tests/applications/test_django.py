"""The Django project, as a browser and an API client use it."""

from __future__ import annotations

import hashlib
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.applications.conftest import Application

MIB = 1024 * 1024


def token_of(page: str) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert found, page
    return found[1]


def sign(client: httpx.Client, name: str) -> httpx.Response:
    token = token_of(client.get("/").text)
    return client.post(
        "/", data={"csrfmiddlewaretoken": token, "name": name, "text": "grüß <b>Gott</b>"}, follow_redirects=True
    )


def test_a_form_with_csrf_is_saved_and_shown(shop: Application):
    """The redirect is followed, the entry is there, escaped, in UTF-8."""
    page = sign(shop.client, "Ann")
    assert page.status_code == 200
    assert [answer.status_code for answer in page.history] == [302]
    assert "Ann: grüß &lt;b&gt;Gott&lt;/b&gt;" in page.text


def test_a_form_without_its_token_is_refused_by_django(shop: Application):
    """The application's 403 is the client's."""
    assert shop.client.post("/", data={"name": "Eve", "text": "x"}).status_code == 403


def test_a_session_lasts_over_requests_and_workers(shop: Application):
    """Every worker sees the same session, whoever wrote it."""
    for count in range(1, 4):
        sign(shop.client, f"guest {count}")
    seen = set()
    for _ in range(40):
        with httpx.Client(base_url=shop.client.base_url, cookies=shop.client.cookies) as other:
            answer = other.get("/signed").json()
            assert answer["signed"] == 3
            seen.add(answer["pid"])
    assert len(seen) == 2


def test_an_upload_of_50_mib_arrives_whole_and_not_in_memory(shop: Application, tmp_path: Path):
    """Bodies past 1 MiB wait on disk: the worker does not grow by what it is sent."""
    piece = bytes(range(256)) * 4096
    (tmp_path / "upload.bin").write_bytes(piece * 50)
    before = max(peak(pid) for pid in shop.daemon.workers())
    with (tmp_path / "upload.bin").open("rb") as file:
        answer = shop.client.post("/upload", files={"big": file, "small": b"tiny"}, data={"title": "holiday"}).json()
    assert answer["files"] == {
        "big": hashlib.sha256(piece * 50).hexdigest(),
        "small": hashlib.sha256(b"tiny").hexdigest(),
    }
    assert answer["fields"] == {"title": "holiday"}
    assert max(peak(pid) for pid in shop.daemon.workers()) - before < 30 * MIB


def peak(pid: int) -> int:
    """The most memory that a process has had, in bytes (proc(5), VmHWM)."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found
    return int(found[1]) * 1024


def test_a_chunked_body_has_a_length_by_the_time_django_sees_it(shop: Application):
    """Django reads no body without CONTENT_LENGTH: the body has been read, so its length is known."""

    def pieces() -> Iterator[bytes]:
        for number in range(100):
            yield str(number).encode() * 100

    whole = b"".join(pieces())
    assert shop.client.post("/body", content=pieces()).json() == {
        "digest": hashlib.sha256(whole).hexdigest(),
        "length": len(whole),
    }


def test_a_stream_arrives_in_pieces_and_whole(shop: Application):
    """StreamingHttpResponse, chunked."""
    with shop.client.stream("GET", "/stream") as answer:
        assert answer.headers["transfer-encoding"] == "chunked"
        text = "".join(answer.iter_text())
    assert text.splitlines() == [f"line {number}" for number in range(1000)]


def test_a_file_is_sent_by_the_kernel_and_is_what_it_was(shop: Application):
    """FileResponse through wsgi.file_wrapper."""
    answer = shop.client.get("/download")
    assert answer.headers["content-disposition"].startswith("attachment")
    assert hashlib.sha256(answer.content).hexdigest() == shop.digest
    head = shop.client.head("/download")
    assert (head.headers["content-length"], head.content) == (str(len(answer.content)), b"")


def test_several_cookies_are_set_and_come_back(shop: Application):
    """Set-Cookie stays several lines."""
    assert shop.client.get("/cookies").headers.get_list("set-cookie") == [
        "first=1; HttpOnly; Path=/",
        "second=2; Path=/; SameSite=Lax",
    ]
    assert shop.client.get("/cookies").json() == {"first": "1", "second": "2"}


def test_an_exception_is_djangos_500_and_the_next_request_is_served(shop: Application):
    """The connection is kept, the worker lives."""
    assert shop.client.get("/broken").status_code == 500
    assert shop.client.get("/nowhere").status_code == 404
    assert shop.client.get("/signed").status_code == 200


def test_many_clients_at_once(shop: Application):
    """Four threads, two workers: every answer is the right one."""
    wrong: list[object] = []

    def work(number: int) -> None:
        with httpx.Client(base_url=shop.client.base_url, timeout=30) as client:
            for turn in range(25):
                data = f"{number} {turn}".encode() * 1000
                answer = client.post("/body", content=data)
                if answer.json()["digest"] != hashlib.sha256(data).hexdigest():
                    wrong.append((number, turn))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_streams_over_a_cursor_beside_other_requests(shop: Application):
    """H1. Every request closes the database's connection at its end: never that of a stream which is not finished."""
    with (
        httpx.Client(base_url=shop.client.base_url, timeout=30) as reader,
        reader.stream("GET", "/rows") as first,
        reader.stream("GET", "/rows") as second,
    ):
        slow = [first.iter_bytes(), second.iter_bytes()]
        got = [[], []]
        for count in range(1, 11):
            sign(shop.client, f"guest {count}")
            for pieces, taken in zip(slow, got, strict=True):
                taken.append(next(pieces))
        for pieces, taken in zip(slow, got, strict=True):
            numbers = [int(line) for line in b"".join([*taken, *pieces]).splitlines()]
            assert numbers == list(range(1, 20_001))
    assert shop.client.get("/signed").json()["signed"] == 10


@pytest.mark.needs("curl")
def test_curl_uploads_from_a_pipe(shop: Application):
    """H3. ``... | curl -T -`` is chunked and expects 100: Django sees the body, and the environ of any other request."""

    def upload(*options: str) -> dict[str, dict[str, str]]:
        command = ["curl", "-sS", "-f", *options, "-T", "-", f"{shop.client.base_url}/environ"]
        return httpx.Response(200, content=subprocess.check_output(command, input=b"text" * 1000, timeout=30)).json()

    expecting, plain = upload("-H", "Expect: 100-continue"), upload("-H", "Expect:")
    assert expecting["environ"].pop("HTTP_EXPECT") == "100-continue"
    assert expecting == plain
    assert plain["body"] == "text" * 1000
    assert plain["environ"]["CONTENT_LENGTH"] == "4000"
