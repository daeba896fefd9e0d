"""One conformance suite for every kind of worker: HTTP/1.1, HTTP/1.0 and WSGI over real sockets.

``case.py`` says what a case is, ``cases/`` holds them as data by subject, ``client.py`` is the strict client,
``judge.py`` compares what happened with what the case expects, ``servers.py`` starts the daemon, and ``app.py`` is
the application behind it. The cases are written from RFC 9110, RFC 9112 and PEP 3333, never from the server's code.
"""
