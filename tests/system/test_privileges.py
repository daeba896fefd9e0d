"""Whom a worker runs as: in children, for there is no way back."""

from __future__ import annotations

import grp
import os
import pwd
import subprocess
import sys

import pytest

from prefork.errors import PrivilegeError
from prefork.system import privileges
from prefork.system.privileges import Identity

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may change user and group")

NOBODY = pwd.getpwnam("nobody")
OTHERS = Identity(54321, 54322, (54322, 54323))


def status(field: str) -> list[str]:
    """What the kernel says of this process (proc(5))."""
    with open("/proc/self/status") as lines:
        return next(line.split()[1:] for line in lines if line.startswith(field + ":"))


class TestIdentity:
    def test_nothing_asked_for(self):
        """Nothing changes."""
        assert privileges.identity(None, None) is None

    @needs_root
    def test_by_name(self):
        """The user's own group and supplementary groups come with the name."""
        found = privileges.identity("nobody", None)
        assert found == Identity(
            NOBODY.pw_uid,
            NOBODY.pw_gid,
            tuple(sorted(set(os.getgrouplist("nobody", NOBODY.pw_gid)))),
            "nobody",
            NOBODY.pw_dir,
        )

    @needs_root
    def test_by_number(self):
        """A number with an entry means the same as its name."""
        assert privileges.identity(str(NOBODY.pw_uid), None) == privileges.identity("nobody", None)

    @needs_root
    def test_a_number_without_an_entry(self):
        """It has no supplementary groups, and its group must be given."""
        assert privileges.identity("54321", "54322") == Identity(54321, 54322, (54322,))
        with pytest.raises(PrivilegeError, match=r"54321 is a number without an entry.*name a group"):
            privileges.identity("54321", None)

    @needs_root
    def test_another_group(self):
        """The group given takes the place of the user's own, and is one of its groups."""
        group = grp.getgrgid(0)
        found = privileges.identity("nobody", group.gr_name)
        assert found is not None
        assert found.gid == 0
        assert 0 in found.groups

    @needs_root
    def test_only_a_group(self):
        """The user stays."""
        found = privileges.identity(None, "54322")
        assert found is not None
        assert (found.uid, found.gid, found.groups) == (0, 54322, (54322,))

    @pytest.mark.parametrize("number", ["-1", "4294967295", "\u0661", "1.5", ""])
    def test_what_is_no_user(self, number):
        """The kernel takes the largest number, and -1, for "no change"."""
        with pytest.raises(PrivilegeError, match="there is no user"):
            privileges.identity(number, "0")

    def test_unknown_names_are_explained(self):
        """In the master, before anything forks."""
        with pytest.raises(PrivilegeError, match="there is no user 'no-such-user'"):
            privileges.identity("no-such-user", None)
        with pytest.raises(PrivilegeError, match="there is no group 'no-such-group'"):
            privileges.identity(None, "no-such-group")

    @needs_root
    def test_without_root_only_oneself(self, child):
        """Anybody else is refused with a sentence; oneself is fine, and changes nothing."""

        def live():
            privileges.drop(OTHERS)
            own = privileges.identity("54321", "54322")
            assert own is not None
            privileges.drop(own)
            with pytest.raises(PrivilegeError, match=r"cannot run as user nobody.*only root.*start preforkd as root"):
                privileges.identity("nobody", None)
            with pytest.raises(PrivilegeError, match="only root may change user and group"):
                privileges.drop(Identity(0, 0, ()))
            return os.getuid()

        assert child(live).result() == 54321


@needs_root
class TestDrop:
    def test_everything_changes(self, child):
        """Real, effective and saved user and group, and the supplementary groups."""

        def live():
            privileges.drop(OTHERS)
            return status("Uid"), status("Gid"), sorted(map(int, status("Groups"))), int(status("CapEff")[0], 16)

        assert child(live).result() == (["54321"] * 4, ["54322"] * 4, [54322, 54323], 0)

    def test_there_is_no_way_back(self, child):
        """Nothing that a worker may call makes it root again."""

        def live():
            privileges.drop(OTHERS)
            refused = 0
            attempts = ((os.setuid, 0), (os.seteuid, 0), (os.setgid, 0), (os.setgroups, [0]))
            for function, value in attempts:
                try:
                    function(value)
                except PermissionError:
                    refused += 1
            return refused, os.getresuid()

        assert child(live).result() == (4, (54321, 54321, 54321))

    def test_the_environment_follows(self, child):
        """Libraries that look for a home find one that they may read."""

        def live():
            wanted = privileges.identity("nobody", None)
            assert wanted is not None
            privileges.drop(wanted)
            return os.environ["HOME"], os.environ["USER"], os.environ["LOGNAME"]

        assert child(live).result() == (NOBODY.pw_dir, "nobody", "nobody")

    def test_root_may_stay_root(self, child):
        """An operator who names root gets it."""

        def live():
            wanted = privileges.identity("root", None)
            assert wanted is not None
            privileges.drop(wanted)
            return os.getresuid()

        assert child(live).result() == (0, 0, 0)

    def test_a_refusal_is_explained(self, child, monkeypatch):
        """As in a container without the capability."""

        def live():
            def refuse(_groups):
                raise PermissionError(1, "Operation not permitted")

            monkeypatch.setattr(os, "setgroups", refuse)
            with pytest.raises(PrivilegeError, match=r"cannot become user 54321.*CAP_SETUID"):
                privileges.drop(OTHERS)
            return os.getuid()

        assert child(live).result() == 0

    def test_a_change_that_did_not_happen_is_found(self, child, monkeypatch):
        """The result is looked at, not only the return values."""

        def live():
            monkeypatch.setattr(os, "setuid", lambda _uid: None)
            with pytest.raises(PrivilegeError, match="became user"):
                privileges.drop(OTHERS)

        child(live).result()


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is of Linux")
def test_no_new_privs(child):
    """It holds for whatever the process starts."""

    def live():
        before = status("NoNewPrivs")
        said = privileges.no_new_privs()
        told = subprocess.run(["grep", "NoNewPrivs", "/proc/self/status"], capture_output=True, check=True, text=True)
        return before, said, told.stdout.split()[1]

    assert child(live).result() == (["0"], True, "1")


def test_no_new_privs_elsewhere(monkeypatch):
    """A platform without it says so, and nothing is raised."""
    monkeypatch.setattr(sys, "platform", "freebsd14")
    assert privileges.no_new_privs() is False
