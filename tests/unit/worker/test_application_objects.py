"""H6, H8. What an application gives is taken for what it is, whatever its objects do when they are asked."""

from __future__ import annotations

import enum

import pytest

from prefork.http import wsgi
from tests.unit.worker.live import body_of, status_of


class Text(str):  # noqa: SLOT000 - as frameworks write it
    """As frameworks mark what is safe; and as hostile as a subclass can be."""

    def __hash__(self):
        return hash(self.lower())

    def __eq__(self, other):
        return self.lower() == other.lower()

    def __str__(self):
        return "wrong"

    __repr__ = __format__ = __str__

    def lower(self):
        return str.__str__(self).lower()

    def encode(self, *_):
        return b"wrong"


class Unhashable(str):  # noqa: SLOT000
    __hash__ = None


class Choice(str, enum.Enum):
    VALUE = "of-an-enum"


class Pair(tuple):  # noqa: SLOT001
    def __hash__(self):
        raise ZeroDivisionError


class Bytes(bytes):
    def __len__(self):
        return 1

    def __bytes__(self):
        return b"wrong"


class Headers(list):
    pass


def giving(result, status="200 OK", headers=()):
    def app(environ, start_response):
        start_response(status, headers if isinstance(headers, list) else list(headers))
        return result() if callable(result) else result

    return app


@pytest.fixture
def nothing_sent(monkeypatch):
    monkeypatch.setattr(wsgi, "_statuses", {})
    monkeypatch.setattr(wsgi, "_fields", {})


@pytest.mark.usefixtures("nothing_sent")
@pytest.mark.parametrize("kind", [Text, Unhashable])
@pytest.mark.parametrize("before", [False, True])
def test_a_subclass_of_text_is_that_text(live, kind, before):
    """H6. In status, name and value, whether or not others have sent something that is equal to it."""
    if before:
        answer = live(giving([b"x"], "200 fine", [("x-name", "a value"), ("content-length", "1")])).get()
        assert b"x-name: a value\r\n" in answer
    headers = [
        (kind("X-Name"), kind("A Value")),
        (kind("Content-Length"), kind("1")),
        (kind("connection"), kind("close")),
    ]
    for _ in range(2):
        answer = live(giving([b"x"], kind("200 Fine"), headers)).get()
        assert answer.startswith(b"HTTP/1.1 200 Fine\r\n")
        assert b"\r\nX-Name: A Value\r\n" in answer
        assert answer.count(b"ontent-") == 1
        assert body_of(answer) == b"x"
    plain = live(giving([b"x"], "200 FINE", [("X-NAME", "A VALUE")])).get()
    assert plain.startswith(b"HTTP/1.1 200 FINE\r\n")
    assert b"\r\nX-NAME: A VALUE\r\n" in plain


@pytest.mark.usefixtures("nothing_sent")
def test_subclasses_of_list_and_tuple_are_those(live):
    """H6. A list of headers, and a pair; an enumeration of texts is its text."""
    answer = live(giving([b"x"], headers=Headers([Pair(("X-A", "b")), ("X-C", Choice.VALUE)]))).get()
    assert b"\r\nX-A: b\r\nX-C: of-an-enum\r\n" in answer


@pytest.mark.usefixtures("nothing_sent")
@pytest.mark.parametrize(
    "pair", [["X-A", "b"], "ab", (b"X-A", "b"), ("X-A", 1), ("X-A",), ("X-A", "b", "c"), None, {"X-A": 1, "b": 2}]
)
@pytest.mark.parametrize("before", [False, True])
def test_what_is_not_a_pair_of_texts_is_refused(live, pair, before):
    """H6. PEP 3333; also when what it resembles was sent before."""
    if before:
        live(giving([b"x"], headers=[("X-A", "b"), ("a", "b")])).get()
    worker = live(giving([b"x"], headers=[pair]))
    assert status_of(worker.get()) == 500
    assert worker.log.names() == ["request_failed"]


@pytest.mark.parametrize(
    "result",
    [
        lambda: [Bytes(b"abc")],
        lambda: iter([Bytes(b"abc")]),
        lambda: [Bytes(b"ab"), Bytes(b"c")],
        lambda: Headers([Bytes(b"abc")]),
    ],
)
def test_a_subclass_of_bytes_is_those_bytes(live, result):
    """H6. Whatever it says of its length, in one piece or in several."""
    answer = live(giving(result, headers=[("Content-Length", "3")])).get()
    assert body_of(answer) == b"abc"
    assert b"abc" in body_of(live(giving(lambda: [Bytes(b"abc")])).get())


ERRORS = [
    ZeroDivisionError,
    TypeError,
    AttributeError,
    RuntimeError,
    SystemExit,
    KeyboardInterrupt,
    NotImplementedError,
]


def proxy(error, *names):
    """An iterable as tracing agents make them: it raises when it is asked for anything optional."""

    def fail(self, *_):
        raise error("not available")

    body = {"__iter__": lambda self: iter([b"abc", b"def"])}
    body |= {name: property(fail) if name in {"close", "__class__"} else fail for name in names}
    return type("Proxy", (), body)()


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize(
    "names",
    [
        ("__len__",),
        ("__len__", "close"),
        ("close",),
        ("__class__", "__len__"),
        ("__getattr__",),
        ("__bool__", "__eq__"),
    ],
)
def test_what_is_optional_is_a_hint(live, error, names):
    """H8. An iterable that raises when it is asked for its length, or for close, is iterated as any other."""
    worker = live(giving(lambda: proxy(error, *names)))
    for _ in range(2):
        answer = worker.get()
        assert status_of(answer) == 200
        assert body_of(answer) == b"3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n"


@pytest.mark.parametrize("length", [-1, 1 << 80, "x", None, 1.0])
def test_a_length_that_is_none_means_unknown(live, length):
    """H8. Whatever ``__len__`` gives."""
    result = type("Odd", (), {"__len__": lambda self: length, "__iter__": lambda self: iter([b"ab", b"c"])})
    assert body_of(live(giving(result)).get()) == b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize(
    "names", [("close",), ("fileno", "tell", "seek", "flush", "raw", "name"), ("__len__", "__class__")]
)
def test_a_file_that_raises_when_it_is_asked_is_read(live, error, names):
    """H8. wsgi.file_wrapper needs ``read`` alone."""

    def fail(self, *_):
        raise error("not available")

    def app(environ, start_response):
        start_response("200 OK", [])
        pieces = [b"abc", b""]
        body = {"read": lambda self, size: pieces.pop(0), **dict.fromkeys(names, property(fail))}
        return environ["wsgi.file_wrapper"](type("File", (), body)())

    assert body_of(live(app).get()) == b"3\r\nabc\r\n0\r\n\r\n"


def test_a_buffer_whose_file_was_taken_away_is_the_applications_fault(live, tmp_path):
    """H8. Detached, it can be read no more: one 500, and the worker goes on."""
    path = tmp_path / "file"
    path.write_bytes(b"x")

    def app(environ, start_response):
        file = path.open("rb")
        file.detach().close()
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](file)

    worker = live(app)
    assert [status_of(worker.get()) for _ in range(2)] == [500, 500]


@pytest.mark.parametrize("pieces", [[b"abc", b"d"], [b"ab", b"c", b"", b"d", b"e"]])
def test_surplus_at_the_edge_of_a_piece_is_logged(live, pieces):
    """H9. Once; the client has what it was promised."""
    for result in (pieces, lambda: iter(pieces)):
        worker = live(giving(result, headers=[("Content-Length", "3")]))
        assert body_of(worker.get()) == b"abc"
        assert worker.log.names() == ["content_length_wrong"]


@pytest.mark.parametrize("promised", [4, 5, 6])
def test_a_file_that_is_shorter_than_its_length_is_logged(live, tmp_path, promised):
    """H9. And a longer one is not: a part of a file is an application's to send."""
    path = tmp_path / "file"
    path.write_bytes(b"x" * 5)

    def app(environ, start_response):
        start_response("200 OK", [("Content-Length", str(promised))])
        return environ["wsgi.file_wrapper"](
            path.open("rb", buffering=0) if environ["PATH_INFO"] == "/raw" else path.open("rb")
        )

    worker = live(app)
    for target in ("/", "/raw"):
        assert body_of(worker.get(target)) == b"x" * min(promised, 5)
    assert worker.log.names() == (["content_length_wrong"] * 2 if promised > 5 else [])
