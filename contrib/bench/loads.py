"""Pure. What is asked of every server, as data."""

from __future__ import annotations

from dataclasses import dataclass

CONNECTIONS = 32
IDLE_CONNECTIONS = 1000

# What a browser sends with a click; with Host, which wrk adds by itself, thirteen.
BROWSER_HEADERS = {
    "Connection": "keep-alive",
    "sec-ch-ua": '"Chromium";v="126", "Google Chrome";v="126", "Not-A.Brand";v="24"',
    "sec-ch-ua-mobile": "?0",
    "sec-ch-ua-platform": '"Linux"',
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "Sec-Fetch-Site": "same-origin",
    "Sec-Fetch-Mode": "navigate",
    "Referer": "https://shop.example.org/catalogue/page/1",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Accept-Language": "en-GB,en;q=0.9,de;q=0.8",
    "Cookie": "session=8f14e45fceea167a5a36dedd4bea2543; seen=1; theme=dark",
}


@dataclass(frozen=True)
class Load:
    """One table. The answer to its request has ``length`` bytes."""

    name: str
    about: str
    path: str = "/"
    length: int = 14
    script: str = "load.lua"
    body: int = 0  # bytes of the request's body; 0 is a GET
    fresh: bool = False  # a connection for every request
    idle: int = 0  # connections that stay open and silent meanwhile

    @property
    def headers(self) -> dict[str, str]:
        """The fields of every request, without Host."""
        return {**BROWSER_HEADERS, "Connection": "close"} if self.fresh else BROWSER_HEADERS


PLAIN = Load("plain GET", "A GET with 13 browser headers, 14 bytes back, on kept connections.")
VARYING = Load(
    "GET, headers varying",
    "The same with a cookie and a referer that no request had before: caches of header values do not help.",
    script="varying.lua",
)
LOADS = (
    PLAIN,
    VARYING,
    Load("GET, fresh connections", "The plain GET with a new connection for every request.", fresh=True),
    Load("POST of 10 KiB", "The application reads the body; 13 headers and those of the body.", "/post", 6, body=10240),
    Load("answer of 1 MiB", "A GET with 13 headers; 1 MiB back, as one piece.", "/large", 1024 * 1024),
    Load(
        f"GET beside {IDLE_CONNECTIONS:,} idle connections",
        f"The plain GET while {IDLE_CONNECTIONS:,} other connections, after a request on each, stay open and silent.",
        idle=IDLE_CONNECTIONS,
    ),
)
