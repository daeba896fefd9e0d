"""The application of the operator tests, copied to the daemon's directory: it can be slow, stuck, or fatal."""

import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

HERE = Path(__file__).parent
GROWN = []


def application(environ, start_response):  # noqa: PLR0912 - a path a branch
    path = environ["PATH_INFO"]
    status, body = "200 OK", b"hello"
    if path == "/pid":
        body = str(os.getpid()).encode()
    elif path == "/wait":  # until the test lets it go
        (HERE / "waiting").touch()
        while not (HERE / "go").exists():
            time.sleep(0.005)
        body = b"waited"
    elif path == "/big":  # more than the buffers of two sockets hold
        body = bytes(32 << 20)
    elif path == "/hang":
        (HERE / "waiting").touch()
        while True:
            time.sleep(3600)
    elif path == "/lock":
        (HERE / "waiting").touch()
        lock = threading.Lock()
        with lock, lock:
            pass
    elif path == "/join":
        (HERE / "waiting").touch()
        thread = threading.Thread(target=time.sleep, args=(3600,), daemon=True)
        thread.start()
        thread.join()
    elif path == "/recv":
        (HERE / "waiting").touch()
        ours, _theirs = socket.socketpair()
        ours.recv(1)
    elif path == "/spin":
        (HERE / "waiting").touch()
        while True:
            pass
    elif path == "/hold":  # C code that does not let go of the interpreter
        sum(range(10**15))
    elif path == "/kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif path == "/grow":
        GROWN.append(b"x" * (200 << 20))
    elif path == "/orphan":  # the process that it starts is soon nobody's child
        command = ["sh", "-c", "sleep 0.2 & echo $!"]
        body = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    elif path == "/crash":
        raise RuntimeError("the application has crashed")
    elif path == "/identity":
        body = f"{os.getuid()} {os.getgid()} {sorted(os.getgroups())} {os.umask(0):o}".encode()
    elif path == "/environ":
        body = os.environ.get(environ["QUERY_STRING"], "").encode()
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
