"""WSGI without I/O: environs out of requests, heads out of what applications say (PEP 3333)."""

from __future__ import annotations

import sys

import pytest

from prefork.http.forwarded import Trust
from prefork.http.wsgi import ApplicationError, EnvironBuilder, Response, base_environ
from tests.unit.http.reading import head, request_of

BASE = base_environ(server=("192.0.2.9", "8000"), peer=("192.0.2.1", "50000"), multiprocess=True)
SERVER, DATE = b"Server: prefork\r\n", b"Date: now\r\n"


def request(*fields, line=b"GET /a?b HTTP/1.1"):
    return request_of(head(line, b"Host: a", *fields))


SENT = []


def response_to(request):
    return Response(request, lambda response, data: SENT.append((response, data)))


def answered(*headers, status="200 OK", known=-1, to=None, keep_alive=True):
    response = response_to(to or request())
    response.start(status, list(headers))
    return response, *response.head(known, SERVER, DATE, keep_alive=keep_alive)


def lines(data):
    return data.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")


class TestEnviron:
    def test_it_holds_what_pep_3333_asks_for(self):
        """And the raw target, and that the input ends by itself."""
        environ = EnvironBuilder(BASE, None).of(request(b"Content-Type: text/x", b"Content-Length: 3", b"X-Y: z"))
        assert environ == {
            "REQUEST_METHOD": "GET",
            "SCRIPT_NAME": "",
            "PATH_INFO": "/a",
            "QUERY_STRING": "b",
            "RAW_URI": "/a?b",
            "REQUEST_URI": "/a?b",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "SERVER_NAME": "192.0.2.9",
            "SERVER_PORT": "8000",
            "SERVER_SOFTWARE": "prefork",
            "REMOTE_ADDR": "192.0.2.1",
            "REMOTE_PORT": "50000",
            "CONTENT_TYPE": "text/x",
            "CONTENT_LENGTH": "3",
            "HTTP_HOST": "a",
            "HTTP_X_Y": "z",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.multithread": False,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
            "wsgi.input_terminated": True,
        }

    def test_only_a_trusted_peer_is_heeded(self):
        """X-Forwarded-* of anybody else are fields like all others."""
        asked = request(b"X-Forwarded-For: 198.51.100.1", b"X-Forwarded-Proto: https")
        plain, trusting = EnvironBuilder(BASE, None).of(asked), EnvironBuilder(BASE, Trust(["192.0.2.1"])).of(asked)
        assert (plain["REMOTE_ADDR"], plain["wsgi.url_scheme"]) == ("192.0.2.1", "http")
        assert (trusting["REMOTE_ADDR"], trusting["wsgi.url_scheme"]) == ("198.51.100.1", "https")

    def test_each_is_the_applications_own(self):
        """However often the same comes."""
        environ_builder, asked = EnvironBuilder(BASE, None), request()
        expected = environ_builder.of(asked)
        for _ in range(4):
            environ = environ_builder.of(asked)
            assert environ == expected
            environ.clear()


class TestHead:
    def test_one_date_and_one_server(self):
        """Ours, unless the application has its own; its second one is dropped."""
        assert lines(answered()[1])[1:3] == ["Server: prefork", "Date: now"]
        own = lines(answered(("Date", "then"), ("Server", "mine"), ("DATE", "later"), ("server", "x"))[1])
        assert own[1:3] == ["Date: then", "Server: mine"]
        assert len(own) == 4

    @pytest.mark.parametrize(
        ("status", "first"), [("404 Not Found", "404 Not Found"), ("299", "299 "), ("200 \xe9", "200 \xe9")]
    )
    def test_the_status_line(self, status, first):
        """The reason may be empty; the space before it must not go (RFC 9112 section 4)."""
        response, data, _ = answered(status=status)
        assert lines(data)[0] == f"HTTP/1.1 {first}"
        assert response.code == int(status[:3])

    FRAMES = (
        # method and version, headers, known length, what frames it, kept
        (b"GET / HTTP/1.1", (), 5, "Content-Length: 5", True),
        (b"GET / HTTP/1.1", (("Content-Length", "7"),), 5, "Content-Length: 7", True),
        (b"GET / HTTP/1.1", (), -1, "Transfer-Encoding: chunked", True),
        (b"GET / HTTP/1.0", (), -1, "", False),
        (b"HEAD / HTTP/1.1", (), -1, "", True),
        (b"HEAD / HTTP/1.1", (("Content-Length", "7"),), -1, "Content-Length: 7", True),
    )

    @pytest.mark.parametrize(("line", "headers", "known", "framing", "kept"), FRAMES)
    def test_how_a_body_is_framed(self, line, headers, known, framing, kept):
        """RFC 9112 section 6: a length, chunks, or the end of the connection."""
        _, data, keep = answered(*headers, known=known, to=request(b"Connection: keep-alive", line=line))
        framings = [text for text in lines(data) if text.startswith(("Content-Length", "Transfer-Encoding"))]
        assert framings == ([framing] if framing else [])
        assert keep is kept

    @pytest.mark.parametrize(
        ("status", "length"), [("204 No Content", []), ("304 Not Modified", ["Content-Length: 7"])]
    )
    def test_an_answer_without_a_body(self, status, length):
        """RFC 9110 section 8.6: no Content-Length on 204; on 304 that of the answer it stands for."""
        response, data, keep = answered(("Content-Length", "7"), status=status, known=3)
        assert [text for text in lines(data) if text.startswith("Content-Length")] == length
        assert response.bodyless
        assert response.frame(b"abc") == b""
        assert not response.short
        assert keep

    @pytest.mark.parametrize(
        ("line", "fields", "headers", "keep_alive", "said"),
        [
            (b"GET / HTTP/1.1", (), (), True, []),
            (b"GET / HTTP/1.1", (), (), False, ["Connection: close"]),
            (b"GET / HTTP/1.1", (b"Connection: close",), (), True, ["Connection: close"]),
            (b"GET / HTTP/1.1", (), (("Connection", "Close"),), True, ["Connection: close"]),
            (b"GET / HTTP/1.1", (), (("Connection", "keep-alive"),), True, []),
            (b"GET / HTTP/1.0", (b"Connection: keep-alive",), (), True, ["Connection: keep-alive"]),
            (b"GET / HTTP/1.0", (), (), True, ["Connection: close"]),
        ],
    )
    def test_what_is_said_of_the_connection(self, line, fields, headers, keep_alive, said):
        """An application can ask for its end, and for nothing else."""
        _, data, keep = answered(*headers, known=0, to=request(*fields, line=line), keep_alive=keep_alive)
        assert [text for text in lines(data) if text.startswith("Connection")] == said
        assert keep is (said != ["Connection: close"])

    @pytest.mark.parametrize("name", ["Transfer-Encoding", "Keep-Alive", "Upgrade", "TE", "Trailer"])
    def test_hop_by_hop_fields_go_no_further(self, name):
        """Framing is the server's (PEP 3333, RFC 9110 section 7.6.1)."""
        assert not [text for text in lines(answered((name, "x"), known=0)[1]) if text.startswith(name)]

    @pytest.mark.parametrize(
        "pair",
        [
            ("X", "a\r\nY: b"),
            ("X", "a\nb"),
            ("X", "a\0"),
            ("X\r\n", "a"),
            ("X:", "a"),
            ("", "a"),
            ("X", "\u20ac"),
            ("X", b"a"),
            (b"X", "a"),
            ("X", 1),
            ("X",),
            ("X", "a", "b"),
            ["X", "a"],
            "Xa",
            None,
            ("Content-Length", "-1"),
            ("Content-Length", "1, 1"),
            ("Content-Length", ""),
        ],
    )
    def test_what_no_head_can_hold_is_the_applications_error(self, pair):
        """It never goes out, also when it comes again."""
        for _ in range(2):
            with pytest.raises(ApplicationError):
                response_to(request()).start("200 OK", [("A", "b"), pair])

    @pytest.mark.parametrize(
        "status", ["", "2", "20", "2000", "abc", "200OK", "200 \r\n", "099 x", "600 x", "100 x", None, 200]
    )
    def test_a_status_that_is_none(self, status):
        """Three digits, a space, a reason; an interim answer is no answer."""
        with pytest.raises(ApplicationError):
            response_to(request()).start(status, [])

    def test_it_cannot_be_made_before_start(self):
        """No start_response: 500."""
        with pytest.raises(ApplicationError):
            response_to(request()).head(0, SERVER, DATE, keep_alive=True)

    def test_a_second_start_needs_exc_info(self):
        """PEP 3333."""
        response = response_to(request())
        response.start("200 OK", [("Content-Length", "1"), ("Connection", "close"), ("Date", "x")])
        with pytest.raises(ApplicationError):
            response.start("200 OK", [])

    def test_exc_info_makes_a_new_beginning(self):
        """Nothing of the first start is left; after the head it is raised instead."""
        response = response_to(request())
        response.start("200 OK", [("Content-Length", "1"), ("Connection", "close"), ("Date", "x")])
        try:
            int("x")
        except ValueError:
            response.start("500 Sorry", [("Content-Length", "2")], sys.exc_info())
            data, keep = response.head(5, SERVER, DATE, keep_alive=True)
            assert lines(data) == ["HTTP/1.1 500 Sorry", "Server: prefork", "Date: now", "Content-Length: 2"]
            assert keep
            with pytest.raises(ValueError, match="invalid literal"):
                response.start("500 Sorry", [], sys.exc_info())

    def test_a_start_that_failed_leaves_nothing(self):
        """An application that goes on regardless has not started."""
        response = response_to(request())
        fields = [("Content-Length", "5"), ("Date", "x"), ("Server", "x"), ("Connection", "close"), ("X", "\n")]
        with pytest.raises(ApplicationError):
            response.start("200 OK", fields)
        assert not response.started
        response.start("500 Sorry", [("Content-Length", "2")])
        data, keep = response.head(2, SERVER, DATE, keep_alive=True)
        assert lines(data) == ["HTTP/1.1 500 Sorry", "Server: prefork", "Date: now", "Content-Length: 2"]
        assert keep


class TestFrame:
    def test_chunks(self):
        """An empty piece does not end the body."""
        response, _, _ = answered()
        assert [response.frame(piece) for piece in (b"ab", b"", b"c" * 16)] == [
            b"2\r\nab\r\n",
            b"",
            b"10\r\n" + b"c" * 16 + b"\r\n",
        ]

    def test_more_than_the_length_is_cut(self):
        """And less is short."""
        response, _, _ = answered(("Content-Length", "3"))
        assert response.frame(b"ab") == b"ab"
        assert response.short
        assert response.frame(b"cd") == b"c"
        assert not response.short
        assert response.frame(b"e") == b""

    def test_what_is_written_is_sent_on(self):
        """As it is, but for nothing, which sends no head either."""
        SENT.clear()
        response = response_to(request())
        write = response.start("200 OK", [])
        write(b"")
        assert SENT == []
        write(b"a")
        assert [(response, b"a")] == SENT
        with pytest.raises(ApplicationError):
            write("text")


class TestCorners:
    """What applications seldom say."""

    def test_an_empty_reason_keeps_its_space(self):
        """And gets no second one."""
        assert lines(answered(status="200 ")[1])[0] == "HTTP/1.1 200 "
        assert lines(answered(status="200")[1])[0] == "HTTP/1.1 200 "
        assert lines(answered(status="200 K")[1])[0] == "HTTP/1.1 200 K"

    @pytest.mark.parametrize("headers", [(), (("A", "b"),), None, {}, iter(())])
    def test_headers_are_a_list(self, headers):
        """PEP 3333 says so, and a middleware may append to it."""
        with pytest.raises(ApplicationError):
            response_to(request()).start("200 OK", headers)

    def test_there_is_no_code_before_start(self):
        """0, for the access log."""
        assert response_to(request()).code == 0
        assert not response_to(request()).started

    def test_a_body_of_no_bytes_that_was_announced(self):
        """Its own length stands before the one that is known."""
        response, data, keep = answered(("Content-Length", "0"), known=5)
        assert "Content-Length: 0" in lines(data)
        assert keep
        assert not response.short
        assert response.frame(b"abc") == b""
        assert "Content-Length: 0" in lines(answered(("Content-Length", "0"), to=request(line=b"HEAD / HTTP/1.1"))[1])
        assert "Content-Length: 0" in lines(answered(known=0)[1])

    def test_a_length_that_is_given_twice(self):
        """Also if it is nought, or the same."""
        for length in ("0", "7"):
            with pytest.raises(ApplicationError):
                answered(("Content-Length", length), ("content-length", length))

    def test_a_body_to_the_end_of_the_connection_goes_out_as_it_is(self):
        """HTTP/1.0 has no chunks."""
        response, data, keep = answered(to=request(line=b"GET / HTTP/1.0"))
        assert not keep
        assert lines(data)[-1] == "Connection: close"
        assert response.frame(b"abc") == b"abc"
        assert not response.short
        assert not response.chunked
