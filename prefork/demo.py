"""The application of ``prefork.toml.example``: a page that shows which worker answered, and what to try next."""

from __future__ import annotations

import html
import os
import time
from collections.abc import Callable, Iterable
from typing import Any

STARTED = time.monotonic()

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>prefork: worker {worker}, generation {generation}</title>
<style>
:root {{ color-scheme: light dark; --line: #8884 }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 3rem auto; padding: 0 1rem }}
h1 {{ font-size: 1.5rem }}
dl {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(5.5rem, 1fr)); gap: .75rem; padding: 0 }}
dl div {{ border: 1px solid var(--line); border-radius: .5rem; padding: .5rem .75rem }}
dt {{ font-size: .8rem; opacity: .7 }} dd {{ margin: 0; font-size: 1.4rem; font-variant-numeric: tabular-nums }}
table {{ border-collapse: collapse; width: 100% }}
td {{ border-top: 1px solid var(--line); padding: .4rem .75rem .4rem 0; vertical-align: top }}
code {{ font: .95em ui-monospace, monospace; white-space: nowrap }}
</style></head><body>
<h1>prefork is serving</h1>
<p>This page came from one of its workers. Reload it, and watch who answers.</p>
<dl>
<div><dt>pool</dt><dd>{pool}</dd></div>
<div><dt>worker</dt><dd>{worker}</dd></div>
<div><dt>generation</dt><dd>{generation}</dd></div>
<div><dt>pid</dt><dd>{pid}</dd></div>
<div><dt>up for</dt><dd>{uptime:.0f} s</dd></div>
<div><dt>requests</dt><dd>{served}</dd></div>
</dl>
<h2>What to try</h2>
<table>
<tr><td><code>kill -HUP {master}</code></td><td>Reload the configuration and the application: new workers, one generation up. The old ones serve until the new are ready.</td></tr>
<tr><td><code>kill -TTIN {master}</code></td><td>One worker more; <code>-TTOU</code> is one fewer.</td></tr>
<tr><td><code>kill -KILL {pid}</code></td><td>Kill this worker. The log says how it died, and another takes its place.</td></tr>
<tr><td><code>kill -USR2 {master}</code></td><td>Start a new master beside this one, on the same sockets. Then <code>kill -TERM {master}</code> completes the upgrade.</td></tr>
<tr><td><code>kill -TERM {master}</code></td><td>Stop: requests in flight finish first.</td></tr>
</table>
<p>Then copy <code>prefork.toml.example</code>, and let <code>app</code> name your own application.</p>
</body></html>
"""

_served = 0


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """A WSGI application (PEP 3333): one page, whatever the path."""
    global _served
    _served += 1
    page = PAGE.format(
        pool=html.escape(os.environ.get("PREFORK_POOL", "?")),
        worker=os.environ.get("PREFORK_WORKER", "?"),
        generation=os.environ.get("PREFORK_GENERATION", "?"),
        pid=os.getpid(),
        master=os.getppid(),
        uptime=time.monotonic() - STARTED,
        served=_served,
    ).encode()
    start_response(
        "200 OK",
        [
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Length", str(len(page))),
            ("Cache-Control", "no-store"),
        ],
    )
    return [page]
