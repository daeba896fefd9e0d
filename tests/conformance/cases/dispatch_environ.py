"""What of a request reaches the application, and how (PEP 3333, RFC 3875, RFC 9112 3.2)."""

from __future__ import annotations

from tests.conformance.case import (
    ABSENT,
    PRESENT,
    Answer,
    OneOf,
    chunked,
    get,
    head,
    post,
    refused,
    served,
    table,
    tolerated,
)

PATH = "PEP 3333, RFC 3875 4.1.5: PATH_INFO is the decoded path as Latin-1, QUERY_STRING what follows the first `?`, undecoded"
RAW = "HTTP.md: the raw target is kept in RAW_URI"
ABSOLUTE = (
    "RFC 9112 3.2.2: the absolute form is accepted, its authority replaces Host, and the application sees the path"
)
KEYS = "PEP 3333: environ holds these keys with these types"
TYPE = "RFC 3875 4.1.2, 4.1.3: Content-Type and Content-Length come as CONTENT_TYPE and CONTENT_LENGTH, without HTTP_"

TARGETS = {
    "root": ("/", "/", ""),
    "path": ("/a/b", "/a/b", ""),
    "trailing-slash": ("/a/", "/a/", ""),
    "query": ("/a?b=c", "/a", "b=c"),
    "query-empty": ("/a?", "/a", ""),
    "query-twice": ("/a?b?c", "/a", "b?c"),
    "query-of-root": ("/?b", "/", "b"),
    "query-slash": ("/a?b/c", "/a", "b/c"),
    "query-percent": ("/a?b=%20%2F%3F", "/a", "b=%20%2F%3F"),
    "query-plus": ("/a?b+c", "/a", "b+c"),
    "query-semicolon": ("/a?b;c", "/a", "b;c"),
    "query-only-marks": ("/???", "/", "??"),
    "percent-space": ("/a%20b", "/a b", ""),
    "percent-slash": ("/a%2Fb", "/a/b", ""),
    "percent-slash-lower": ("/a%2fb", "/a/b", ""),
    "percent-question": ("/a%3Fb", "/a?b", ""),
    "percent-hash": ("/a%23b", "/a#b", ""),
    "percent-percent": ("/a%25b", "/a%b", ""),
    "percent-twice-encoded": ("/a%252Fb", "/a%2Fb", ""),
    "percent-plus": ("/a%2Bb", "/a+b", ""),
    "plus": ("/a+b", "/a+b", ""),
    "percent-utf-8": ("/%C3%A9", "/\xc3\xa9", ""),
    "percent-utf-8-four-octets": ("/%F0%9F%98%80", "/\xf0\x9f\x98\x80", ""),
    "percent-invalid-utf-8": ("/%FF%FE", "/\xff\xfe", ""),
    "percent-cut-utf-8": ("/%C3", "/\xc3", ""),
    "percent-surrogate": ("/%ED%A0%80", "/\xed\xa0\x80", ""),
    "percent-lower-hex": ("/%c3%a9", "/\xc3\xa9", ""),
    "percent-letter": ("/%41%62", "/Ab", ""),
    "two-slashes": ("//x", "//x", ""),
    "two-slashes-alone": ("//", "//", ""),
    "three-slashes": ("///x", "///x", ""),
    "two-slashes-inside": ("/a//b", "/a//b", ""),
    "two-slashes-host-like": ("//example.com/a", "//example.com/a", ""),
    "two-slashes-port-like": ("//a:80/b", "//a:80/b", ""),
    "two-slashes-query": ("//x?y", "//x", "y"),
    "dots": ("/a/../b/./c", "/a/../b/./c", ""),
    "dots-encoded": ("/a/%2E%2E/b", "/a/../b", ""),
    "dots-above-root": ("/../../etc", "/../../etc", ""),
    "semicolon": ("/a;b=c/d", "/a;b=c/d", ""),
    "colon": ("/a:b", "/a:b", ""),
    "colon-slashes": ("/http://a/b", "/http://a/b", ""),
    "at": ("/a@b", "/a@b", ""),
    "sub-delims": ("/!$&'()*+,;=", "/!$&'()*+,;=", ""),
    "tilde": ("/~a_b.c-d", "/~a_b.c-d", ""),
    "long": ("/" + "p" * 4000, "/" + "p" * 4000, ""),
    "asterisk-in-path": ("/*", "/*", ""),
}
ABSOLUTES = {
    "plain": ("http://b/c?d", "/c", "d", "b"),
    "port": ("http://b:81/c", "/c", "", "b:81"),
    "root": ("http://b/", "/", "", "b"),
    "upper-scheme": ("HTTP://b/c", "/c", "", "b"),
    "https": ("https://b/c", "/c", "", "b"),
    "ipv6": ("http://[::1]:80/c", "/c", "", "[::1]:80"),
    "two-slashes": ("http://b//c", "//c", "", "b"),
    "percent": ("http://b/c%2Fd", "/c/d", "", "b"),
    "at-in-path": ("http://b/c@d", "/c@d", "", "b"),
}

CASES = (
    *(
        served(
            PATH,
            f"target-{label}",
            get(path=target),
            Answer(environ={"PATH_INFO": path, "QUERY_STRING": query, "SCRIPT_NAME": ""}),
        )
        for label, (target, path, query) in TARGETS.items()
    ),
    *(
        served(RAW, f"raw-{label}", get(path=target), Answer(environ={"RAW_URI": target}))
        for label, (target, _, _) in TARGETS.items()
        if "%" in target or "//" in target or "?" in target
    ),
    *(
        served(
            ABSOLUTE,
            f"absolute-{label}",
            get(path=target),
            Answer(environ={"PATH_INFO": path, "QUERY_STRING": query, "HTTP_HOST": host}),
        )
        for label, (target, path, query, host) in ABSOLUTES.items()
    ),
    served(
        ABSOLUTE,
        "absolute-same-host",
        head("GET http://b/c HTTP/1.1", "Host: b"),
        Answer(environ={"PATH_INFO": "/c", "HTTP_HOST": "b"}),
    ),
    served(
        ABSOLUTE,
        "absolute-without-path",
        get(path="http://b"),
        Answer(environ={"PATH_INFO": OneOf("/", ""), "HTTP_HOST": "b"}),
    ),
    served(
        ABSOLUTE,
        "absolute-query-without-path",
        get(path="http://b?d"),
        Answer(environ={"PATH_INFO": OneOf("/", ""), "QUERY_STRING": "d"}),
    ),
    served(
        ABSOLUTE,
        "absolute-post",
        head("POST http://b/echo HTTP/1.1", "Host: b", "Content-Length: 5", body="hello"),
        Answer(body=b"hello"),
    ),
    served(
        "RFC 9112 3.2.4: OPTIONS * asks about the server as a whole",
        "asterisk",
        head("OPTIONS * HTTP/1.1", "Host: a"),
        Answer(environ={"PATH_INFO": OneOf("*", "", "/"), "REQUEST_METHOD": "OPTIONS"}),
    ),
    *(
        served(KEYS, f"key-{key}", get(), Answer(environ={key: wanted}))
        for key, wanted in {
            "REQUEST_METHOD": "GET",
            "SCRIPT_NAME": "",
            "PATH_INFO": "/",
            "QUERY_STRING": "",
            "SERVER_NAME": lambda value: bool(value) and value is not ABSENT,
            "SERVER_PORT": lambda value: value is not ABSENT and value.isdigit(),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.version": "(1, 0)",
            "wsgi.url_scheme": "http",
            "wsgi.input": PRESENT,
            "wsgi.errors": PRESENT,
            "wsgi.multithread": lambda value: isinstance(value, bool),
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "wsgi.input_terminated": True,
            "wsgi.file_wrapper": PRESENT,
            "HTTP_HOST": "a",
        }.items()
    ),
    served(
        "RFC 3875 4.1.8: REMOTE_ADDR is the client's address",
        "remote-address",
        get(),
        Answer(environ={"REMOTE_ADDR": "127.0.0.1"}),
        modes=("whole", "pipelined"),
    ),
    served(
        "PEP 3333, RFC 3875 4.1.8: REMOTE_ADDR is a text on a unix socket too",
        "remote-address-unix",
        get(),
        Answer(environ={"REMOTE_ADDR": lambda value: value is ABSENT or isinstance(value, str)}),
        modes=("bytes",),
    ),
    served(
        "PEP 3333: 1.0 is told as 1.0",
        "protocol-1.0",
        head("GET / HTTP/1.0", "Connection: keep-alive"),
        Answer(environ={"SERVER_PROTOCOL": "HTTP/1.0"}),
    ),
    served(
        TYPE,
        "content-type",
        post("Content-Type: text/a; b=c", "Content-Length: 0"),
        Answer(environ={"CONTENT_TYPE": "text/a; b=c", "HTTP_CONTENT_TYPE": ABSENT}),
    ),
    served(
        TYPE,
        "content-type-lower",
        post("content-type: text/a", "Content-Length: 0"),
        Answer(environ={"CONTENT_TYPE": "text/a"}),
    ),
    served(TYPE, "content-type-none", get(), Answer(environ={"CONTENT_TYPE": OneOf(ABSENT, "")})),
    served(
        TYPE,
        "content-length",
        post("Content-Length: 5", body="hello"),
        Answer(environ={"CONTENT_LENGTH": "5", "HTTP_CONTENT_LENGTH": ABSENT}),
    ),
    served(
        "RFC 9112 6.1, HTTP.md: of chunked bodies wsgi.input_terminated tells that they can be read to the end",
        "chunked-terminated",
        chunked("5\r\nhello\r\n0\r\n\r\n"),
        Answer(read=b"hello", environ={"wsgi.input_terminated": True}),
    ),
    served(
        "PEP 3333: wsgi.errors has write, writelines and flush, and takes any text",
        "errors",
        get(path="/errors"),
        Answer(body=b"written"),
    ),
    *table(
        tolerated,
        "RFC 9112 3.2.2, HTTP.md: a Host of HTTP/1.1 beside an absolute target; invalid UTF-8 is never a 500",
        {
            "raw-high-octets": get(path="/\xff\xfe"),
            "raw-utf-8": get(path="/\xc3\xa9?\xc3\xa9"),
            "high-octets-in-query": get(path="/?\xff"),
        },
    ),
    refused(
        "RFC 9112 3.2: Host is checked beside an absolute target as well",
        "absolute-bad-host-field",
        head("GET http://b/c HTTP/1.1", "Host: a b"),
    ),
)
