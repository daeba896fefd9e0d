"""A pre-forking application server for Python, run as a Unix daemon from one TOML file.

**Processes.** One *master* opens the listening sockets, forks *workers* that all accept on them, and keeps those
workers alive, young and responsive. It runs no application code and parses nothing from the network. A worker loads
its pool's application and serves. Each worker has a row of a scoreboard that the master reads, and a channel to the
master. What a worker is told and what it is given are two records (``worker.spec``), and nothing of other pools is in
them.

**Floors.** A module imports only from floors below, or from its own room; a test holds it::

    cli                                       where everything meets
    arbiter     worker     control            the master; what runs after the fork; preforkctl and its socket
    config (files)     system     observe     the operating system, one concept a file
    pure modules                              models, http, facts and orders, settings: no I/O, no clock
    errors

**Journeys.**

*Start*: ``cli`` reads the file (``config.load``, in a child: ``cli.apart``), detaches (``system.daemon``), and
runs ``arbiter.loop.Arbiter``, which opens the listeners and lets ``arbiter.master.Master`` say what to do; the first
orders are to spawn.

*A worker's life*: ``arbiter.spawning`` forks; ``worker.boot`` takes the identity, imports the application,
and runs the loop of its kind (``worker.sync``); ready, stuck, retired and dead are told in ``arbiter.fleet``.

*A preloaded worker's life*: ``arbiter.templates`` owes the pool a template; ``worker.template`` imports the application
and forks workers on the master's order, which the master adopts; ``worker.interpreter`` does that under the
application's own interpreter. A warm worker may become the next template (``worker.refork``).

*A request*: ``worker.sync`` reads bytes, ``http.connection`` makes a request of them, ``http.wsgi`` an environ of
that and bytes of the answer.

*A signal*: ``system.signals`` queues it, ``arbiter.loop`` turns it into a fact, ``Master.handle`` into orders
(``arbiter.commands`` says what each request means), and ``arbiter.executor`` carries them out. A command of
``preforkctl`` comes through ``control.server`` and ``arbiter.control``, and is the same fact from there on.

*A reload*: ``arbiter.reload`` puts the new generation on trial, ``arbiter.rolling`` replaces the old one by it. *An
upgrade*: ``arbiter.upgrade.successor`` starts the new master, ``system.handoff`` is what it is given,
``arbiter.upgrade.policy`` the way there and back. *A restart*: the service manager keeps the sockets meanwhile
(``arbiter.fdstore``), and the next master finds them by ``system.activation``.
"""

__version__ = "0.1.0"
