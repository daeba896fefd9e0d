"""Opening, adopting and closing listeners."""

from __future__ import annotations

import os
import pwd
import re
import resource
import socket
import stat
import threading

import pytest

from prefork.config.addresses import FdAddress, SystemdAddress, TcpAddress, UnixAddress, parse
from prefork.errors import BindError, PrivilegeError
from prefork.system import activation, unixsocket
from prefork.system.listeners import Listener, open_listener

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to others")


@pytest.fixture
def opened():
    """Open listeners that are closed at the end, and a fresh look at what systemd passed."""
    listeners: list[Listener] = []
    activation._received.cache_clear()

    def open_one(address, **settings) -> Listener:
        listener = open_listener("web", address, **{"backlog": 16, **settings})
        listeners.append(listener)
        return listener

    yield open_one
    for listener in listeners:
        listener.close(unlink=True)
    activation._received.cache_clear()


@pytest.fixture
def unix(tmp_path):
    return UnixAddress(str(tmp_path / "web.sock"))


def greet(listener: Listener) -> None:
    """Somebody connects, and is accepted."""
    with socket.socket(listener.socket.family, socket.SOCK_STREAM) as client:
        client.connect(listener.socket.getsockname())
        accepted, _ = listener.socket.accept()
        accepted.close()


def mode_of(path: str) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def test_tcp_v4(opened):
    """A port of 0 becomes the one that the kernel chose, and connections are accepted there."""
    listener = opened(TcpAddress("127.0.0.1", 0))
    assert re.fullmatch(r"127\.0\.0\.1:[1-9][0-9]+", listener.address)
    greet(listener)


def test_tcp_v6(opened):
    """An IPv6 address is shown in brackets."""
    listener = opened(TcpAddress("::1", 0))
    assert re.fullmatch(r"\[::1\]:[1-9][0-9]+", listener.address)
    greet(listener)


def test_the_v6_wildcard_takes_v4_clients(opened):
    """[::] serves both kinds, whatever the machine's default is."""
    listener = opened(TcpAddress("::", 0))
    with socket.create_connection(("127.0.0.1", listener.socket.getsockname()[1])):
        accepted, peer = listener.socket.accept()
        accepted.close()
    assert peer[0] == "::ffff:127.0.0.1"


def test_a_name_is_resolved(opened):
    """A host name works where one of its addresses does."""
    assert opened(TcpAddress("localhost", 0)).address.rpartition(":")[0] in {"127.0.0.1", "[::1]"}


@pytest.mark.parametrize("text", ["127.0.0.1:0", "unix:@prefork-test-flags"])
def test_a_listener_never_blocks_and_closes_on_exec(opened, text):
    """Accepting from an empty queue returns, and a started program does not hold the port."""
    listener = opened(parse(text))
    assert listener.socket.getblocking() is False
    assert not listener.socket.get_inheritable()


def test_accepted_sockets_inherit_nodelay(opened):
    """Small answers go out at once, without a system call a connection."""
    listener = opened(TcpAddress("127.0.0.1", 0))
    with socket.create_connection(listener.socket.getsockname()):
        accepted, _ = listener.socket.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_port_in_use_is_explained(opened):
    """The message names the listener, the address, and how to find who has it."""
    port = opened(TcpAddress("127.0.0.1", 0)).socket.getsockname()[1]
    with pytest.raises(BindError, match=rf"'web' cannot listen on 127.0.0.1:{port}: Address already in use.*ss -ltnp"):
        opened(TcpAddress("127.0.0.1", port))


def test_a_port_is_taken_again_at_once(opened):
    """Connections of a former life that linger do not forbid the address."""
    first = opened(TcpAddress("127.0.0.1", 0))
    address = first.socket.getsockname()
    client = socket.create_connection(address)
    accepted, _ = first.socket.accept()
    accepted.close()  # the side that closes first lingers
    client.close()
    first.close(unlink=True)
    opened(TcpAddress(*address))


def test_an_address_in_use_is_waited_for_if_asked(opened):
    """The workers of a master that was killed have it until they have finished."""
    before = socket.create_server(("127.0.0.1", 0))
    port = before.getsockname()[1]
    threading.Timer(0.1, before.close).start()
    assert opened(TcpAddress("127.0.0.1", port), patience=10.0).address == f"127.0.0.1:{port}"


def test_an_address_of_another_machine_is_explained(opened):
    """192.0.2.0/24 belongs to documentation (RFC 5737), and to no machine."""
    with pytest.raises(BindError, match="does not have that address"):
        opened(TcpAddress("192.0.2.1", 0))


def test_an_unknown_name_is_explained(opened):
    """The top level domain .invalid has no names (RFC 2606)."""
    with pytest.raises(BindError, match=r"'no\.such\.invalid' cannot be resolved"):
        opened(TcpAddress("no.such.invalid", 80))


def test_unix(opened, unix):
    """The socket is where it was asked for, and connections are accepted there."""
    listener = opened(unix)
    assert listener.address == str(unix)
    greet(listener)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_without_a_mode_only_owner_and_group_may_connect(opened, unix, umask):
    """The umask, of 0 least of all, does not decide who may connect (PEERS 3.19)."""
    before = os.umask(umask)
    try:
        opened(unix)
    finally:
        assert os.umask(before) == umask
    assert mode_of(unix.path) == 0o660


def test_the_mode_asked_for_is_exact(opened, unix):
    """A mode in the configuration holds, whatever the umask is."""
    opened(unix, mode=0o666)
    assert mode_of(unix.path) == 0o666


def test_the_rights_are_never_wider_than_asked_for(opened, unix, monkeypatch):
    """Between its birth and its mode the file lets nobody but us in."""
    seen = []
    chmod = os.chmod
    monkeypatch.setattr(os, "chmod", lambda path, mode: (seen.append(mode_of(path)), chmod(path, mode)))
    before = os.umask(0)
    try:
        opened(unix, mode=0o666)
    finally:
        os.umask(before)
    assert seen == [0o600]


@needs_root
def test_the_owner_asked_for(opened, unix):
    """User and group are names or numbers."""
    opened(unix, user="nobody", group="4242")
    assert os.stat(unix.path).st_gid == 4242
    assert os.stat(unix.path).st_uid not in {0, 4242}


def test_an_unknown_owner_is_explained_and_leaves_nothing(opened, unix):
    """Nothing is bound when the owner does not exist."""
    with pytest.raises(BindError, match="no group 'no-such-group'"):
        opened(unix, group="no-such-group")
    assert not os.path.exists(unix.path)


def test_a_stale_socket_is_replaced(opened, unix):
    """The file that a killed server left is recognised by connecting to it."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(unix.path)
        dead.listen()
    greet(opened(unix))


def test_a_live_socket_is_never_taken_over(opened, unix):
    """A second server on the path is refused, and the clients of the first do not notice (PEERS 3.20)."""
    first = opened(unix)
    with pytest.raises(BindError, match=r"Address already in use.*another process listens there"):
        opened(unix)
    first.socket.accept()[0].close()  # the look at it
    greet(first)


def test_a_live_server_with_a_full_queue_is_alive(opened, unix):
    """A server that does not accept at the moment is not mistaken for a dead one."""
    with socket.socket(socket.AF_UNIX) as busy:
        busy.bind(unix.path)
        busy.listen(0)
        waiting = []
        while not waiting or waiting[-1].connect_ex(unix.path) == 0:
            waiting.append(socket.socket(socket.AF_UNIX))
            waiting[-1].setblocking(False)
        with pytest.raises(BindError, match="Address already in use"):
            opened(unix)
        for client in waiting:
            client.close()
    assert os.path.exists(unix.path)


def test_what_is_no_socket_is_never_touched(opened, unix):
    """A typing error in the configuration does not cost a file."""
    with open(unix.path, "w") as file:
        file.write("precious")
    with pytest.raises(BindError, match="the file there is not a socket"):
        opened(unix)
    with open(unix.path) as file:
        assert file.read() == "precious"


def test_a_link_is_no_socket(opened, unix, tmp_path):
    """Whoever may write to the directory cannot make root unlink something elsewhere."""
    os.symlink(tmp_path / "elsewhere", unix.path)
    with pytest.raises(BindError, match="not a socket"):
        opened(unix)
    assert os.path.islink(unix.path)


@needs_root
def test_a_link_that_takes_the_place_of_the_socket_is_given_to_nobody(opened, unix, tmp_path, monkeypatch):
    """Whoever may write to the directory cannot make root give away, or open up, a file elsewhere."""
    secret = tmp_path / "secret"
    secret.touch(0o600)
    bind = unixsocket._bind_under_safe_umask

    def bind_and_lose_it(sock: socket.socket, path: str) -> None:
        bind(sock, path)
        os.unlink(path)
        os.symlink(secret, path)

    monkeypatch.setattr(unixsocket, "_bind_under_safe_umask", bind_and_lose_it)
    with pytest.raises(BindError):
        opened(unix, mode=0o666, user="nobody")
    assert mode_of(secret) == 0o600
    assert secret.stat().st_uid == 0


def test_a_missing_directory_is_explained(opened, tmp_path):
    """It is not made: whoever installs the service chooses its owner and mode."""
    with pytest.raises(BindError, match="the directory must exist"):
        opened(UnixAddress(str(tmp_path / "none" / "web.sock")))


def test_closing_unlinks_what_is_ours(opened, unix):
    """The file goes with its server; without unlink it stays, for a successor."""
    listener = opened(unix)
    listener.close(unlink=False)
    assert os.path.exists(unix.path)
    listener = opened(unix)
    listener.close(unlink=True)
    assert not os.path.exists(unix.path)


def test_closing_leaves_anothers_file(opened, unix):
    """The end of a server whose path was taken by another does not take that one down."""
    first = opened(unix)
    os.unlink(unix.path)
    second = opened(unix)
    first.close(unlink=True)
    greet(second)


def test_an_abstract_name(opened):
    """It has no file, and it is refused to a second server."""
    listener = opened(UnixAddress("@prefork-test-abstract"))
    assert listener.address == "unix:@prefork-test-abstract"
    greet(listener)
    with pytest.raises(BindError, match="Address already in use"):
        opened(UnixAddress("@prefork-test-abstract"))


@pytest.fixture
def passed():
    """A listening socket as a parent process would pass it."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        sock.set_inheritable(True)
        yield sock


def test_an_inherited_descriptor(opened, passed):
    """It is adopted, made non-blocking, and no program that is started inherits it further."""
    listener = opened(FdAddress(passed.fileno()))
    assert listener.socket.getblocking() is False
    assert not passed.get_inheritable()
    greet(listener)


def test_an_inherited_descriptor_can_be_dropped_and_taken_up_again(opened, passed):
    """Reloads may remove a listener and bring it back."""
    opened(FdAddress(passed.fileno())).close(unlink=True)
    greet(opened(FdAddress(passed.fileno())))


def test_a_closed_descriptor_is_explained(opened, passed):
    """Whoever starts prefork has to pass it."""
    number = passed.fileno()
    passed.close()
    with pytest.raises(BindError, match=f"descriptor {number}.*is not open"):
        opened(FdAddress(number))


def test_a_file_is_no_listener(opened, tmp_path):
    """The message says what the descriptor is not."""
    with (tmp_path / "file").open("w") as file, pytest.raises(BindError, match="the descriptor is not a socket"):
        opened(FdAddress(file.fileno()))


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_socket_that_does_not_listen_is_refused(opened, kind):
    """A connection, or a datagram socket, is no listener; and it stays open."""
    one, two = socket.socketpair(socket.AF_UNIX, kind)
    with one, two:
        with pytest.raises(BindError, match="not a listening stream socket"):
            opened(FdAddress(one.fileno()))
        with pytest.raises(BindError, match="not a listening stream socket"):
            Listener.inherit("web", one.fileno(), "fd:3")
        one.send(b"still open")


@pytest.mark.parametrize("kind", ["file", "socket"])
def test_a_refused_descriptor_costs_none(opened, tmp_path, kind):
    """A reload that fails again and again does not fill the master's table."""
    with (tmp_path / "file").open("w") as file, socket.socket() as sock:
        number = file.fileno() if kind == "file" else sock.fileno()
        before = os.dup(number)
        os.close(before)
        with pytest.raises(BindError):
            opened(FdAddress(number))
        after = os.dup(number)  # the lowest free number is the same
        os.close(after)
        assert after == before


def test_a_full_table_of_descriptors_is_explained(opened, passed, unix):
    """It is a failed listener for whoever asked, never an end of the master."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = os.dup(passed.fileno())
    os.close(highest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest, hard))
    try:
        for address in (FdAddress(passed.fileno()), unix, UnixAddress("@prefork-full"), TcpAddress("127.0.0.1", 0)):
            with pytest.raises(BindError, match="Too many open files"):
                opened(address)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_file_that_cannot_be_unlinked_does_not_hinder_the_closing(opened, unix, monkeypatch):
    """The next start knows a stale file when it sees one."""
    listener = opened(unix)

    def refuse(_path, **_directory):
        raise PermissionError

    monkeypatch.setattr(os, "unlink", refuse)
    listener.close(unlink=True)
    assert listener.socket.fileno() == -1


@pytest.mark.skipif(os.geteuid() != 0, reason="some kernels let only root filter what arrives at a socket")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_newcomers_wait_outside_and_those_in_the_queue_are_served(opened, host):
    """What has connected is accepted and heard; a new one is not let in, and is refused when the socket has gone."""
    listener = opened(TcpAddress(host, 0))
    address = listener.socket.getsockname()
    with socket.socket(listener.socket.family, socket.SOCK_STREAM) as queued:
        queued.connect(address)
        listener.refuse_newcomers()
        queued.sendall(b"hello")
        accepted, _ = listener.socket.accept()
        with accepted:
            accepted.settimeout(5)
            assert accepted.recv(5) == b"hello"
    with socket.socket(listener.socket.family, socket.SOCK_STREAM) as late:
        late.settimeout(0.2)
        with pytest.raises(TimeoutError):
            late.connect(address)
    listener.close(unlink=True)
    with socket.socket(listener.socket.family, socket.SOCK_STREAM) as later, pytest.raises(ConnectionRefusedError):
        later.connect(address)


def test_newcomers_are_never_kept_from_a_socket_that_another_keeps(opened, passed):
    """What systemd holds is open for the next start."""
    listener = opened(FdAddress(passed.fileno()))
    listener.refuse_newcomers()
    greet(listener)


def test_a_socket_of_systemd(opened, passed, monkeypatch):
    """It is found by its name, as often as reloads ask."""
    monkeypatch.setattr(activation, "FIRST", passed.fileno())
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    monkeypatch.setenv("LISTEN_FDS", "1")
    monkeypatch.setenv("LISTEN_FDNAMES", "web")
    greet(opened(SystemdAddress("web")))
    greet(opened(SystemdAddress("web")))
    assert not any(name.startswith("LISTEN_") for name in os.environ)


def test_a_missing_socket_of_systemd_is_explained(opened):
    """As when the unit was started without its .socket unit."""
    with pytest.raises(BindError, match="'web' has no socket from systemd: systemd passed no socket"):
        opened(SystemdAddress("web"))


def test_a_successor_takes_a_unix_socket_over(opened, unix):
    """It may unlink the file at its end, as the one that bound it would have."""
    old = opened(unix)
    new = Listener.inherit("web", os.dup(old.socket.fileno()), str(unix))
    old.close(unlink=False)
    assert new.address == str(unix)
    greet(new)
    new.close(unlink=True)
    assert not os.path.exists(unix.path)


def test_a_successor_does_not_unlink_what_was_passed(opened, unix):
    """A unix socket that systemd made is systemd's, also after an upgrade."""
    old = opened(unix)
    Listener.inherit("web", os.dup(old.socket.fileno()), "systemd:web").close(unlink=True)
    assert os.path.exists(unix.path)


def test_changed_settings_are_put_in_force(opened, unix):
    """Backlog and mode change on the open socket; nothing is closed."""
    listener = opened(unix)
    listener.renew(backlog=64, mode=0o600, user=None, group=None)
    assert mode_of(unix.path) == 0o600
    listener.renew(backlog=64, mode=None, user=None, group=None)
    assert mode_of(unix.path) == 0o660
    greet(listener)


@needs_root
def test_another_owner_is_given_the_file(opened, unix):
    """And one that there is not is said."""
    listener = opened(unix)
    listener.renew(backlog=64, mode=None, user="nobody", group=None)
    assert os.stat(unix.path).st_uid == pwd.getpwnam("nobody").pw_uid
    with pytest.raises(PrivilegeError, match="nosuchuser"):
        listener.renew(backlog=64, mode=None, user="nosuchuser", group=None)


class TestActivation:
    """sd_listen_fds(3)."""

    def test_nothing_was_passed(self):
        """Without the variables there are no sockets."""
        assert activation.take({}, 7) == {}

    def test_names_belong_to_numbers(self):
        """Descriptors count from 3; what has no name is called "unknown"."""
        environment = {"LISTEN_PID": "7", "LISTEN_FDS": "3", "LISTEN_FDNAMES": "web::tls", "PATH": "/bin"}
        assert activation.take(environment, 7) == {3: "web", 4: "unknown", 5: "tls"}
        assert environment == {"PATH": "/bin"}

    def test_no_names_at_all(self):
        """LISTEN_FDNAMES is younger than the protocol."""
        assert activation.take({"LISTEN_PID": "7", "LISTEN_FDS": "1"}, 7) == {3: "unknown"}

    @pytest.mark.parametrize(
        ("environment", "sentence"),
        [
            ({"LISTEN_PID": "8", "LISTEN_FDS": "1"}, "LISTEN_PID is 8, but this is process 7"),
            ({"LISTEN_FDS": "1"}, "LISTEN_PID is not set"),
            ({"LISTEN_PID": "7", "LISTEN_FDS": "many"}, "'many', which is not a number"),
        ],
    )
    def test_what_is_not_ours_is_refused(self, environment, sentence):
        """And it is taken out of the environment all the same."""
        with pytest.raises(LookupError, match=sentence):
            activation.take(environment, 7)
        assert environment == {}

    def test_two_sockets_of_one_name_are_refused(self, monkeypatch):
        """A listener is one socket, so a name must mean one."""
        monkeypatch.setattr(activation, "_received", lambda: {3: "web", 4: "web", 5: "tls"})
        with pytest.raises(LookupError, match=r"2 sockets are named 'web'.*fd:3, fd:4"):
            activation.descriptor("web")
        assert activation.descriptor("tls") == 5
        with pytest.raises(LookupError, match="no socket named 'x' was passed; passed were tls, web"):
            activation.descriptor("x")


class TestMending:
    """M11: what a worker did to the socket that all share."""

    @pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
    @pytest.mark.parametrize("how", [socket.SHUT_RD, socket.SHUT_RDWR])
    def test_a_tcp_socket_that_was_shut_down_listens_again(self, opened, host, how):
        """At its own port, also where the kernel chose that."""
        listener = opened(TcpAddress(host, 0))
        before = listener.socket.getsockname()
        listener.socket.shutdown(how)
        assert listener.mend() == "a worker shut the socket down"
        assert not listener.shut_down
        assert listener.socket.getsockname() == before
        greet(listener)
        assert listener.mend() == ""

    def test_a_unix_socket_that_was_shut_down_has_to_be_opened_anew(self, opened, unix):
        """Its end is final."""
        listener = opened(unix)
        assert listener.fault == ""
        listener.socket.shutdown(socket.SHUT_RDWR)
        assert listener.mend() == "a worker shut the socket down"
        assert listener.shut_down
        assert listener.fault == "a worker shut the socket down"

    def test_a_removed_file_is_a_fault(self, opened, unix):
        """P11: clients find nobody there."""
        listener = opened(unix)
        os.unlink(unix.path)
        assert listener.fault == "the file of the socket was removed or replaced"
        assert listener.mend() == ""

    def test_a_blocking_socket_is_made_nonblocking(self, opened):
        """And until then no accept waits for long."""
        listener = opened(TcpAddress("127.0.0.1", 0))
        os.set_blocking(listener.socket.fileno(), True)
        with pytest.raises(BlockingIOError):
            listener.socket.accept()
        assert listener.mend() == "a worker made the socket blocking"
        assert not os.get_blocking(listener.socket.fileno())

    def test_a_filter_is_taken_off_but_for_our_own(self, opened):
        """The one that keeps newcomers away at the end stays."""
        listener = opened(TcpAddress("127.0.0.1", 0))
        listener.refuse_newcomers()
        assert listener.mend() == ""
        other = opened(TcpAddress("127.0.0.1", 0))
        other.refuse_newcomers()
        other._refusing = False
        assert other.mend() == "a worker attached a filter to the socket"
