"""Behind a proxy: whose X-Forwarded fields count (HTTP.md; RFC 7239 for the caution)."""

from __future__ import annotations

from tests.conformance.case import Answer, OneOf, get, served, tolerated

TRUSTED = "prefork: X-Forwarded fields of a trusted proxy count; by default 127.0.0.1 and unix sockets are trusted"
UNTRUSTED = "prefork, RFC 7239 8.1: X-Forwarded fields of anybody else change neither scheme nor client"
GARBAGE = "HTTP.md, RFC 7239 8.1: what is no address is never taken for the client, and never fails the request"
TCP = ("whole", "pipelined")
CLIENT = "192.0.2.9"


def is_address(value: object) -> bool:
    """Something of digits, hexadecimal letters, dots and colons, or nothing."""
    return isinstance(value, str) and all(letter in "0123456789abcdefABCDEF.:" for letter in value)


CASES = (
    served(TRUSTED, "proto-https", get("X-Forwarded-Proto: https"), Answer(environ={"wsgi.url_scheme": "https"})),
    served(TRUSTED, "proto-http", get("X-Forwarded-Proto: http"), Answer(environ={"wsgi.url_scheme": "http"})),
    served(TRUSTED, "proto-upper", get("X-Forwarded-Proto: HTTPS"), Answer(environ={"wsgi.url_scheme": "https"})),
    served(TRUSTED, "for", get(f"X-Forwarded-For: {CLIENT}"), Answer(environ={"REMOTE_ADDR": CLIENT})),
    served(TRUSTED, "for-ipv6", get("X-Forwarded-For: 2001:db8::9"), Answer(environ={"REMOTE_ADDR": "2001:db8::9"})),
    served(
        "prefork: of several addresses the last one that is not a trusted proxy's is the client; those before it are anybody's word",
        "for-last-counts",
        get(f"X-Forwarded-For: 198.51.100.7, {CLIENT}"),
        Answer(environ={"REMOTE_ADDR": CLIENT}),
    ),
    served(
        "prefork: of several addresses the last one that is not a trusted proxy's is the client; those before it are anybody's word",
        "for-trusted-are-skipped",
        get(f"X-Forwarded-For: 198.51.100.7, {CLIENT}, 127.0.0.1"),
        Answer(environ={"REMOTE_ADDR": CLIENT}),
    ),
    served(
        TRUSTED,
        "for-two-lines",
        get("X-Forwarded-For: 198.51.100.7", f"X-Forwarded-For: {CLIENT}"),
        Answer(environ={"REMOTE_ADDR": CLIENT}),
    ),
    served(TRUSTED, "for-blanks", get(f"X-Forwarded-For:  \t {CLIENT} \t "), Answer(environ={"REMOTE_ADDR": CLIENT})),
    served(TRUSTED, "none", get(), Answer(environ={"REMOTE_ADDR": "127.0.0.1", "wsgi.url_scheme": "http"}), modes=TCP),
    served(
        "HTTP.md: one request's client is not the next one's",
        "for-is-per-request",
        get(f"X-Forwarded-For: {CLIENT}", "X-Forwarded-Proto: https") + get(),
        Answer(environ={"REMOTE_ADDR": CLIENT, "wsgi.url_scheme": "https"}),
        Answer(environ={"REMOTE_ADDR": "127.0.0.1", "wsgi.url_scheme": "http"}),
        modes=TCP,
    ),
    *(
        served(
            GARBAGE,
            f"for-garbage-{label}",
            get(f"X-Forwarded-For: {value}"),
            Answer(environ={"REMOTE_ADDR": is_address}),
        )
        for label, value in {
            "word": "nonsense",
            "empty": "",
            "comma": ",",
            "script": "<script>",
            "quoted": '"192.0.2.9"',
            "sql": "1' OR '1'='1",
            "unknown": "unknown",
            "long": "a" * 3000,
            "high-octets": "\xff\xfe",
            "word-last": f"{CLIENT}, nonsense",
        }.items()
    ),
    *(
        served(
            GARBAGE,
            f"proto-garbage-{label}",
            get(f"X-Forwarded-Proto: {value}"),
            Answer(environ={"wsgi.url_scheme": OneOf("http", "https")}),
        )
        for label, value in {
            "word": "gopher",
            "empty": "",
            "script": "<script>",
            "two": "https, http",
            "url": "https://",
        }.items()
    ),
    *(
        served(TRUSTED, f"proto-{label}", get(*lines), Answer(environ={"wsgi.url_scheme": "https"}))
        for label, lines in {
            "list": ("X-Forwarded-Proto: https,https",),
            "list-blanks": ("X-Forwarded-Proto: https , https",),
            "two-lines": ("X-Forwarded-Proto: https", "X-Forwarded-Proto: https"),
            "of-the-client": ("X-Forwarded-For: 192.0.2.9, 127.0.0.1", "X-Forwarded-Proto: https, http"),
            "of-a-shorter-list": ("X-Forwarded-For: 192.0.2.9, ::1", "X-Forwarded-Proto: https"),
        }.items()
    ),
    *(
        served(
            "prefork, RFC 7239 6: REMOTE_PORT is the client's where a proxy says it, and empty where none does",
            f"port-{label}",
            get(*lines),
            Answer(environ={"REMOTE_ADDR": address, "REMOTE_PORT": port}),
        )
        for label, lines, address, port in (
            ("unsaid", (f"X-Forwarded-For: {CLIENT}",), CLIENT, ""),
            ("said", (f"X-Forwarded-For: {CLIENT}:4711",), CLIENT, "4711"),
            ("ipv6", ("X-Forwarded-For: [2001:db8::9]:4711, ::1",), "2001:db8::9", "4711"),
            ("forwarded", ('Forwarded: for="[2001:db8::9]:4711"',), "2001:db8::9", "4711"),
        )
    ),
    *(
        served(TRUSTED, f"server-{label}", get(*lines), Answer(environ=environ))
        for label, lines, environ in (
            ("host", ("X-Forwarded-Host: shop.example",), {"HTTP_HOST": "shop.example", "SERVER_NAME": "shop.example"}),
            ("host-port", ("X-Forwarded-Host: shop:81",), {"HTTP_HOST": "shop:81", "SERVER_PORT": "81"}),
            ("host-list", ("X-Forwarded-Host: x, shop",), {"HTTP_HOST": "shop"}),
            ("host-bad", ("X-Forwarded-Host: a b",), {"HTTP_HOST": "a"}),
            ("port", ("X-Forwarded-Port: 8443",), {"HTTP_HOST": "a", "SERVER_PORT": "8443"}),
            ("prefix", ("X-Forwarded-Prefix: /shop/",), {"SCRIPT_NAME": "/shop", "PATH_INFO": "/"}),
            ("prefix-host", ("X-Forwarded-Prefix: //evil",), {"SCRIPT_NAME": ""}),
        )
    ),
    *(
        served(
            "RFC 7239 4 to 6: Forwarded of a trusted proxy counts",
            f"forwarded-{label}",
            get(f"Forwarded: {value}"),
            Answer(environ=environ),
        )
        for label, value, environ in (
            ("for", "for=192.0.2.9;proto=https", {"REMOTE_ADDR": CLIENT, "wsgi.url_scheme": "https"}),
            ("list", "for=6.6.6.6, for=192.0.2.9;host=b, for=127.0.0.1", {"REMOTE_ADDR": CLIENT, "HTTP_HOST": "b"}),
            (
                "hidden",
                "for=192.0.2.9, for=_hidden;proto=https",
                {"REMOTE_ADDR": lambda value: value != CLIENT, "wsgi.url_scheme": "https"},
            ),
            ("unknown", "for=unknown", {"REMOTE_ADDR": lambda value: value != CLIENT}),
            ("open-quote", 'for=", for=192.0.2.9', {"REMOTE_ADDR": CLIENT}),
        )
    ),
    served(
        "prefork: Forwarded does not count beside X-Forwarded-For, which a proxy writes that lets Forwarded pass",
        "forwarded-beside-for",
        get(f"X-Forwarded-For: {CLIENT}", "Forwarded: for=6.6.6.6;proto=https;host=evil"),
        Answer(environ={"REMOTE_ADDR": CLIENT, "wsgi.url_scheme": "http", "HTTP_HOST": "a"}),
    ),
    served(
        UNTRUSTED,
        "untrusted-forwarded",
        get("Forwarded: for=192.0.2.9;proto=https;host=evil"),
        Answer(environ={"REMOTE_ADDR": lambda value: value != CLIENT, "wsgi.url_scheme": "http", "HTTP_HOST": "a"}),
        variant="untrusting",
    ),
    tolerated(GARBAGE, "proto-contradicts", get("X-Forwarded-Proto: https", "X-Forwarded-Proto: http")),
    served(
        UNTRUSTED,
        "untrusted-proto",
        get("X-Forwarded-Proto: https"),
        Answer(environ={"wsgi.url_scheme": "http"}),
        variant="untrusting",
    ),
    served(
        UNTRUSTED,
        "untrusted-ssl",
        get("X-Forwarded-SSL: on", "X-Forwarded-Protocol: ssl", "X-Scheme: https"),
        Answer(environ={"wsgi.url_scheme": "http"}),
        variant="untrusting",
    ),
    served(
        UNTRUSTED,
        "untrusted-for",
        get(f"X-Forwarded-For: {CLIENT}"),
        Answer(environ={"REMOTE_ADDR": "127.0.0.1"}),
        variant="untrusting",
        modes=TCP,
    ),
    served(
        UNTRUSTED,
        "untrusted-for-unix",
        get(f"X-Forwarded-For: {CLIENT}"),
        Answer(environ={"REMOTE_ADDR": lambda value: value != CLIENT}),
        variant="untrusting",
    ),
    served(
        UNTRUSTED,
        "untrusted-host",
        get("X-Forwarded-Host: evil"),
        Answer(environ={"HTTP_HOST": "a", "SERVER_NAME": lambda value: value != "evil"}),
        variant="untrusting",
    ),
    served(
        UNTRUSTED,
        "untrusted-prefix",
        get("X-Forwarded-Prefix: /evil", "SCRIPT-NAME: /evil"),
        Answer(environ={"SCRIPT_NAME": ""}),
        variant="untrusting",
    ),
    served(
        "PEP 3333: only the server sets SCRIPT_NAME",
        "script-name-field",
        get("Script-Name: /evil"),
        Answer(environ={"SCRIPT_NAME": ""}),
    ),
    served(
        "CGI (RFC 3875 4.1.18): fields named like CGI variables are only HTTP_ variables",
        "cgi-names",
        get("Remote-Addr: 192.0.2.9", "Path-Info: /evil"),
        Answer(environ={"PATH_INFO": "/", "REMOTE_ADDR": lambda value: value != CLIENT}),
    ),
)
