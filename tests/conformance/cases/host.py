"""The Host field (RFC 9112 3.2, RFC 9110 7.2)."""

from __future__ import annotations

from tests.conformance.case import Answer, get, head, refused, served, table, tolerated

ONE = "RFC 9112 3.2: a request that lacks a Host field or has more than one is answered 400"
VALUE = "RFC 9112 3.2: a request whose Host field has an invalid value (RFC 3986 3.2: host and port) is answered 400"
GOOD = (
    "RFC 9110 7.2, RFC 3986 3.2.2: any uri-host with an optional port is taken, and reaches the application unchanged"
)
PORT = "RFC 3986 3.2.3: a port is any number of digits; one that cannot exist may be refused"
OLD = "RFC 9112 3.2: HTTP/1.0 needs no Host, but what is there must be valid"

GOOD_VALUES = {
    "name": "example.com",
    "short": "a",
    "port": "example.com:8000",
    "empty-port": "example.com:",
    "upper": "EXAMPLE.com",
    "trailing-dot": "example.com.",
    "ipv4": "127.0.0.1",
    "ipv4-port": "127.0.0.1:80",
    "ipv6": "[::1]",
    "ipv6-port": "[::1]:8000",
    "ipv6-full": "[2001:db8:0:0:0:0:0:1]",
    "ipv6-ipv4": "[::ffff:192.0.2.1]",
    "hyphen": "a-b.example",
    "underscore": "a_b.example",
    "punycode": "xn--bcher-kva.example",
    "tilde": "a~b",
    "digits": "1234",
}
BAD_VALUES = {
    "empty": "",
    "space": "a b",
    "tab": "a\tb",
    "slash": "a/b",
    "leading-slash": "/a",
    "url": "http://a",
    "url-slash": "http://a/",
    "query": "a?b",
    "fragment": "a#b",
    "user": "user@a",
    "user-password": "user:word@a",
    "at-alone": "@",
    "port-letters": "a:b",
    "port-negative": "a:-1",
    "port-plus": "a:+80",
    "port-space": "a:8 0",
    "port-hex": "a:0x50",
    "port-underscore": "a:8_0",
    "port-float": "a:80.0",
    "two-ports": "a:80:90",
    "port-alone": ":80",
    "colon-alone": ":",
    "ipv6-bare": "::1",
    "ipv6-unclosed": "[::1",
    "ipv6-unopened": "::1]",
    "ipv6-trailing": "[::1]x",
    "ipv6-trailing-port": "[::1]80",
    "ipv6-letters": "[g::1]",
    "ipv6-empty": "[]",
    "ipv6-two-elisions": "[1::2::3]",
    "ipv6-nine-groups": "[1:2:3:4:5:6:7:8:9]",
    "ipv6-long-group": "[12345::1]",
    "brackets-name": "[example.com]",
    "brackets-nested": "[[::1]]",
    "bracket-inside": "a[b]",
    "backslash": "a\\b",
    "quote": 'a"b',
    "quoted": '"a"',
    "less": "a<b",
    "greater": "a>b",
    "caret": "a^b",
    "backtick": "a`b",
    "brace": "a{b",
    "bar": "a|b",
    "percent-alone": "a%",
    "percent-short": "a%4",
    "percent-bad": "a%zz",
    "latin-1": "b\xfccher.example",
    "utf-8": "b\xc3\xbccher.example",
    "nul": "a\x00b",
    "delete": "a\x7fb",
    "escape": "a\x1bb",
    "two-words": "a, b c",
    "semicolon-space": "a; b",
}
ODD_VALUES = {
    "comma": "a,b",
    "sub-delims": "a!$&'()*+;=b",
    "percent": "a%41b",
    "ipvfuture": "[v1.a]",
    "ipv6-zone": "[fe80::1%25eth0]",
    "port-zero": "a:0",
    "port-65536": "a:65536",
    "port-long": "a:" + "9" * 40,
    "port-leading-zeros": "a:0080",
    "ipv4-like": "999.999.999.999",
    "dots": "a..b",
    "dot-alone": ".",
    "long-name": "a" * 300,
}

CASES = (
    *(
        served(GOOD, f"good-{label}", head("GET / HTTP/1.1", f"Host: {v}"), Answer(environ={"HTTP_HOST": v}))
        for label, v in GOOD_VALUES.items()
    ),
    *table(refused, VALUE, {f"bad-{label}": head("GET / HTTP/1.1", f"Host: {v}") for label, v in BAD_VALUES.items()}),
    *table(
        refused,
        OLD,
        {f"bad-1.0-{label}": head("GET / HTTP/1.0", f"Host: {v}") for label, v in list(BAD_VALUES.items())[1:12]},
    ),
    *(
        tolerated(PORT if "port" in label else GOOD, f"odd-{label}", head("GET / HTTP/1.1", f"Host: {v}"))
        for label, v in ODD_VALUES.items()
    ),
    *table(
        refused,
        ONE,
        {
            "none": head("GET / HTTP/1.1"),
            "none-with-fields": head("GET / HTTP/1.1", "Accept: */*", "X-Host: a"),
            "none-post": head("POST / HTTP/1.1", "Content-Length: 2", body="ab"),
            "none-absolute": head("GET http://a/ HTTP/1.1"),
            "none-options": head("OPTIONS * HTTP/1.1"),
            "none-close": head("GET / HTTP/1.1", "Connection: close"),
            "twice": head("GET / HTTP/1.1", "Host: a", "Host: b"),
            "twice-same": head("GET / HTTP/1.1", "Host: a", "Host: a"),
            "twice-case": head("GET / HTTP/1.1", "Host: a", "hOST: b"),
            "twice-apart": head("GET / HTTP/1.1", "Host: a", "Accept: */*", "Host: b"),
            "twice-one-empty": head("GET / HTTP/1.1", "Host: a", "Host:"),
            "twice-empty-first": head("GET / HTTP/1.1", "Host:", "Host: a"),
            "twice-absolute": head("GET http://a/ HTTP/1.1", "Host: a", "Host: b"),
            "three": head("GET / HTTP/1.1", "Host: a", "Host: b", "Host: c"),
            "twice-1.0": head("GET / HTTP/1.0", "Host: a", "Host: b"),
            "in-trailer-only": head("POST / HTTP/1.1", "Transfer-Encoding: chunked", body="0\r\nHost: a\r\n\r\n"),
            "underscore-is-another-name": head("GET / HTTP/1.1", "Ho_st: a"),
            "space-before-colon": head("GET / HTTP/1.1", "Host : a"),
            "folded": head("GET / HTTP/1.1", "Host: a", " b"),
            "folded-empty": head("GET / HTTP/1.1", "Host:", " a"),
            "blanks-only": head("GET / HTTP/1.1", "Host: \t "),
        },
    ),
    served(
        "RFC 9110 5.1: field names are case-insensitive",
        "name-upper",
        head("GET / HTTP/1.1", "HOST: a"),
        Answer(environ={"HTTP_HOST": "a"}),
    ),
    served(
        "RFC 9110 5.1: field names are case-insensitive",
        "name-lower",
        head("GET / HTTP/1.1", "host: a"),
        Answer(environ={"HTTP_HOST": "a"}),
    ),
    served(
        "RFC 9112 5: blanks around a value are not part of it",
        "blanks",
        head("GET / HTTP/1.1", "Host: \t a \t "),
        Answer(environ={"HTTP_HOST": "a"}),
    ),
    served(
        "RFC 9112 5: the blank before a value is optional",
        "no-blank",
        head("GET / HTTP/1.1", "Host:a"),
        Answer(environ={"HTTP_HOST": "a"}),
    ),
    served(
        "RFC 9110 7.2: Host need not be first",
        "last",
        head("GET / HTTP/1.1", "Accept: */*", "Host: a"),
        Answer(environ={"HTTP_HOST": "a"}),
    ),
    served(
        "RFC 9110 7.2: X-Forwarded-Host and the like are other fields",
        "forwarded-host-is-not-host",
        get("X-Host: b", "Host-X: c"),
        Answer(environ={"HTTP_HOST": "a", "HTTP_X_HOST": "b", "HTTP_HOST_X": "c"}),
    ),
)
