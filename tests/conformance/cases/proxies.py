"""Behind a proxy: whose X-Forwarded fields count (HTTP.md; RFC 7239 for the caution)."""

from __future__ import annotations

from tests.conformance.case import Answer, OneOf, get, served, tolerated

TRUSTED = "prefork: X-Forwarded fields of a trusted proxy count; by default 127.0.0.1 and unix sockets are trusted"
UNTRUSTED = "prefork, RFC 7239 8.1: X-Forwarded fields of anybody else change neither scheme nor client"
UNNAMED = "prefork: a field that pool.*.http.forwarded does not name is one as all others, from a trusted proxy as well"
GARBAGE = "HTTP.md, RFC 7239 8.1: what is no address is never taken for the client, and never fails the request"
TCP = ("whole", "pipelined")
CLIENT = "192.0.2.9"


# What a client could write that the ordinary proxy, which sets X-Forwarded-For and -Proto, lets pass.
PASSED = {
    "host": "X-Forwarded-Host: evil",
    "host-port": "X-Forwarded-Host: evil:1",
    "port": "X-Forwarded-Port: 1",
    "prefix": "X-Forwarded-Prefix: /evil",
    "forwarded": "Forwarded: for=6.6.6.6;proto=https;host=evil",
    "server": "X-Forwarded-Server: evil",
    "others": "X-Real-IP: 6.6.6.6",
}


def is_port_or_empty(value: object) -> bool:
    """A port of the kernel's, or nothing for a unix peer."""
    return value == "" or (isinstance(value, str) and value.isdigit() and value != "1")


UNTOUCHED = {
    "HTTP_HOST": "a",
    "SERVER_NAME": lambda value: value != "evil",
    "SERVER_PORT": is_port_or_empty,
    "SCRIPT_NAME": "",
    "wsgi.url_scheme": "http",
}


def as_it_came(line: str) -> dict[str, object]:
    """The field in the environ, as any."""
    name, _, value = line.partition(": ")
    return {f"HTTP_{name.upper().replace('-', '_')}": value}


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
            ("of-several", (f"X-Forwarded-For: 6.6.6.6:1, {CLIENT}:4711, 127.0.0.1:9",), CLIENT, "4711"),
            ("of-the-proxy-only", (f"X-Forwarded-For: {CLIENT}, 127.0.0.1:9",), CLIENT, ""),
            ("bad", (f"X-Forwarded-For: {CLIENT}:99999",), CLIENT, ""),
        )
    ),
    served(
        "prefork, RFC 7239 6: REMOTE_PORT is the client's where a proxy says it, and empty where none does",
        "port-rfc7239",
        get('Forwarded: for="[2001:db8::9]:4711"'),
        Answer(environ={"REMOTE_ADDR": "2001:db8::9", "REMOTE_PORT": "4711"}),
        variant="rfc7239",
    ),
    *(
        served(
            "CGI (RFC 3875 4.1.8), prefork: REMOTE_PORT is the peer's own where no proxy names another client",
            f"port-of-the-peer-{label}",
            get(*lines),
            Answer(environ={"REMOTE_ADDR": "127.0.0.1", "REMOTE_PORT": lambda value: value.isdigit() and value != "1"}),
            modes=TCP,
            variant=variant,
        )
        for label, variant, lines in (
            ("none", "default", ()),
            ("garbage", "default", ("X-Forwarded-For: nonsense:1",)),
            ("port-field", "forwarding", ("X-Forwarded-Port: 1",)),
            ("unnamed", "unheeding", (f"X-Forwarded-For: {CLIENT}:1",)),
            ("untrusted", "untrusting", (f"X-Forwarded-For: {CLIENT}:1",)),
        )
    ),
    *(
        served(UNNAMED, f"unnamed-{label}", get(line), Answer(environ={**UNTOUCHED, **as_it_came(line)}))
        for label, line in PASSED.items()
    ),
    *(
        served(
            UNNAMED,
            f"unnamed-{label}-beside-named",
            get(f"X-Forwarded-For: {CLIENT}", "X-Forwarded-Proto: http", line),
            Answer(environ={**UNTOUCHED, **as_it_came(line), "REMOTE_ADDR": CLIENT, "REMOTE_PORT": ""}),
        )
        for label, line in PASSED.items()
    ),
    *(
        served(
            UNNAMED,
            f"unnamed-of-{variant}-{label}",
            get(line),
            Answer(environ={**UNTOUCHED, **as_it_came(line), "REMOTE_ADDR": lambda value: value != CLIENT}),
            variant=variant,
        )
        for variant, label, line in (
            ("rfc7239", "for", f"X-Forwarded-For: {CLIENT}"),
            ("rfc7239", "proto", "X-Forwarded-Proto: https"),
            ("rfc7239", "host", "X-Forwarded-Host: evil"),
            ("forwarding", "forwarded", f"Forwarded: for={CLIENT};proto=https;host=evil"),
            ("unheeding", "for", f"X-Forwarded-For: {CLIENT}"),
            ("unheeding", "proto", "X-Forwarded-Proto: https"),
            ("unheeding", "host", "X-Forwarded-Host: evil"),
            ("unheeding", "port", "X-Forwarded-Port: 1"),
            ("unheeding", "prefix", "X-Forwarded-Prefix: /evil"),
            ("unheeding", "forwarded", f"Forwarded: for={CLIENT};proto=https;host=evil"),
        )
    ),
    *(
        served(TRUSTED, f"server-{label}", get(*lines), Answer(environ=environ), variant="forwarding")
        for label, lines, environ in (
            ("host", ("X-Forwarded-Host: shop.example",), {"HTTP_HOST": "shop.example", "SERVER_NAME": "shop.example"}),
            ("host-port", ("X-Forwarded-Host: shop:81",), {"HTTP_HOST": "shop:81", "SERVER_PORT": "81"}),
            ("host-list", ("X-Forwarded-Host: x, shop",), {"HTTP_HOST": "shop"}),
            ("host-bad", ("X-Forwarded-Host: a b",), {"HTTP_HOST": "a"}),
            ("port", ("X-Forwarded-Port: 8443",), {"HTTP_HOST": "a", "SERVER_PORT": "8443"}),
            ("prefix", ("X-Forwarded-Prefix: /shop/",), {"SCRIPT_NAME": "/shop", "PATH_INFO": "/"}),
            ("of-the-client", (f"X-Forwarded-For: {CLIENT}, ::1", "X-Forwarded-Host: b, c"), {"HTTP_HOST": "b"}),
            ("prefix-host", ("X-Forwarded-Prefix: //evil",), {"SCRIPT_NAME": ""}),
        )
    ),
    *(
        served(
            "RFC 7239 4 to 6: Forwarded of a trusted proxy counts",
            f"forwarded-{label}",
            get(f"Forwarded: {value}"),
            Answer(environ=environ),
            variant="rfc7239",
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
        "prefork: X-Forwarded-For, -Proto and -Host do not count beside Forwarded where that is named instead",
        "forwarded-instead",
        get(
            f"Forwarded: for={CLIENT}, for=127.0.0.1",
            "X-Forwarded-For: 6.6.6.6",
            "X-Forwarded-Proto: https",
            "X-Forwarded-Host: evil",
        ),
        Answer(environ={"REMOTE_ADDR": CLIENT, "wsgi.url_scheme": "http", "HTTP_HOST": "a"}),
        variant="rfc7239",
    ),
    served(
        TRUSTED,
        "forwarded-and-prefix",
        get(f"Forwarded: for={CLIENT};host=b, for=127.0.0.1", "X-Forwarded-Prefix: /b, /c", "X-Forwarded-Port: 81"),
        Answer(environ={"REMOTE_ADDR": CLIENT, "HTTP_HOST": "b", "SERVER_PORT": "81", "SCRIPT_NAME": "/b"}),
        variant="rfc7239",
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
