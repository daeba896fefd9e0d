"""Where an agent sends its traces: an HTTP server of the test that keeps what it is sent."""

from __future__ import annotations

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

ANSWER = b'{"rate_by_service": {}, "endpoints": ["/v0.4/traces", "/v0.5/traces"]}'


class Collector:
    """Of Datadog's traces, beside a test: ``with Collector() as collector``."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        received = self.received

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def take(self) -> None:
                """Keep what was sent, and agree."""
                received.append(self._body())
                self.send_response(200)
                self.send_header("Content-Length", str(len(ANSWER)))
                self.end_headers()
                self.wfile.write(ANSWER)

            do_GET = do_POST = do_PUT = take  # noqa: N815 - the names that the library looks for

            def _body(self) -> bytes:
                if "chunked" not in self.headers.get("Transfer-Encoding", ""):
                    return self.rfile.read(int(self.headers.get("Content-Length", 0)))
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body

            def log_message(self, *_arguments: object) -> None:
                """Say nothing on standard error."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def variables(self) -> dict[str, str]:
        """The environment of an agent that sends its traces here, and talks to nobody else."""
        return {
            "DD_TRACE_AGENT_URL": f"http://127.0.0.1:{self._server.server_port}",
            "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
            "DD_REMOTE_CONFIGURATION_ENABLED": "false",
        }

    def found(self, pattern: bytes) -> list[str]:
        """What the group of a pattern matched in all that was received."""
        return [match.decode() for data in self.received for match in re.findall(pattern, data)]

    def __enter__(self) -> Collector:  # noqa: PYI034 - nobody derives from it
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
