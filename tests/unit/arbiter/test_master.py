"""The policy of the master, a sentence a test; random lives are in tests/simulation."""

from __future__ import annotations

from signal import Signals

import pytest

from prefork.arbiter import executor, facts, orders, policy, situation
from prefork.arbiter.fleet import ServiceState
from tests.unit.arbiter.service import Service, config

TERM = facts.StopRequested(graceful=True, signal="TERM")
QUIT = facts.StopRequested(graceful=False, signal="QUIT")


class TestStart:
    def test_every_pool_is_filled_at_once_and_then_the_service_is_ready(self):
        """Whoever waits is told once, when the last worker of the last pool is ready."""
        service = Service({"web": 2, "api": 1})
        service.tell(facts.TimePassed())
        assert service.lives() == {"web": ["booting", "booting"], "api": ["booting"]}
        service.tell(facts.WorkerReady(1))
        service.tell(facts.WorkerReady(2))
        assert service.told(orders.AnnounceReady) == []
        service.tell(facts.WorkerReady(3))
        assert service.told(orders.AnnounceReady) == [orders.AnnounceReady()]
        assert service.master.state is ServiceState.SERVING
        assert service.asleep

    def test_what_cannot_boot_ends_the_master(self):
        """Exit 70 with the traceback, and only when no child is left."""
        service = Service({"web": 2})
        service.tell(facts.TimePassed())
        service.tell(facts.WorkerReady(2))
        service.tell(facts.BootFailed(1, "ImportError: shop"))
        service.die(1, "exit code 70")
        assert service.told(orders.KillWorker) == [orders.KillWorker(2, Signals.SIGQUIT)]
        assert service.told(orders.Exit) == []
        service.die(2, "exit code 0")
        [ending] = service.told(orders.Exit)
        assert ending.code == 70
        assert "ImportError: shop" in ending.reason

    def test_a_boot_that_hangs_ends_the_master(self):
        """Its stacks are taken, it is aborted, and then it is a boot that failed."""
        service = Service(boot=5.0)
        service.tell(facts.TimePassed())
        service.pass_time(5.0)
        assert service.told(orders.DumpStacks) == [orders.DumpStacks(1)]
        service.tell(facts.StacksDumped(1, "slow.py, line 2"))
        service.pass_time(1.0)
        assert service.told(orders.KillWorker) == [orders.KillWorker(1, Signals.SIGABRT)]
        service.die(1, "signal SIGABRT")
        service.retired_go()  # it had been replaced already
        assert "boot timeout\nslow.py, line 2" in service.told(orders.Exit)[0].reason

    def test_a_fork_that_fails_at_the_start_is_tried_again(self):
        """It says nothing about the application."""
        service = Service()
        service.forks = False
        service.tell(facts.TimePassed())
        assert service.reports("spawn_failed")[0]["next_try_in"] == 1.0
        service.forks = True
        service.pass_time(1.0)
        service.all_ready()
        assert service.master.state is ServiceState.SERVING

    def test_a_ready_worker_that_dies_before_the_service_is_up_is_replaced(self):
        """It has shown that the application can boot."""
        service = Service({"web": 2})
        service.tell(facts.TimePassed())
        service.tell(facts.WorkerReady(1))
        service.die(1)
        assert service.master.state is ServiceState.STARTING
        service.all_ready()
        assert service.master.state is ServiceState.SERVING

    def test_term_before_it_is_up_stops_it(self):
        """With status 0: it was asked to."""
        service = Service({"web": 2})
        service.tell(facts.TimePassed())
        service.tell(facts.WorkerReady(1))
        service.tell(TERM)
        assert service.told(orders.RetireWorker) == [
            orders.RetireWorker(1, drain=True),
            orders.RetireWorker(2, drain=True),
        ]
        service.retired_go()
        assert service.told(orders.Exit) == [orders.Exit(0)]

    @pytest.mark.parametrize("fact", [facts.ReloadRequested(), facts.PauseRequested()])
    def test_hup_and_winch_before_it_is_up_change_nothing(self, fact: facts.Fact):
        """There is no old generation that could serve meanwhile."""
        service = Service()
        service.tell(facts.TimePassed())
        service.tell(fact)
        assert service.told(orders.LoadConfig) == []
        assert service.lives() == {"web": ["booting"]}


class TestStop:
    def test_gracefully_everybody_drains_and_the_listeners_go_last(self):
        """The master closes its own; the last worker's close is the last, and then the master ends."""
        service = Service({"web": 2}).up()
        given = service.tell(TERM)
        assert orders.StopListening(last=True) in given
        assert service.told(orders.RetireWorker) == [
            orders.RetireWorker(1, drain=True),
            orders.RetireWorker(2, drain=True),
        ]
        service.die(1, "exit code 0")
        assert service.told(orders.Exit) == []
        service.die(2, "exit code 0")
        assert service.told(orders.Exit) == [orders.Exit(0)]

    def test_nobody_is_replaced_while_it_stops(self):
        """Not even one that is killed."""
        service = Service({"web": 2}).up()
        service.tell(TERM)
        service.die(1, "signal SIGKILL")
        assert service.lives() == {"web": ["retiring"]}

    def test_a_second_term_is_nothing_and_quit_hastens(self):
        """Each is told to quit, once."""
        service = Service({"web": 2}).up()
        service.tell(TERM)
        assert service.tell(TERM) == []
        assert service.tell(QUIT) == [orders.KillWorker(1, Signals.SIGQUIT), orders.KillWorker(2, Signals.SIGQUIT)]
        assert service.tell(QUIT) == []

    def test_whoever_does_not_quit_is_killed(self):
        """After two seconds."""
        service = Service().up()
        service.tell(QUIT)
        service.pass_time(policy.QUIT_WITHIN)
        assert service.told(orders.KillWorker)[-1] == orders.KillWorker(1, Signals.SIGKILL)

    def test_term_during_a_trial_ends_the_trial(self):
        """At once: nobody waits for a canary."""
        service = Service().up()
        service.reload()
        service.tell(TERM)
        assert service.told(orders.DropGeneration) == [orders.DropGeneration(2)]
        assert service.lives() == {"web": ["retiring", "retiring"]}
        service.retired_go()
        assert service.told(orders.Exit) == [orders.Exit(0)]

    def test_term_during_a_roll_ends_both_generations(self):
        """And no reload is reported as done."""
        service = Service({"web": 3}).up()
        service.reload()
        service.tell(facts.WorkerReady(4))
        assert len(service.lives(generation=2)["web"]) >= 1
        service.tell(TERM)
        service.retired_go()
        assert service.told(orders.Exit) == [orders.Exit(0)]
        assert service.reports("reload_done") == []


class TestReload:
    def test_one_canary_a_pool_then_the_roll(self):
        """Nothing of the old generation is touched before every pool's canary is ready."""
        service = Service({"web": 2, "api": 1}).up()
        service.given.clear()
        service.reload()
        assert service.lives(generation=2) == {"web": ["booting"], "api": ["booting"]}
        service.tell(facts.WorkerReady(4))
        assert service.told(orders.AdoptGeneration) == []
        assert service.told(orders.RetireWorker) == []
        service.tell(facts.WorkerReady(5))
        assert [order.generation for order in service.told(orders.AdoptGeneration)] == [2]
        service.all_ready()
        assert service.lives(generation=2) == {"web": ["ready", "ready"], "api": ["ready"]}
        assert service.lives(generation=1) == {"web": ["retiring", "retiring"], "api": ["retiring"]}
        assert service.reports("reload_done") == []
        for old in (1, 2, 3):
            service.tell(facts.AcceptingEnded(old))
        [done] = service.reports("reload_done")
        assert (done["generation"], done["workers"]) == (2, 3)

    def test_the_roll_does_not_wait_for_a_word_of_those_who_retire(self):
        """One that has a long request says nothing before it is done; meanwhile the others are replaced."""
        service = Service({"web": 3}).up()
        service.reload()
        for canary in (4, 5, 6):
            service.tell(facts.WorkerReady(canary))
        assert service.lives() == {"web": ["retiring"] * 3 + ["ready"] * 3}

    def test_done_does_not_wait_for_long_requests(self):
        """Only for the old ones to accept no more: what they have, they may finish in peace."""
        service = Service().up()
        service.reload()
        service.all_ready()
        service.tell(facts.AcceptingEnded(1))
        assert service.reports("reload_done")
        assert service.state(1) == "retiring"

    def test_a_canary_that_dies_refuses_the_reload(self):
        """Its traceback is the reason; its generation's other canaries go, its listeners are closed, nothing else changes."""
        service = Service({"web": 2, "api": 1}).up()
        service.given.clear()
        service.reload()
        service.tell(facts.WorkerReady(4))
        service.tell(facts.BootFailed(5, "ImportError: shop"))
        service.die(5, "exit code 70")
        [refused] = service.reports("reload_refused")
        assert "ImportError: shop" in refused["reason"]
        assert refused["generation"] == 1
        assert service.told(orders.DropGeneration) == [orders.DropGeneration(2)]
        assert service.told(orders.RetireWorker) == [orders.RetireWorker(4, drain=False)]
        assert service.lives(generation=1) == {"web": ["ready", "ready"], "api": ["ready"]}
        service.retired_go()
        assert "next_try_in" not in service.reports("worker_died")[0]
        assert service.asleep

    def test_a_canary_that_hangs_refuses_the_reload(self):
        """After its boot timeout, with its stacks."""
        service = Service(boot=5.0).up()
        service.reload()
        service.pass_time(5.0)
        service.tell(facts.StacksDumped(2, "slow.py, line 2"))
        service.pass_time(1.0)
        service.die(2, "signal SIGABRT")
        assert "slow.py, line 2" in service.reports("reload_refused")[0]["reason"]
        assert service.lives() == {"web": ["ready"]}

    def test_a_canary_that_cannot_be_forked_refuses_the_reload(self):
        """The old generation goes on."""
        service = Service().up()
        service.forks = False
        service.reload()
        assert "cannot be forked" in service.reports("reload_refused")[0]["reason"]
        assert service.lives() == {"web": ["ready"]}

    @pytest.mark.parametrize("trouble", ["file", "listener"])
    def test_faults_refuse_the_reload(self, trouble: str):
        """Of the file, or of a listener that cannot be opened: each is said, and nobody is forked."""
        service = Service().up()
        service.tell(facts.ReloadRequested())
        if trouble == "listener":
            service.tell(facts.ConfigLoaded(config()))
        service.tell(facts.ReloadRefused(("a.b: wrong", "c.d: worse")))
        assert [said["reason"] for said in service.reports("reload_refused")] == ["a.b: wrong", "c.d: worse"]
        assert service.master.reload.trial is None
        assert service.lives() == {"web": ["ready"]}

    def test_a_second_hup_supersedes_the_trial(self):
        """The first one's canaries go, and its number is not given out again."""
        service = Service().up()
        service.reload()
        service.given.clear()
        service.reload()
        assert service.told(orders.DropGeneration) == [orders.DropGeneration(2)]
        assert service.lives(generation=2) == {"web": ["retiring"]}
        assert service.lives(generation=3) == {"web": ["booting"]}
        service.die(2, "exit code 0")
        assert service.reports("reload_refused") == []
        service.all_ready()
        assert service.master.generation == 3

    def test_a_second_hup_during_the_roll_supersedes_it(self):
        """Both older generations are replaced by the newest."""
        service = Service({"web": 3}).up()
        service.reload()
        service.tell(facts.WorkerReady(4))
        service.reload()
        service.all_ready()
        service.retired_go()
        assert service.lives() == {"web": ["ready"] * 3}
        assert service.lives(generation=3) == {"web": ["ready"] * 3}
        assert service.reports("reload_done")[-1]["generation"] == 3

    def test_a_worker_that_dies_during_a_trial_is_replaced_in_its_own_generation(self):
        """Fault 8: a reload stops nothing else."""
        service = Service({"web": 2}).up()
        service.tell(facts.TimePassed(), after=60.0)
        service.reload()
        service.die(1)
        assert service.lives(generation=1) == {"web": ["ready", "booting"]}

    def test_ready_capacity_never_falls(self):
        """Whatever the order in which they get ready and go."""
        service = Service({"web": 4}).up()
        service.reload()
        while booting := [w.id for w in service.master.fleet if w.state.value == "booting"]:
            service.tell(facts.WorkerReady(booting[-1]))
            assert service.lives()["web"].count("ready") >= 4
            service.retired_go()
        assert service.lives(generation=2) == {"web": ["ready"] * 4}

    def test_a_pool_is_removed(self):
        """Its workers retire when the new generation is adopted, not before."""
        service = Service({"web": 1, "old": 2}).up()
        service.reload(config({"web": 1}))
        assert service.lives(generation=1)["old"] == ["ready", "ready"]
        service.all_ready()
        assert service.lives(generation=1)["old"] == ["retiring", "retiring"]
        service.retired_go()
        assert service.reports("reload_done")[0]["pools"] == 1
        assert service.lives() == {"web": ["ready"]}

    def test_a_pool_is_added(self):
        """It has its canary like any other, and then its number."""
        service = Service({"web": 1}).up()
        service.reload(config({"web": 1, "new": 3}))
        assert service.lives(generation=2) == {"web": ["booting"], "new": ["booting"]}
        service.all_ready()
        assert service.lives(generation=2)["new"] == ["ready"] * 3

    def test_a_removed_pool_may_still_die(self):
        """Its last workers' deaths are told, and nobody is forked for them."""
        service = Service({"web": 1, "old": 1}).up()
        service.reload(config({"web": 1}))
        service.all_ready()
        service.die(2, "signal SIGSEGV")
        assert service.reports("worker_died")[0]["pool"] == "old"
        assert "old" not in service.lives()

    def test_another_number_of_workers(self):
        """More are forked, fewer are left over."""
        service = Service({"web": 2}).up()
        service.reload(config({"web": 4}))
        service.all_ready()
        service.retired_go()
        assert service.lives() == {"web": ["ready"] * 4}
        service.reload(config({"web": 1}))
        service.all_ready()
        service.retired_go()
        assert service.lives() == {"web": ["ready"]}

    def test_what_only_a_restart_changes_is_said(self):
        """When the rest is in force."""
        service = Service().up()
        service.tell(facts.ReloadRequested())
        service.tell(facts.ConfigLoaded(config(), {"needs_upgrade": ("master.pidfile",)}))
        service.tell(facts.ListenersOpened(2))
        assert service.reports("restart_needed") == []
        service.all_ready()
        assert service.reports("restart_needed")[0]["keys"] == "master.pidfile"

    def test_a_reload_ends_the_back_off(self):
        """The operator has mended it, and does not want to wait for half a minute."""
        service = Service().up()
        for _ in range(6):
            service.tell(facts.TimePassed())
            service.pass_time(30.0)
            for worker in [w.id for w in service.master.fleet if w.state.value == "booting"]:
                service.die(worker, "exit code 70")
            if service.lives():
                service.die(next(iter(service.master.fleet)).id)
        service.reload()
        service.all_ready()
        assert service.lives() == {"web": ["ready"]}

    def test_hup_during_the_back_off_of_an_empty_pool_brings_it_back(self):
        """The new generation is adopted though no old worker is there to be retired."""
        service = Service().up()
        service.die(1)
        service.die(2, "exit code 70")
        assert service.lives() == {}
        service.reload()
        assert service.lives() == {"web": ["booting"]}
        service.all_ready()
        assert service.reports("reload_done")


class TestRest:
    def test_everybody_retires_and_nobody_is_forked(self):
        """The sockets stay, and clients wait in the queue; the accept queue is not drained for that."""
        service = Service({"web": 2}).up()
        service.tell(facts.PauseRequested())
        assert service.told(orders.RetireWorker) == [
            orders.RetireWorker(1, drain=False),
            orders.RetireWorker(2, drain=False),
        ]
        service.retired_go()
        assert service.lives() == {}
        assert service.told(orders.StopListening) == []
        assert service.asleep

    def test_hup_brings_them_back(self):
        """All of them."""
        service = Service({"web": 2}).up()
        service.tell(facts.PauseRequested())
        service.retired_go()
        service.reload()
        service.all_ready()
        assert service.lives() == {"web": ["ready", "ready"]}
        assert service.reports("reload_done")[0]["workers"] == 2

    def test_a_hup_that_is_refused_brings_back_what_was(self):
        """To back out of an upgrade must not depend on a file that only the new version may understand."""
        service = Service({"web": 2}).up()
        service.tell(facts.PauseRequested())
        service.retired_go()
        service.reload()
        service.die(3, "exit code 70")
        service.all_ready()
        assert service.lives() == {"web": ["ready", "ready"]}
        assert service.master.generation == 1

    def test_winch_ends_a_trial(self):
        """The last word counts."""
        service = Service().up()
        service.reload()
        service.tell(facts.PauseRequested())
        service.retired_go()
        assert service.lives() == {}

    def test_term_while_they_rest_ends_it_at_once(self):
        """There is nobody to wait for."""
        service = Service().up()
        service.tell(facts.PauseRequested())
        service.retired_go()
        service.tell(TERM)
        assert service.told(orders.Exit) == [orders.Exit(0)]


class TestDeaths:
    def test_a_settled_worker_is_replaced_at_once(self):
        """And again, and again: deaths that are far apart are no pattern."""
        service = Service().up()
        for _ in range(3):
            service.pass_time(60.0)
            service.die(max(w.id for w in service.master.fleet))
            service.all_ready()
        assert all("next_try_in" not in died for died in service.reports("worker_died"))

    def test_a_pool_that_keeps_dying_waits_and_the_others_do_not(self):
        """Back-off is a pool's own."""
        service = Service({"web": 1, "api": 1}).up()
        service.die(1)
        service.die(3, "exit code 70")
        assert "web" not in service.lives()
        service.die(2)
        assert service.lives() == {"api": ["booting"]}
        assert service.master.deadline() <= service.now + 1.5

    def test_the_master_never_gives_up(self):
        """For days, with pauses of half a minute."""
        service = Service().up()
        service.die(1)
        for _ in range(3000):
            service.pass_time(30.0)
            for worker in service.master.fleet:
                service.die(worker.id, "exit code 70")
        assert service.told(orders.Exit) == []
        assert service.reports("worker_died")[-1]["next_try_in"] == 30.0

    def test_a_worker_that_stays_up_ends_the_back_off(self):
        """Five seconds are enough."""
        service = Service().up()
        service.die(1)
        service.die(2, "exit code 70")
        service.pass_time(1.5)
        service.all_ready()
        service.pass_time(policy.SETTLED_AFTER)
        assert service.asleep
        service.die(max(w.id for w in service.master.fleet))
        assert "next_try_in" not in service.reports("worker_died")[-1]

    def test_an_end_that_nobody_asked_for_is_a_death_even_with_status_0(self):
        """An application that calls sys.exit."""
        service = Service().up()
        service.die(1, "exit code 0")
        assert service.reports("worker_died")
        assert service.reports("worker_retired") == []

    def test_one_that_was_asked_to_end_and_crashes_is_told_too(self):
        """With why it was asked; no back-off comes of it."""
        service = Service({"web": 2}).up()
        service.tell(facts.ScaleRequested(-1))
        service.die(1, "signal SIGSEGV")
        assert service.reports("worker_died")[0]["ending"] == "signal SIGSEGV"
        assert service.lives() == {"web": ["ready"]}


class TestRequests:
    def test_a_bell_sets_a_deadline_and_the_row_decides(self):
        """One look when the request would be overdue; while there is work the row is watched, then the bell is armed again."""
        service = Service(request=10.0).up()
        assert service.tell(facts.RequestStarted(1)) == [orders.WatchWorker(1, watching=True)]
        assert service.master.deadline() == service.now + 10.0
        assert orders.ReadScoreboard((1,)) in service.pass_time(10.0)
        service.board(1, busy_since=service.now - 2.0)
        assert service.master.deadline() == service.now + 8.0
        service.pass_time(8.0)
        assert service.board(1, busy_since=0.0) == [orders.WatchWorker(1, watching=False)]
        assert service.asleep

    def test_an_overdue_request_is_stacks_then_abort_then_kill(self):
        """And its worker is replaced by the first step, not the last."""
        service = Service(request=10.0).up()
        service.tell(facts.RequestStarted(1))
        service.pass_time(10.0)
        service.board(1, busy_since=service.now - 10.0)
        assert service.told(orders.DumpStacks) == [orders.DumpStacks(1, expired=True)]
        assert service.lives() == {"web": ["stuck", "booting"]}
        service.pass_time(policy.STACKS_WITHIN)
        service.pass_time(policy.ABORT_WITHIN)
        assert [order.signal.name for order in service.told(orders.KillWorker)] == ["SIGABRT", "SIGKILL"]
        service.die(1)
        assert service.reports("worker_died")[0]["cause"] == "request timeout"

    def test_without_a_request_timeout_nobody_looks(self):
        """0 switches it off: a long request wakes the master not once."""
        service = Service(request=0.0).up()
        service.tell(facts.RequestStarted(1))
        assert service.asleep

    def test_a_retiring_worker_is_held_to_both_limits(self):
        """Fault 22: graceful for the whole, request for a request, and nothing for a slow client."""
        service = Service({"web": 2}, request=10.0, graceful=60.0).up()
        service.tell(facts.RequestStarted(1))
        service.tell(facts.ScaleRequested(-1))
        assert service.state(1) == "retiring"
        service.pass_time(10.0)
        service.board(1, busy_since=0.0)
        service.pass_time(40.0)
        assert service.state(1) == "retiring"
        service.pass_time(11.0)
        assert service.state(1) == "stuck"
        assert service.worker(1).cause == "graceful timeout"


class TestScale:
    def test_each_signal_counts(self):
        """Two TTIN are two workers; it is the first pool of the file that grows."""
        service = Service({"web": 1, "api": 1}).up()
        service.tell(facts.ScaleRequested(+1))
        service.tell(facts.ScaleRequested(+1))
        assert service.lives() == {"web": ["ready", "booting", "booting"], "api": ["ready"]}

    def test_the_last_worker_stays(self):
        """It says so."""
        service = Service().up()
        service.tell(facts.ScaleRequested(-1))
        assert service.reports("scale_refused")
        assert service.lives() == {"web": ["ready"]}

    def test_an_adjustment_outlives_a_reload_and_a_new_number_ends_it(self):
        """Fault 18."""
        service = Service().up()
        service.tell(facts.ScaleRequested(+1))
        service.all_ready()
        service.reload()
        service.all_ready()
        service.retired_go()
        assert service.lives() == {"web": ["ready"] * 2}
        assert service.reports("adjustment_kept")[0]["workers"] == 2
        service.reload(config({"web": 3}))
        service.all_ready()
        service.retired_go()
        assert service.lives() == {"web": ["ready"] * 3}

    def test_a_fork_that_fails_waits_and_nothing_ends(self):
        """Fault 12."""
        service = Service().up()
        service.forks = False
        service.tell(facts.ScaleRequested(+1))
        assert service.reports("spawn_failed")
        assert service.lives() == {"web": ["ready"]}
        service.forks = True
        service.pass_time(1.0)
        assert service.lives() == {"web": ["ready", "booting"]}


def test_usr1_opens_the_logs_whatever_the_phase():
    """Also while it starts and while it stops."""
    service = Service()
    service.tell(facts.TimePassed())
    assert service.tell(facts.ReopenRequested()) == [orders.ReopenLogs()]
    service.all_ready()
    service.tell(TERM)
    assert service.tell(facts.ReopenRequested()) == [orders.ReopenLogs()]


def subclasses(base: type) -> set[type]:
    return {cls for cls in base.__subclasses__() if cls.__module__.startswith("prefork.")}


def test_every_fact_has_a_reaction_and_every_order_is_carried_out():
    """Neither is declared and forgotten."""
    assert situation.REACTIONS.keys() == subclasses(facts.Fact)
    assert executor.METHODS.keys() == subclasses(orders.Order)
