"""The request line: method, target and version (RFC 9112 3)."""

from __future__ import annotations

from tests.conformance.case import Answer, Ending, Reach, head, refused, served, status, table, tolerated

LINE = "RFC 9112 3: a request-line that is not `method SP request-target SP HTTP-version` is answered 400"
METHOD = "RFC 9110 5.6.2, 9.1: a method is a token"
KNOWN = "RFC 9110 9, RFC 5789, RFC 4918: the registered methods reach the application with their names unchanged"
UNKNOWN = "RFC 9110 9.1: an unrecognised method, which is case-sensitive, is served or answered 501"
VERSION = (
    "RFC 9112 2.3, RFC 9110 15.6.6, HTTP.md: a version other than 1.0 and 1.1 is answered 505, a malformed one 400"
)
TARGET = "RFC 9112 3.2: an invalid request-target is answered 400 and not repaired"
CONTROL = "RFC 9112 3.2, RFC 3986 2: control characters and spaces are not part of any target"
FORM = "RFC 9112 3.2, HTTP.md: relative and authority targets, CONNECT and an asterisk outside of OPTIONS are refused"
ENDS = "RFC 9112 2.2: lines end by CRLF; a bare CR is invalid, and (HTTP.md) so is a bare LF"
EMPTY = "RFC 9112 2.2: a server SHOULD ignore at least one empty line before the request-line"
NOISE = "RFC 9112 3: what is not HTTP is answered 400, and closed"

HOST = "Host: a"


def request(line: str) -> bytes:
    """A request with this request line and a Host."""
    return head(line, HOST)


METHODS = [
    "GET",
    "POST",
    "PUT",
    "DELETE",
    "PATCH",
    "OPTIONS",
    "PROPFIND",
    "PROPPATCH",
    "MKCOL",
    "COPY",
    "MOVE",
    "LOCK",
    "UNLOCK",
    "REPORT",
    "SEARCH",
]
BAD_METHODS = {
    "parenthesis": "G(ET",
    "slash": "G/T",
    "at": "G@T",
    "quote": '"GET"',
    "bracket": "[GET]",
    "brace": "G{T",
    "colon": "GET:",
    "comma": "GET,",
    "semicolon": "GET;",
    "less": "<GET>",
    "equals": "G=T",
    "question": "GET?",
    "backslash": "G\\T",
    "nul": "G\x00T",
    "bell": "G\x07T",
    "delete": "G\x7fT",
    "latin": "G\xc9T",
    "tab": "G\tT",
}
BAD_LINES = {
    "two-spaces-before-target": "GET  / HTTP/1.1",
    "two-spaces-before-version": "GET /  HTTP/1.1",
    "trailing-space": "GET / HTTP/1.1 ",
    "trailing-tab": "GET / HTTP/1.1\t",
    "leading-space": " GET / HTTP/1.1",
    "leading-tab": "\tGET / HTTP/1.1",
    "tab-before-target": "GET\t/ HTTP/1.1",
    "tab-before-version": "GET /\tHTTP/1.1",
    "vertical-tab-before-target": "GET\x0b/ HTTP/1.1",
    "form-feed-before-version": "GET /\x0cHTTP/1.1",
    "carriage-return-before-version": "GET /\rHTTP/1.1",
    "no-method": " / HTTP/1.1",
    "no-target": "GET HTTP/1.1",
    "no-target-two-spaces": "GET  HTTP/1.1",
    "method-alone": "GET",
    "method-and-space": "GET ",
    "target-alone": "/",
    "space-in-target": "GET /a b HTTP/1.1",
    "word-after-version": "GET / HTTP/1.1 x",
    "colon-line": "GET: / HTTP/1.1",
    "no-break-space": "GET\xa0/ HTTP/1.1",
}
VERSIONS_505 = {
    "2.0": "HTTP/2.0",
    "3.0": "HTTP/3.0",
    "1.2": "HTTP/1.2",
    "1.9": "HTTP/1.9",
    "9.9": "HTTP/9.9",
    "0.0": "HTTP/0.0",
    "0.9": "HTTP/0.9",
}
VERSIONS_BAD = {
    "lower-case": "http/1.1",
    "mixed-case": "Http/1.1",
    "no-minor": "HTTP/1",
    "no-minor-dot": "HTTP/1.",
    "no-major": "HTTP/.1",
    "two-digit-major": "HTTP/11.1",
    "two-digit-minor": "HTTP/1.10",
    "leading-zero": "HTTP/01.1",
    "minor-leading-zero": "HTTP/1.01",
    "three-parts": "HTTP/1.1.1",
    "letters": "HTTP/a.b",
    "trailing-letter": "HTTP/1.1x",
    "negative": "HTTP/-1.1",
    "plus": "HTTP/+1.1",
    "comma": "HTTP/1,1",
    "space-in-version": "HTTP/ 1.1",
    "space-before-slash": "HTTP /1.1",
    "no-slash": "HTTP1.1",
    "no-name": "/1.1",
    "rtsp": "RTSP/1.0",
    "icy": "ICE/1.0",
    "other-protocol": "HTTPS/1.1",
    "prefix": "XHTTP/1.1",
    "superscript": "HTTP/1.\xb9",
    "nul": "HTTP/1.1\x00",
}
CONTROLS = {f"{code:02x}": chr(code) for code in (0, 1, 7, 8, 9, 0x0B, 0x0C, 0x0D, 0x1B, 0x1F, 0x7F)}
DELIMITERS = {
    "quote": '"',
    "less": "<",
    "greater": ">",
    "backslash": "\\",
    "caret": "^",
    "backtick": "`",
    "brace": "{",
    "bar": "|",
    "fragment": "#f",
    "percent-alone": "%",
    "percent-short": "%4",
    "percent-bad": "%zz",
    "bracket": "[",
    "utf-8": "\xc3\xa9",
    "latin-1": "\xe9",
}

CASES = (
    *(
        served(
            KNOWN,
            f"method-{name}",
            head(f"{name} / HTTP/1.1", HOST, "Content-Length: 0"),
            Answer(environ={"REQUEST_METHOD": name}),
        )
        for name in METHODS
    ),
    *(
        served(
            UNKNOWN,
            f"unknown-method-{name[:20]}",
            request(f"{name} / HTTP/1.1"),
            Answer(status=status(200, 501), reach=Reach.EITHER, environ={"REQUEST_METHOD": name}),
            ending=Ending.IN_STEP,
        )
        for name in ("FOO", "get", "Get", "G!#$%&'*+-.^_`|~9", "X" * 64)
    ),
    *table(
        refused, METHOD, {f"bad-method-{label}": request(f"{name} / HTTP/1.1") for label, name in BAD_METHODS.items()}
    ),
    *table(refused, LINE, {f"line-{label}": request(line) for label, line in BAD_LINES.items()}),
    *table(
        refused,
        VERSION,
        {f"version-{label}": request(f"GET / {version}") for label, version in VERSIONS_505.items()},
        505,
    ),
    *table(
        refused,
        VERSION,
        {f"bad-version-{label}": request(f"GET / {version}") for label, version in VERSIONS_BAD.items()},
        400,
        505,
    ),
    refused(VERSION, "simple-request-of-0.9", b"GET /\r\n", modes=("whole", "bytes", "lines")),
    refused(VERSION, "simple-request-of-0.9-with-fields", head("GET /", HOST)),
    *table(
        refused, CONTROL, {f"control-in-path-{label}": request(f"GET /a{c}b HTTP/1.1") for label, c in CONTROLS.items()}
    ),
    *table(
        refused,
        CONTROL,
        {f"control-in-query-{label}": request(f"GET /?a{c}b HTTP/1.1") for label, c in CONTROLS.items()},
    ),
    *table(
        refused, CONTROL, {f"control-at-end-{label}": request(f"GET /{c} HTTP/1.1") for label, c in CONTROLS.items()}
    ),
    *(
        tolerated(
            f"{TARGET}, or passed on as received; it is never a 5xx",
            f"odd-in-path-{label}",
            request(f"GET /a{text} HTTP/1.1"),
        )
        for label, text in DELIMITERS.items()
    ),
    *(
        tolerated(
            f"{TARGET}, or passed on as received; it is never a 5xx",
            f"odd-in-query-{label}",
            request(f"GET /?a={text} HTTP/1.1"),
        )
        for label, text in DELIMITERS.items()
    ),
    *table(
        refused,
        FORM,
        {
            "relative": request("GET foo HTTP/1.1"),
            "relative-dot": request("GET ./foo HTTP/1.1"),
            "query-alone": request("GET ?a=b HTTP/1.1"),
            "fragment-alone": request("GET #a HTTP/1.1"),
            "authority": request("GET example.com:80 HTTP/1.1"),
            "authority-name": request("GET example.com HTTP/1.1"),
            "authority-with-path": request("GET example.com/a HTTP/1.1"),
            "asterisk-get": request("GET * HTTP/1.1"),
            "asterisk-post": head("POST * HTTP/1.1", HOST, "Content-Length: 0"),
            "asterisk-and-more": request("OPTIONS *a HTTP/1.1"),
            "asterisk-path": request("OPTIONS */a HTTP/1.1"),
            "backslash": request("GET \\a HTTP/1.1"),
            "absolute-without-host": request("GET http:// HTTP/1.1"),
            "absolute-without-host-path": request("GET http:///a HTTP/1.1"),
            "absolute-port-alone": request("GET http://:80/a HTTP/1.1"),
            "absolute-one-slash": request("GET http:/a HTTP/1.1"),
            "absolute-no-slash": request("GET http:a HTTP/1.1"),
            "absolute-bad-host": request("GET http://a<b/ HTTP/1.1"),
            "absolute-bad-port": request("GET http://a:b/ HTTP/1.1"),
            "absolute-open-bracket": request("GET http://[::1/ HTTP/1.1"),
            "absolute-backslash": request("GET http://a\\b/ HTTP/1.1"),
            "scheme-without-name": request("GET ://a/ HTTP/1.1"),
        },
    ),
    *table(
        refused,
        FORM,
        {
            "connect": head("CONNECT example.com:443 HTTP/1.1", "Host: example.com:443"),
            "connect-path": head("CONNECT / HTTP/1.1", HOST),
            "connect-with-tunnel-bytes": head("CONNECT a:1 HTTP/1.1", "Host: a:1", body=b"\x16\x03\x01\x00\x00"),
            "connect-with-request": head("CONNECT a:1 HTTP/1.1", "Host: a:1", body=request("GET /xyzzy HTTP/1.1")),
        },
        400,
        405,
        501,
    ),
    *table(
        tolerated,
        "RFC 9110 4.2.4, RFC 9112 3.2.2: another scheme or user information may be refused, and never becomes part of the path",
        {
            "absolute-ftp": request("GET ftp://a/b HTTP/1.1"),
            "absolute-user": request("GET http://user:word@a/b HTTP/1.1"),
        },
    ),
    *table(
        refused,
        ENDS,
        {
            "bare-lf": b"GET / HTTP/1.1\nHost: a\r\n\r\n",
            "bare-cr": b"GET / HTTP/1.1\rHost: a\r\n\r\n",
            "cr-cr-lf": b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n",
            "lf-everywhere": b"GET / HTTP/1.1\nHost: a\n\n",
            "cr-everywhere-then-crlf": b"GET / HTTP/1.1\rHost: a\r\r\r\n\r\n",
            "lf-cr": b"GET / HTTP/1.1\n\rHost: a\r\n\r\n",
            "lf-within-target": b"GET /\nx HTTP/1.1\r\nHost: a\r\n\r\n",
        },
    ),
    served(EMPTY, "one-empty-line-before", b"\r\n" + request("GET / HTTP/1.1")),
    tolerated(EMPTY, "two-empty-lines-before", b"\r\n\r\n" + request("GET / HTTP/1.1")),
    tolerated(EMPTY, "bare-lf-before", b"\n" + request("GET / HTTP/1.1")),
    *table(
        refused,
        NOISE,
        {
            "bare-cr-before": b"\r" + request("GET / HTTP/1.1"),
            "space-line-before": b" \r\n" + request("GET / HTTP/1.1"),
            "nul-before": b"\x00" + request("GET / HTTP/1.1"),
            "field-first": b"Host: a\r\n" + request("GET / HTTP/1.1"),
            "answer-as-request": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            "tls-client-hello": b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + b"\x11" * 40 + b"\r\n\r\n",
            "smtp": b"EHLO xyzzy\r\nMAIL FROM:<a@b>\r\n\r\n",
            "ssh": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
            "byte-order-mark": b"\xef\xbb\xbf" + request("GET / HTTP/1.1"),
            "binary": bytes(range(128, 200)) + b"\r\n\r\n",
            "redis": b"*1\r\n$4\r\nPING\r\n\r\n",
        },
    ),
    *table(
        refused,
        "RFC 9113 3.4: an HTTP/2 preface is not an HTTP/1.1 request",
        {"http-2-preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
        505,
        400,
    ),
    *table(
        refused,
        "HTTP.md: a PROXY line that was not configured is refused",
        {
            "proxy-v1-tcp4": b"PROXY TCP4 192.0.2.1 192.0.2.2 1111 80\r\n" + request("GET / HTTP/1.1"),
            "proxy-v1-tcp6": b"PROXY TCP6 2001:db8::1 2001:db8::2 1111 80\r\n" + request("GET / HTTP/1.1"),
            "proxy-v1-unknown": b"PROXY UNKNOWN\r\n" + request("GET / HTTP/1.1"),
            "proxy-v2": b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c"
            b"\xc0\x00\x02\x01\xc0\x00\x02\x02\x04\x57\x00\x50" + request("GET / HTTP/1.1"),
        },
    ),
)
