"""Field lines: names, white space, values, repetition (RFC 9112 5, RFC 9110 5)."""

from __future__ import annotations

from tests.conformance.case import ABSENT, Answer, OneOf, get, head, refused, served, table, tolerated

NAME = "RFC 9110 5.1, 5.6.2: a field name is a token"
COLON = "RFC 9112 5.1: white space between a field name and the colon is answered 400"
FOLD = "RFC 9112 5.2: obsolete line folding in a request is refused with 400"
FIRST = "RFC 9112 2.2: white space between the request-line and the first field is refused"
VALUE = "RFC 9110 5.5: CR, LF, NUL and other control characters are not part of a field value"
ENDS = "RFC 9112 2.2: a line ends by CRLF; a bare CR is invalid, and (HTTP.md) so is a bare LF"
BLANKS = "RFC 9112 5, 5.1: blanks around a value are excluded from it"
OPAQUE = "RFC 9110 5.5: octets 0x80-0xFF in a value are opaque data, in environ as Latin-1 (PEP 3333)"
JOINED = "RFC 9110 5.3: repeated lines of a list field are one value, joined by comma in their order"
DROPPED = "HTTP.md: names with an underscore, and Proxy, never reach environ"

BAD_NAME_CHARACTERS = {
    "space": " ",
    "tab": "\t",
    "parenthesis": "(",
    "parenthesis-right": ")",
    "comma": ",",
    "slash": "/",
    "semicolon": ";",
    "less": "<",
    "equals": "=",
    "greater": ">",
    "question": "?",
    "at": "@",
    "bracket": "[",
    "backslash": "\\",
    "bracket-right": "]",
    "brace": "{",
    "brace-right": "}",
    "quote": '"',
    "nul": "\x00",
    "one": "\x01",
    "bell": "\x07",
    "vertical-tab": "\x0b",
    "form-feed": "\x0c",
    "escape": "\x1b",
    "delete": "\x7f",
    "latin-1": "\xe9",
    "utf-8": "\xc3\xa9",
    "no-break-space": "\xa0",
}
CONTROLS = [code for code in range(32) if code not in (9, 10, 13)] + [127]

CASES = (
    *table(refused, NAME, {f"name-inside-{label}": get(f"X{c}Y: a") for label, c in BAD_NAME_CHARACTERS.items()}),
    *table(refused, NAME, {f"name-start-{label}": get(f"{c}Y: a") for label, c in BAD_NAME_CHARACTERS.items()}),
    *table(refused, COLON, {f"name-end-{label}": get(f"X{c}: a") for label, c in BAD_NAME_CHARACTERS.items()}),
    *table(
        refused,
        NAME,
        {
            "empty-name": get(": a"),
            "empty-name-and-value": get(":"),
            "no-colon": get("novalue"),
            "no-colon-last": head("GET / HTTP/1.1", "Host: a", "X"),
            "no-colon-space": get("X a"),
            "second-request-line": get("GET /xyzzy HTTP/1.1"),
            "two-spaces-before-colon": get("X  : a"),
        },
    ),
    *table(
        refused,
        FOLD,
        {
            "fold-space": get("X: a", " b"),
            "fold-tab": get("X: a", "\tb"),
            "fold-empty": get("X: a", " "),
            "fold-of-empty-value": get("X:", " b"),
            "fold-last": head("GET / HTTP/1.1", "Host: a", "X: a", "  b"),
            "fold-looks-like-field": get("X: a", " Y: b"),
            "fold-host": head("GET / HTTP/1.1", "Host: a", " b"),
            "fold-connection": get("Connection: close,", " keep-alive"),
        },
    ),
    *table(
        refused,
        FIRST,
        {
            "blank-before-first": head("GET / HTTP/1.1", " Host: a"),
            "tab-before-first": head("GET / HTTP/1.1", "\tHost: a"),
            "blank-line-before-first": head("GET / HTTP/1.1", " ", "Host: a"),
            "blank-field-before-first": head("GET / HTTP/1.1", " X: b", "Host: a"),
        },
    ),
    *table(refused, VALUE, {f"value-control-{code:02x}": get(f"X: a{chr(code)}b") for code in CONTROLS}),
    *table(
        refused, VALUE, {f"value-start-control-{code:02x}": get(f"X: {chr(code)}b") for code in (0, 1, 11, 12, 31, 127)}
    ),
    *table(
        refused, VALUE, {f"value-end-control-{code:02x}": get(f"X: b{chr(code)}") for code in (0, 1, 11, 12, 31, 127)}
    ),
    *table(
        refused,
        ENDS,
        {
            "bare-cr-in-value": get("X: a\rb"),
            "bare-cr-start": get("X: \ra"),
            "bare-cr-end": get("X: a\r"),
            "bare-cr-then-field": get("X: a\rY: b"),
            "bare-lf-in-value": get("X: a\nb"),
            "bare-lf-then-field": get("X: a\nY: b"),
            "bare-lf-ends-head": b"GET / HTTP/1.1\r\nHost: a\r\n\n",
            "bare-lf-twice-ends-head": b"GET / HTTP/1.1\r\nHost: a\n\n",
            "lf-cr-lf-ends-head": b"GET / HTTP/1.1\r\nHost: a\n\r\n",
            "cr-cr-lf": b"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n",
            "crlf-cr-ends-head": b"GET / HTTP/1.1\r\nHost: a\r\n\rX: y\r\n\r\n",
            "bare-cr-in-name": get("X\rY: a"),
            "bare-lf-in-name": get("X\nY: a"),
            "bare-lf-after-colon": get("X:\na"),
            "cr-before-colon": get("X\r: a"),
            "nul-instead-of-lf": b"GET / HTTP/1.1\r\nHost: a\r\x00X: b\r\n\r\n",
            "unicode-newline": b"GET / HTTP/1.1\r\nHost: a\xe2\x80\xa8X: b\r\n\r\n",
        },
    ),
    *(
        served(BLANKS, f"blanks-{label}", get(f"X:{value}"), Answer(environ={"HTTP_X": wanted}))
        for label, (value, wanted) in {
            "none": ("a", "a"),
            "spaces": ("   a   ", "a"),
            "tabs": ("\ta\t", "a"),
            "tab-after": (" a\t", "a"),
            "both": (" \t a \t ", "a"),
            "inner": (" a  b ", "a  b"),
            "inner-tab": (" a\tb ", "a\tb"),
            "empty": ("", ""),
            "only-spaces": ("   ", ""),
            "only-tabs": ("\t\t", ""),
            "colon": (" a:b", "a:b"),
            "colons": (":::", ":::"),
            "quoted": (' "a, b" ', '"a, b"'),
            "delimiters": (' (),/:;<=>?@[\\]{}"', '(),/:;<=>?@[\\]{}"'),
            "percent": (" %00%0d%0a", "%00%0d%0a"),
            "plus": (" a+b", "a+b"),
        }.items()
    ),
    served(OPAQUE, "value-latin-1", get("X: \xe9"), Answer(environ={"HTTP_X": "\xe9"})),
    served(OPAQUE, "value-utf-8", get("X: \xc3\xa9"), Answer(environ={"HTTP_X": "\xc3\xa9"})),
    served(OPAQUE, "value-no-break-space-kept", get("X: \xa0a\xa0"), Answer(environ={"HTTP_X": "\xa0a\xa0"})),
    served(OPAQUE, "value-next-line-kept", get("X: \x85a\x85"), Answer(environ={"HTTP_X": "\x85a\x85"})),
    served(
        OPAQUE,
        "value-all-high-octets",
        get("X: " + bytes(range(128, 256)).decode("latin-1")),
        Answer(environ={"HTTP_X": bytes(range(128, 256)).decode("latin-1")}),
    ),
    *(
        served(
            "RFC 9110 5.1: names are case-insensitive tokens; PEP 3333, CGI: upper case with underscores for hyphens",
            f"environ-name-{name}",
            get(f"{name}: v"),
            Answer(environ={key: "v"}),
        )
        for name, key in {
            "x-lower": "HTTP_X_LOWER",
            "X-UPPER": "HTTP_X_UPPER",
            "X-MiXeD": "HTTP_X_MIXED",
            "X1": "HTTP_X1",
            "1X": "HTTP_1X",
            "X-": "HTTP_X_",
            "X--Y": "HTTP_X__Y",
            "A": "HTTP_A",
            "Content-Types": "HTTP_CONTENT_TYPES",
            "X.Y": "HTTP_X.Y",
            "X~Y": "HTTP_X~Y",
            "X!#$%&'*+^`|": "HTTP_X!#$%&'*+^`|",
        }.items()
    ),
    *(
        served(JOINED, f"repeated-{label}", get(*lines), Answer(environ={key: OneOf(*wanted)}))
        for label, (lines, key, wanted) in {
            "two": (("X: a", "X: b"), "HTTP_X", ("a,b", "a, b")),
            "apart": (("X: a", "Y: c", "X: b"), "HTTP_X", ("a,b", "a, b")),
            "case": (("X: a", "x: b"), "HTTP_X", ("a,b", "a, b")),
            "three": (("X: 3", "X: 1", "X: 2"), "HTTP_X", ("3,1,2", "3, 1, 2")),
            "accept": (
                ("Accept: text/a", "Accept: text/b;q=1"),
                "HTTP_ACCEPT",
                ("text/a,text/b;q=1", "text/a, text/b;q=1"),
            ),
            "empty": (("X:", "X: a"), "HTTP_X", (",a", ", a", "a")),
            "forwarded": (
                ("X-Forwarded-Host: a", "X-Forwarded-Host: b"),
                "HTTP_X_FORWARDED_HOST",
                ("a,b", "a, b", ABSENT),
            ),
        }.items()
    ),
    served(
        "RFC 9113 8.2.3, HTTP.md: repeated Cookie lines are joined by `; `",
        "cookie-repeated",
        get("Cookie: a=1", "Cookie: b=2, c"),
        Answer(environ={"HTTP_COOKIE": "a=1; b=2, c"}),
    ),
    served(
        "RFC 6265 5.4: one Cookie line is kept as it is",
        "cookie",
        get("Cookie: a=1; b=2"),
        Answer(environ={"HTTP_COOKIE": "a=1; b=2"}),
    ),
    *(
        served(DROPPED, f"dropped-{label}", get(*lines), Answer(environ=environ))
        for label, (lines, environ) in {
            "underscore": (("X_Y: b",), {"HTTP_X_Y": ABSENT}),
            "underscore-beside-hyphen": (("X-Y: good", "X_Y: bad"), {"HTTP_X_Y": "good"}),
            "underscore-before-hyphen": (("X_Y: bad", "X-Y: good"), {"HTTP_X_Y": "good"}),
            "underscore-forwarded": (("X_Forwarded_For: 192.0.2.9",), {"HTTP_X_FORWARDED_FOR": ABSENT}),
            "underscore-forwarded-proto": (
                ("X-Forwarded_Proto: https",),
                {"HTTP_X_FORWARDED_PROTO": ABSENT, "wsgi.url_scheme": "http"},
            ),
            "underscore-length": (
                ("Content_Length: 5",),
                {"CONTENT_LENGTH": OneOf(ABSENT, "", "0"), "HTTP_CONTENT_LENGTH": ABSENT},
            ),
            "underscore-type": (
                ("Content_Type: text/a",),
                {"CONTENT_TYPE": OneOf(ABSENT, ""), "HTTP_CONTENT_TYPE": ABSENT},
            ),
            "underscore-auth": (
                ("Remote_User: root", "REMOTE_USER: root"),
                {"HTTP_REMOTE_USER": ABSENT, "REMOTE_USER": ABSENT},
            ),
            "underscore-start": (("_X: a",), {"HTTP__X": ABSENT}),
            "underscore-end": (("X_: a",), {"HTTP_X_": ABSENT}),
            "proxy": (("Proxy: http://192.0.2.9",), {"HTTP_PROXY": ABSENT}),
            "proxy-case": (("pRoXy: http://192.0.2.9",), {"HTTP_PROXY": ABSENT}),
        }.items()
    ),
    served(
        "CGI (RFC 3875 4.1.18): only Proxy is dropped, not its relatives",
        "proxy-authorization-kept",
        get("Proxy-Authorization: a", "X-Proxy: b"),
        Answer(environ={"HTTP_X_PROXY": "b"}),
    ),
    served("RFC 9112 5: a head may have no field but Host", "only-host", get()),
    served(
        "HTTP.md: a browser's thirteen fields",
        "browser",
        get(
            "Connection: keep-alive",
            "Cache-Control: max-age=0",
            'sec-ch-ua: "Chromium";v="120", "Not?A_Brand";v="8"',
            "sec-ch-ua-mobile: ?0",
            'sec-ch-ua-platform: "Linux"',
            "Upgrade-Insecure-Requests: 1",
            "User-Agent: Mozilla/5.0 (X11; Linux x86_64)",
            "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "Sec-Fetch-Site: none",
            "Accept-Encoding: gzip, deflate, br",
            "Accept-Language: en-GB,en;q=0.9",
            "Cookie: session=abc; theme=dark",
        ),
        Answer(
            environ={
                "HTTP_USER_AGENT": "Mozilla/5.0 (X11; Linux x86_64)",
                "HTTP_COOKIE": "session=abc; theme=dark",
                "HTTP_SEC_CH_UA_MOBILE": "?0",
            }
        ),
    ),
    tolerated(
        "RFC 9110 8.3: Content-Type has one value; two lines of it may be refused",
        "content-type-twice",
        get("Content-Type: a/b", "Content-Type: c/d"),
    ),
)
