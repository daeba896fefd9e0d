"""A reload as a value: what whoever asked for it is told, and when it has ended; its course is in ``test_master``."""

from __future__ import annotations

from prefork.arbiter import facts
from prefork.arbiter.reload import ReloadState
from tests.unit.arbiter.service import Service, config


def test_reloads_are_numbered():
    """From the start of the master on, refused ones too."""
    service = Service().up()
    serials = []
    for _ in range(3):
        service.tell(facts.ReloadRequested())
        assert service.master.reload.last
        serials.append(service.master.reload.last.serial)
        service.tell(facts.ReloadRefused(("no such file",)))
    assert serials == [1, 2, 3]


def test_nothing_needs_a_restart_where_no_key_does():
    """Other keys that have changed are told of, and do not."""
    service = Service().up()
    service.tell(facts.ReloadRequested())
    service.tell(facts.ConfigLoaded(config(), {"live": ("log.level",)}))
    service.tell(facts.ListenersOpened(2))
    service.all_ready()
    assert service.reports("config_changed") == [{"live": "log.level"}]
    assert service.reports("restart_needed") == []


def test_a_reload_that_has_ended_stays_as_it_ended():
    """A file that is read only when the service stops already changes nothing."""
    service = Service().up()
    service.tell(facts.ReloadRequested())
    last = service.master.reload.last
    assert last
    service.tell(facts.StopRequested(graceful=True, signal="TERM"), after=1.0)
    assert (last.state, last.ended) == (ReloadState.SUPERSEDED, service.now)
    service.tell(facts.ConfigLoaded(config()), after=1.0)
    service.tell(facts.ListenersOpened(2))
    assert (last.state, last.ended) == (ReloadState.SUPERSEDED, service.now - 1.0)


def test_it_is_done_when_every_pool_has_its_number():
    """Not when one has, though the old generation takes no connection any more."""
    service = Service({"web": 1, "api": 1}).up()
    service.reload(config({"web": 1, "api": 3}))
    service.tell(facts.WorkerReady(3))
    service.tell(facts.WorkerReady(4))
    for old in (1, 2):
        service.tell(facts.AcceptingEnded(old))
    assert service.lives(generation=2) == {"web": ["ready"], "api": ["ready", "booting", "booting"]}
    assert service.reports("reload_done") == []
    service.all_ready()
    assert [told["workers"] for told in service.reports("reload_done")] == [4]


def test_listeners_of_another_generation_do_not_begin_a_trial():
    """They were opened for a reload that has been superseded."""
    service = Service().up()
    service.tell(facts.ReloadRequested())
    service.tell(facts.ConfigLoaded(config()))
    service.tell(facts.ReloadRequested())
    service.tell(facts.ConfigLoaded(config()))
    assert service.master.reload.trial
    assert service.tell(facts.ListenersOpened(2)) == []
    assert not service.master.reload.trial.opened
    service.tell(facts.ListenersOpened(3))
    assert service.lives(generation=3) == {"web": ["booting"]}


def test_a_reload_that_another_supersedes_has_ended():
    """Though its file was still being read."""
    service = Service().up()
    service.tell(facts.ReloadRequested())
    first = service.master.reload.last
    service.tell(facts.ReloadRequested(), after=1.0)
    assert first
    assert service.master.reload.last
    assert service.master.reload.last is not first
    assert (first.state, first.ended) == (ReloadState.SUPERSEDED, service.now)
    assert service.master.reload.last.began == service.now


def test_a_file_that_is_as_it_was_has_not_changed():
    """The applications are loaded anew, and of keys nothing is told."""
    service = Service().up()
    service.reload()
    assert service.reports("config_changed") == []
    assert service.reports("reload_started") == [{}]


def test_a_refusal_that_nobody_asked_for_is_told_all_the_same():
    """It is nobody's attempt."""
    service = Service().up()
    service.tell(facts.ReloadRefused(("a fault", "another")))
    assert [told["reason"] for told in service.reports("reload_refused")] == ["a fault", "another"]
    assert service.master.reload.last is None


def test_a_trial_that_a_pause_ends_is_superseded():
    """Whoever waits for the reload is told so."""
    service = Service().up()
    service.reload()
    service.tell(facts.PauseRequested(), after=1.0)
    last = service.master.reload.last
    assert last
    assert (last.state, last.ended) == (ReloadState.SUPERSEDED, service.now)
    assert service.reports("worker_retired") == []
    assert service.worker(2).life.cause == "workers paused (WINCH)"


def test_a_reload_that_is_done_says_how_long_it_took():
    """To the millisecond, with the generation, the workers and the pools."""
    service = Service().up()
    service.reload()
    service.tell(facts.WorkerReady(2), after=1.23456)
    service.tell(facts.AcceptingEnded(1))
    assert service.reports("reload_done") == [{"seconds": 1.235, "generation": 2, "workers": 1, "pools": 1}]
    assert service.master.reload.last
    assert service.master.reload.last.ended == service.now
