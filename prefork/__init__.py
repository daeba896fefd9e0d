"""A pre-forking application server for Python, run as a Unix daemon from one TOML file.

**Processes.** One *master* opens the listening sockets, forks *workers* that all accept on them, and keeps those
workers alive, young and responsive. The master runs no application code and parses nothing from the network. A worker
loads its pool's application and serves. Where a pool preloads, a *template* loads the application and forks the
workers. Each worker has a row of the scoreboard, which the master reads, and a channel to the master. A worker is
made of two records (``worker.spec``), what it is told and what it is given, and nothing of other pools is in them.

**Rooms.** Each directory is a room; the header of each file says what it is, and names its log events
(*Diagnostics*).

- ``arbiter``: the master. The policy is pure: facts in (``facts``), orders out (``orders``). ``loop`` hears,
  ``executor`` does, and between them ``master`` decides on the state of ``situation``.
- ``worker``: what runs after the fork: ``boot``, the loop of each kind of worker (``sync``), the application's calls.
- ``http``: bytes to requests, responses to bytes, without I/O.
- ``config``: the models, the rules between keys, and how files become a configuration or a list of faults.
- ``control``: the control socket on both ends, and ``preforkctl``.
- ``system``: the operating system, one concept a file.
- ``observe``: logs and access records, from an event to a line in its place.
- ``cli``: ``preforkd``, where everything meets.

**Floors.** A module imports only from floors below, or from its own room; ``tests/unit/test_floors.py`` holds it::

    cli                                       where everything meets
    arbiter     worker     control            the master; what runs after the fork; preforkctl and its socket
    config      system     observe            files and the operating system
    pure modules                              config.models, http, facts and orders, settings: no I/O, no clock
    errors

**Journeys.**

*Start*: ``cli.reading`` has the file read (``config.load``, in a child: ``cli.apart``), ``cli.launch`` detaches
(``system.daemon``), takes the pidfile, and runs ``arbiter.loop.Arbiter``. The Arbiter opens the listeners and asks
``arbiter.master.Master`` what to do; the first orders are to spawn.

*A worker's life*: ``arbiter.spawning`` forks; ``worker.boot`` takes the identity, imports the application and runs
the loop; ``worker.supervision`` is the tie to the master. Its states are the table of ``arbiter.fleet``; at its end
``arbiter.death_report`` says what is known of it.

*A preloaded worker's life*: ``arbiter.templates`` owes the pool a template; ``worker.template`` imports the
application and forks workers on the master's order, which the master adopts (``arbiter.children``);
``worker.interpreter`` does that under the application's own interpreter. A warm worker may become the next template
(``worker.refork``).

*A request*: ``worker.sync`` is told by epoll, ``worker.connection`` reads bytes, ``http.connection`` makes a request
of them, ``worker.exchange`` calls the application with the environ of ``http.wsgi`` and runs its iterable to the end,
and ``worker.outbox`` holds what the client has not taken.

*A stuck request*: the worker rings (``worker.supervision``), ``arbiter.stalls`` looks at its row when the request
would be overdue, and ``arbiter.termination`` takes its stacks and ends it, step by step.

*A signal*: ``system.signals`` queues it, ``arbiter.loop`` turns it into a fact, ``Master.handle`` into orders
(``arbiter.commands`` says what each request means), and ``arbiter.executor`` carries them out. A command of
``preforkctl`` comes through ``control.server`` and ``arbiter.control``, is the same fact from there on, and is
answered by ``arbiter.answers``.

*A failure in the master*: an order that fails is a fact too (``OrderFailed``), tried again by ``arbiter.retries``;
what is raised where nothing should be ends in ``arbiter.survival``.

*A reload*: ``arbiter.reload`` puts the new generation on trial, ``arbiter.rolling`` replaces the old one. *An
upgrade*: ``arbiter.upgrade.successor`` starts the new master (``cli.restarting`` says how), ``system.handoff`` is
what it is given, ``arbiter.upgrade.policy`` the way there and back. *A restart*: the service manager keeps the
sockets meanwhile (``arbiter.fdstore``), and the next master finds them by ``system.activation``.
"""

__version__ = "0.1.0"
