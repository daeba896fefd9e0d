"""The policy of the master, a sentence a test; random lives are in tests/simulation."""

from __future__ import annotations

from signal import Signals

import pytest

from prefork.arbiter import executor, facts, orders, policy, situation
from prefork.arbiter.fleet import ServiceState
from prefork.config.models import Config
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
        assert service.reports("spawn_failed")[0]["next_try_in"] == 0.1
        service.forks = True
        service.pass_time(0.1)
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

    def test_hup_before_it_is_up_is_refused_in_so_many_words(self):
        """T. Whoever sent it reads in the log that it was not taken, and why."""
        service = Service()
        service.tell(facts.TimePassed())
        service.tell(facts.ReloadRequested())
        assert [told["reason"] for told in service.reports("reload_refused")] == ["the service is starting"]


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
        """T. The operator has mended it: what is still owed is forked when the canary is ready, not half a minute later."""
        service = Service({"web": 3}).up()
        service.pass_time(60.0)
        service.die(1)
        for _ in range(12):  # the application cannot boot any more, and the pauses are at their longest
            for worker in [w.id for w in service.master.fleet if w.state.value == "booting"]:
                service.die(worker, "exit code 70")
            service.pass_time(30.0)
        for worker in [w.id for w in service.master.fleet if w.state.value == "booting"]:
            service.die(worker, "exit code 70")
        assert service.lives() == {"web": ["ready", "ready"]}
        service.reload()
        now = service.now
        service.all_ready()
        assert service.now == now
        assert service.lives(generation=2) == {"web": ["ready"] * 3}

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

    def test_whoever_has_served_is_replaced_at_once(self):
        """M13. Eight kills in twelve seconds on two workers: none of them costs a pause."""
        service = Service({"web": 2}).up()
        for _ in range(8):
            service.die(max(w.id for w in service.master.fleet), killed=True)
            assert service.lives()["web"].count("booting") == 1
            service.pass_time(0.75)
            service.all_ready()
            service.pass_time(0.75)
        assert all("next_try_in" not in died for died in service.reports("worker_died"))

    def test_beyond_the_burst_there_are_pauses(self):
        """M13. Ten for two workers within a minute; the eleventh says that it is no accident."""
        service = Service({"web": 2}).up()
        for _ in range(11):
            service.die(max(w.id for w in service.master.fleet), "signal SIGSEGV")
            service.all_ready()
        told = service.reports("worker_died")
        assert [died.get("next_try_in") for died in told] == [None] * 10 + [1.0]
        assert service.lives() == {"web": ["ready"]}

    def test_a_burst_goes_by_the_number_that_is_wanted_now(self):
        """M13. Of a pool that was scaled, and of one that has gone, ten."""
        service = Service({"web": 1, "old": 1}).up()
        service.tell(facts.ScaleRequested(pool="web", workers=3))
        service.all_ready()
        for _ in range(16):
            service.die(max(w.id for w in service.master.fleet.of("web")), "signal SIGSEGV")
            service.all_ready()
        assert [died.get("next_try_in") for died in service.reports("worker_died")] == [None] * 15 + [1.0]
        service.reload(config({"web": 1}))
        service.all_ready()
        service.given.clear()
        assert service.die(2, "signal SIGSEGV")[0].fields["pool"] == "old"

    def test_one_that_is_killed_before_it_is_ready_counts_as_one_that_served(self):
        """M13. Nothing that it does can send it that signal; but our own, after its boot timeout, is a failed boot."""
        service = Service({"web": 2}, boot=5.0).up()
        service.die(2)
        service.die(3, killed=True)
        assert service.lives() == {"web": ["ready", "booting"]}
        service.pass_time(5.0)
        service.pass_time(policy.STACKS_WITHIN)
        service.die(4, killed=True)
        assert service.reports("worker_died")[-1]["next_try_in"] == 1.0

    def test_a_pool_does_not_wait_for_the_template_of_another(self):
        """Its own back-off wakes the master, whatever boots elsewhere."""
        service = Service({"web": 1, "api": 1}).up()
        table = service.master.config.model_dump(mode="json", exclude_defaults=True)
        table["pool"]["web"]["preload"] = True
        service.reload(Config.model_validate(table))
        service.all_ready()
        service.retired_go()
        [template] = service.master.fleet.templates
        service.die(template.id)
        [web], [api] = service.master.fleet.of("web"), service.master.fleet.of("api")
        service.die(web.id)
        assert [one.state.value for one in service.master.fleet.templates] == ["booting"]
        service.die(api.id)
        service.die(service.master.fleet.of("api")[0].id, "exit code 70")
        assert service.master.fleet.of("api") == []
        assert service.master.deadline() == pytest.approx(service.now + 0.1)

    def test_a_pool_that_loses_its_last_ready_worker_waits_no_longer(self):
        """M13. What was put off while another served is done when nobody does."""
        service = Service({"web": 2}).up()
        service.pass_time(60.0)
        service.die(2)
        for _ in range(5):
            for worker in [w.id for w in service.master.fleet if w.state.value == "booting"]:
                service.die(worker, "exit code 70")
            service.pass_time(30.0)
        for worker in [w.id for w in service.master.fleet if w.state.value == "booting"]:
            service.die(worker, "exit code 70")
        assert service.master.deadline() > service.now + 5.0
        service.die(1)
        assert service.master.deadline() <= service.now + 1.0
        service.pass_time(1.0)
        assert service.lives() == {"web": ["booting", "booting"]}

    def test_the_master_never_gives_up(self):
        """For days, with pauses of five seconds, since nobody serves meanwhile."""
        service = Service().up()
        service.die(1)
        for _ in range(3000):
            service.pass_time(30.0)
            for worker in service.master.fleet:
                service.die(worker.id, "exit code 70")
        assert service.told(orders.Exit) == []
        assert service.reports("worker_died")[-1]["next_try_in"] == 5.0

    def test_a_worker_that_stays_up_ends_the_back_off(self):
        """T. Five seconds are enough, and no less: the next boot that fails is the first again, not the second."""
        service = Service().up()
        service.die(1)
        service.die(2, "exit code 70")
        service.pass_time(0.1)
        service.all_ready()
        backoff = service.master.pools.backoff_of("web")
        service.pass_time(5.0 - 0.001)
        assert backoff.failures == 1
        assert service.master.deadline() == pytest.approx(service.now + 0.001)
        service.pass_time(0.002)
        assert backoff.failures == 0
        assert service.asleep

    def test_one_that_was_ready_before_does_not_end_it(self):
        """T. That it serves says nothing about whether another can boot; nor does one that has just become ready."""
        service = Service({"web": 2}).up()
        service.pass_time(60.0)
        service.die(2)
        service.die(3, "exit code 70")
        backoff = service.master.pools.backoff_of("web")
        assert service.reports("worker_died")[-1]["next_try_in"] == 1.0
        service.tell(facts.TimePassed())
        assert backoff.failures == 1
        service.pass_time(1.0)
        service.die(4, "exit code 70")
        assert service.reports("worker_died")[-1]["next_try_in"] == 1.5
        service.pass_time(1.5)
        service.all_ready()
        service.tell(facts.TimePassed())
        assert backoff.failures == 2
        service.pass_time(5.0)
        assert backoff.failures == 0

    @pytest.mark.parametrize(("stayed", "deaths"), [(5.0, 0), (5.0 - 0.001, 1)])
    def test_one_that_stayed_up_for_five_seconds_costs_nothing(self, stayed: float, deaths: int):
        """T. Its death is no part of a burst."""
        service = Service().up()
        service.pass_time(stayed)
        service.die(1, "signal SIGSEGV")
        assert len(service.master.pools.backoff_of("web").deaths) == deaths

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


class TestWakeUps:
    """M16. The kernel wakes one process for a connection, and nobody else if that one ends before it accepts."""

    def test_the_others_look_at_their_listeners_when_one_dies(self):
        """Those that accept: neither one that boots nor one that retires."""
        service = Service({"web": 4}).up()
        service.tell(facts.ScaleRequested(-1))
        service.tell(facts.ScaleRequested(+1))
        assert service.lives() == {"web": ["retiring", "ready", "ready", "ready", "booting"]}
        service.die(2)
        assert service.told(orders.LookAgain) == [orders.LookAgain((3, 4))]

    def test_only_those_to_whom_the_same_connections_come(self):
        """A listener is one pool's; but a pool that takes it over is on trial beside the one that has it."""
        service = Service({"web": 2, "api": 2}).up()
        table = config({"shop": 1, "slow": 1}).model_dump(mode="json", exclude_defaults=True)
        table["listen"]["web"] = {"address": "unix:/run/web.sock"}
        del table["listen"]["shop"]
        table["pool"]["shop"]["listen"] = ["web"]
        service.reload(Config.model_validate(table))
        service.tell(facts.WorkerReady(5))
        assert (service.worker(5).pool, service.master.generation) == ("shop", 1)
        service.die(1)
        service.die(3)
        assert [order.workers for order in service.told(orders.LookAgain)] == [(2, 5), (4,)]

    def test_one_that_was_told_to_go_and_is_killed_counts_too(self):
        """It may not have heard of it; one that goes as it should has taken what it was woken for."""
        service = Service({"web": 3}).up()
        service.tell(facts.ScaleRequested(-1))
        service.die(1, "exit code 0")
        assert service.told(orders.LookAgain) == []
        service.tell(facts.ScaleRequested(-1))
        service.die(2, killed=True)
        assert service.told(orders.LookAgain) == [orders.LookAgain((3,))]

    def test_nobody_is_told_where_nobody_is(self):
        """Nor after the end of one that never accepted."""
        service = Service({"web": 2}, pool={"preload": True}).up()
        [template] = service.master.fleet.templates
        service.die(template.id, "signal SIGSEGV")
        service.die(2)
        service.given.clear()
        service.die(max(w.id for w in service.master.fleet if w.state.value == "booting"))
        assert service.told(orders.LookAgain) == []
        service.die(3)
        assert service.told(orders.LookAgain) == []


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
        assert service.worker(1).life.cause == "graceful timeout"


class TestScale:
    def test_each_signal_counts(self):
        """Two TTIN are two workers; it is the first pool of the file that grows."""
        service = Service({"web": 1, "api": 1}).up()
        service.tell(facts.ScaleRequested(+1))
        service.tell(facts.ScaleRequested(+1))
        assert service.lives() == {"web": ["ready", "booting", "booting"], "api": ["ready"]}

    def test_more_workers_are_taken_at_once_and_boot_in_batches(self):
        """M12. As many at a time as there are cores; who asked is not kept waiting."""
        service = Service({"web": 1}, cores=4).up()
        service.tell(facts.ScaleRequested(pool="web", workers=20))
        assert service.reports("pool_scaled") == [{"pool": "web", "workers": 20}]
        assert service.lives() == {"web": ["ready"] + ["booting"] * 4}
        service.tell(facts.WorkerReady(2))
        assert service.lives() == {"web": ["ready"] * 2 + ["booting"] * 4}
        service.all_ready()
        assert service.lives() == {"web": ["ready"] * 20}

    def test_a_start_boots_in_batches_as_well(self):
        """M12. And is ready when all of them are."""
        service = Service({"web": 10, "api": 1}, cores=3)
        service.tell(facts.TimePassed())
        assert service.lives() == {"web": ["booting"] * 3, "api": ["booting"]}
        service.all_ready()
        assert service.lives() == {"web": ["ready"] * 10, "api": ["ready"]}
        assert service.master.state is ServiceState.SERVING

    def test_a_surge_that_is_larger_than_the_cores_is_the_batch(self):
        """M12. Who wants a roll of all at a time gets it."""
        service = Service({"web": 10}, pool={"surge": "50%"}, cores=3)
        service.tell(facts.TimePassed())
        assert service.lives() == {"web": ["booting"] * 5}

    def test_workers_that_there_is_no_memory_for_are_refused(self):
        """M12. In a sentence with the figures; ``force`` overrides it, and fewer is never refused."""
        service = Service({"web": 2}).up()
        service.room = (400 << 20, 100 << 20, 1024)
        service.tell(facts.ScaleRequested(pool="web", workers=7))
        assert "memory for 6 workers" in service.reports("scale_refused")[0]["reason"]
        assert service.lives() == {"web": ["ready"] * 2}
        assert service.told(orders.MeasureRoom) == [orders.MeasureRoom("web", 7, force=False, like=(1, 2))]
        service.tell(facts.ScaleRequested(pool="web", workers=7, force=True))
        assert service.reports("pool_scaled") == [{"pool": "web", "workers": 7}]
        service.all_ready()
        service.room = (0, 100 << 20, 1)
        service.tell(facts.ScaleRequested(pool="web", workers=6))
        service.tell(facts.ScaleRequested(pool="web", workers=6))
        assert service.reports("pool_scaled")[1:] == [{"pool": "web", "workers": 6}] * 2

    def test_a_signal_is_held_to_the_same_bound(self):
        """M12. TTIN without memory for one more worker says so."""
        service = Service({"web": 2}).up()
        service.room = (50 << 20, 100 << 20, 1024)
        service.tell(facts.ScaleRequested(+1))
        assert "memory for 2 workers" in service.reports("scale_refused")[0]["reason"]

    def test_the_scoreboard_bounds_all_pools_together(self):
        """M12. What the others want, a surge for each, and two templates for each that preloads are not to be had."""
        service = Service({"web": 2, "api": 3}, pool={"preload": True, "surge": 2}).up()
        service.room = (0, 0, 31)  # 3 for api, 2 times 2 surge, 2 times 2 templates: 20 are left
        service.tell(facts.ScaleRequested(pool="web", workers=21, force=True))
        assert "rows for 20 workers" in service.reports("scale_refused")[0]["reason"]
        service.tell(facts.ScaleRequested(pool="web", workers=20))
        assert service.reports("pool_scaled") == [{"pool": "web", "workers": 20}]

    def test_the_memory_of_a_few_is_enough(self):
        """M12. Four ready workers are measured, whatever the pool's size, and none of another pool."""
        service = Service({"api": 1, "web": 6}).up()
        service.tell(facts.ScaleRequested(pool="web", workers=7))
        assert service.told(orders.MeasureRoom)[0].like == (2, 3, 4, 5)

    def test_a_pool_that_is_not_there_cannot_be_scaled(self):
        """By its name."""
        service = Service().up()
        service.tell(facts.ScaleRequested(pool="shop", workers=7))
        assert service.reports("scale_refused") == [{"pool": "shop", "reason": "there is no pool shop"}]

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
