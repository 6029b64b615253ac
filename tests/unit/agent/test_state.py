"""An agent by itself: where an order leads from where, and how long its workers may go on."""

from __future__ import annotations

import msgspec
import pytest

from loads.agent.events import (
    Append,
    Drop,
    Effect,
    Heard,
    Linked,
    Obtained,
    OpenPool,
    PoolBroke,
    Pooled,
    Quit,
    Send,
    Tick,
    ToPool,
)
from loads.agent.state import ASK_AGAIN_US, GRACE_US, LEASE_US, Agent, AgentState
from loads.pool import events as pool
from loads.units import US_PER_S
from loads.wire.cluster import (
    Beat,
    Beaten,
    Closed,
    Enlist,
    Enlisted,
    Fit,
    Go,
    Halt,
    Hold,
    Prepare,
    Release,
    SetUp,
    Stage,
    Standing,
    ToAgent,
    Trouble,
    Welcome,
    Wind,
)
from loads.wire.messages import LoadFailed
from tests.runs import LOADED, rate_plan, submit_of, timed_plan

WHOLE = ((),)
PREPARE = Prepare(run="run", spec=submit_of().spec, bundle=None, workers=1, slots=1)
FIT = Fit(run="run", plan=timed_plan(), first=0, portions=WHOLE, holding=1)
GO = Go(run="run", phase=0, run_at_us=0, phase_at_us=0)
HALVES = (((0, 2),), ((1, 2),))
HOLD = Hold(run="run", holding=2, portions=(HALVES[0],), from_phase=0)
WIND = Wind(run="run")
HALT = Halt(run="run", now=False)


class Driven:
    """An agent that is linked and enlisted at time 0."""

    def __init__(self, grace_us: int = GRACE_US, max_users: int | None = None) -> None:
        self.state = AgentState(Agent("a", 1, 2, "h", 1, 1, "1", grace_us, max_users=max_users))
        self.now_us = 0
        self.do(Linked(True))
        self.hear(Welcome(version="1", incarnation=1), Enlisted())
        self.beat()

    def do(self, event: object) -> list[Effect]:
        return self.state.handle(event, self.now_us)  # type: ignore[arg-type]

    def hear(self, *messages: ToAgent) -> list[Effect]:
        return [effect for message in messages for effect in self.do(Heard(message))]

    def beat(self) -> list[Effect]:
        return self.hear(Beaten(sent_us=self.now_us, broker_us=self.now_us))

    def reach(self, stage: Stage) -> Driven:
        """Go through the stages until `stage`."""
        steps: list[tuple[Stage, object]] = [
            (Stage.PREPARING, Heard(PREPARE)),
            (Stage.LOADED, Pooled("run", pool.AllLoaded(LOADED))),
            (Stage.FITTING, Heard(FIT)),
            (Stage.READY, Pooled("run", pool.AllReady())),
            (Stage.RUNNING, Heard(GO)),
            (Stage.RESTING, Pooled("run", pool.PhaseOver(0, 5))),
            (Stage.WINDING, Heard(WIND)),
            (Stage.COMPLETE, Pooled("run", pool.AllGone())),
        ]
        for reached, event in steps:
            self.do(event)
            assert self.stage is reached
            if reached is Stage.PREPARING:
                self.do(Obtained("run", "/work", (".",)))
            if reached is stage:
                break
        return self

    @property
    def standing(self) -> Standing:
        assert self.state.part is not None
        return self.state.part.standing

    @property
    def stage(self) -> Stage | None:
        return None if self.state.part is None else self.state.part.stage


S = Stage
TABLE = [
    (S.PREPARING, PREPARE, S.PREPARING),
    (S.PREPARING, FIT, S.PREPARING),
    (S.PREPARING, WIND, S.PREPARING),
    (S.LOADED, FIT, S.FITTING),
    (S.LOADED, GO, S.LOADED),
    (S.LOADED, WIND, S.WINDING),
    (S.FITTING, FIT, S.FITTING),
    (S.FITTING, GO, S.FITTING),
    (S.FITTING, WIND, S.WINDING),
    (S.READY, GO, S.RUNNING),
    (S.READY, WIND, S.WINDING),
    (S.RUNNING, GO, S.RUNNING),
    (S.RUNNING, FIT, S.RUNNING),
    (S.RUNNING, WIND, S.WINDING),
    (S.RESTING, GO, S.RESTING),
    (S.RESTING, Go(run="run", phase=1, run_at_us=0, phase_at_us=9), S.RUNNING),
    (S.RESTING, WIND, S.WINDING),
    (S.WINDING, WIND, S.WINDING),
    (S.WINDING, GO, S.WINDING),
    (S.COMPLETE, WIND, S.COMPLETE),
    (S.COMPLETE, Release(run="run", incarnation=2), None),
    (S.RUNNING, Release(run="run", incarnation=2), None),
    (S.RUNNING, Closed(run="run", incarnation=2), None),
    (S.RUNNING, Release(run="run", incarnation=3), S.RUNNING),
    (S.RUNNING, Release(run="other", incarnation=2), S.RUNNING),
]


@pytest.mark.parametrize(("stage", "order", "after"), TABLE)
def test_an_order_leads(stage: Stage, order: ToAgent, after: Stage | None) -> None:
    agent = Driven().reach(stage)
    agent.hear(order)
    assert agent.stage is after
    agent.hear(order)
    assert agent.stage is after, "said again it changes nothing"


@pytest.mark.parametrize("order", [FIT, GO, HOLD, HALT, WIND])
def test_an_order_of_another_run_is_not_for_us(order: Fit | Go | Hold | Halt | Wind) -> None:
    agent = Driven()
    assert agent.hear(order) == []


@pytest.mark.parametrize(("stage", "leaves"), [(Stage.LOADED, False), (Stage.RUNNING, True), (Stage.RESTING, True)])
def test_an_agent_that_can_run_no_workers_in_mid_run_goes_as_if_it_had_died(stage: Stage, leaves: bool) -> None:
    """Its users are others' then. Before the run it is the run that can't be."""
    agent = Driven().reach(stage)
    effects = agent.do(PoolBroke("run", Trouble(message="no more processes")))
    assert any(isinstance(effect, Quit) for effect in effects) is leaves
    assert agent.state.part is not None
    assert (agent.state.part.stage is Stage.FAILED) is not leaves


def test_what_is_let_go_and_taken_at_once_is_let_go_first() -> None:
    """Slots may move between workers of the same agent: at no time do two of them run one."""
    agent = Driven().reach(Stage.RUNNING)
    shares = [effect.event for effect in agent.hear(HOLD) if isinstance(effect, ToPool)]
    assert shares == [pool.Share((), 0)]
    [share] = agent.do(Pooled("run", pool.Shared(())))
    assert share == ToPool("run", pool.Share((HALVES[0],), 0))
    assert agent.state.part is not None
    assert agent.state.part.standing.holding == 1
    agent.do(Pooled("run", pool.Shared((HALVES[0],))))
    assert agent.state.part.standing.holding == 2


def test_what_is_only_taken_is_taken_at_once() -> None:
    agent = Driven().reach(Stage.RUNNING)
    more = Hold(run="run", holding=2, portions=(*WHOLE, HALVES[0]), from_phase=0)
    assert [effect.event for effect in agent.hear(more) if isinstance(effect, ToPool)] == [
        pool.Share((*WHOLE, HALVES[0]), 0)
    ]


@pytest.mark.parametrize("max_users", [None, 6])
def test_where_users_are_capped_nothing_is_taken_while_others_are_let_go(max_users: int | None) -> None:
    """Those that are let go run until their iteration is over: with what is taken they would be too many."""
    agent = Driven(max_users=max_users).reach(Stage.RUNNING)
    less = Hold(run="run", holding=2, portions=(), from_phase=0)
    more = Hold(run="run", holding=3, portions=(HALVES[1],), from_phase=0)
    taken = ToPool("run", pool.Share((HALVES[1],), 0))
    agent.hear(less)
    assert (taken in agent.hear(more)) is (max_users is None)
    assert (taken in agent.do(Pooled("run", pool.Shared(())))) is (max_users is not None)


def leases(effects: list[Effect]) -> list[int]:
    return [
        effect.event.until_us
        for effect in effects
        if isinstance(effect, ToPool) and isinstance(effect.event, pool.Lease)
    ]


def test_a_lease_counts_from_when_the_beat_was_sent() -> None:
    agent = Driven().reach(Stage.RUNNING)
    agent.now_us = 10 * US_PER_S
    assert leases(agent.hear(Beaten(sent_us=US_PER_S, broker_us=0))) == [US_PER_S + LEASE_US]


@pytest.mark.parametrize("grace_us", [0, GRACE_US])
def test_a_broker_that_goes_gives_grace(grace_us: int) -> None:
    agent = Driven(grace_us).reach(Stage.RUNNING)
    agent.now_us = US_PER_S
    assert leases(agent.do(Linked(False))) == [US_PER_S + grace_us]


def test_there_is_no_grace_after_a_silence() -> None:
    """Its users are others' by then."""
    agent = Driven().reach(Stage.RUNNING)
    agent.now_us = LEASE_US + 1
    assert leases(agent.do(Linked(False))) == []


def test_no_connection_after_another_prolongs_the_grace() -> None:
    agent = Driven().reach(Stage.RUNNING)
    agent.do(Linked(False))
    for _ in range(3):
        agent.now_us += US_PER_S
        assert leases([*agent.do(Linked(True)), *agent.do(Linked(False))]) == []


def test_a_broker_that_does_not_answer_is_asked_again() -> None:
    agent = Driven()
    agent.do(Linked(False))
    agent.do(Linked(True))
    agent.now_us += ASK_AGAIN_US
    asked = [effect for effect in agent.do(Tick()) if isinstance(effect, Send) and isinstance(effect.message, Enlist)]
    assert len(asked) == 1


def test_it_beats_each_second() -> None:
    agent, beats = Driven(), 0
    for _ in range(40):
        agent.now_us += US_PER_S // 4
        beats += sum(isinstance(each, Send) and isinstance(each.message, Beat) for each in agent.do(Tick()))
    assert beats == 10


def test_a_clock_that_jumps_with_its_broker_moves_no_time_of_the_run() -> None:
    """A broker on a machine that was started again counts from elsewhere; the run's age stays what it is."""
    agent = Driven().reach(Stage.RUNNING)
    assert agent.state.part is not None
    agent.now_us = 5 * US_PER_S
    before = agent.state.part.standing_at(agent.now_us).run_us
    agent.do(Linked(False))
    agent.do(Linked(True))
    agent.hear(Welcome(version="1", incarnation=2), Enlisted())
    agent.hear(Beaten(sent_us=agent.now_us, broker_us=agent.now_us + 10**12))
    assert agent.state.part.standing_at(agent.now_us).run_us == before == 5 * US_PER_S


def test_it_opens_the_pool_once_the_files_are_there() -> None:
    agent = Driven()
    agent.hear(PREPARE)
    [opened] = agent.do(Obtained("run", "/work", (".",)))
    assert isinstance(opened, OpenPool)
    assert opened.load.directory == "/work"


def test_what_it_forgets_it_removes() -> None:
    agent = Driven().reach(Stage.RUNNING)
    agent.do(Pooled("run", pool.Took(0, 5, "p")))  # type: ignore[arg-type]
    effects = agent.hear(Release(run="run", incarnation=2))
    assert Drop("run", 2, ("p",)) in effects


def test_what_it_must_know_again_is_written_first() -> None:
    agent = Driven().reach(Stage.PREPARING)
    [append] = agent.do(Pooled("run", pool.Took(0, 5, "p")))  # type: ignore[arg-type]
    assert isinstance(append, Append)


def at_rate(*, max_users: int | None = None) -> Driven:
    """An agent that runs one half of the slots of a phase at a rate."""
    driven = Driven(max_users=max_users)
    driven.reach(Stage.LOADED)
    fit = Fit(run="run", plan=rate_plan(), first=0, portions=(HALVES[0],), holding=1)
    driven.hear(fit)
    driven.do(Pooled("run", pool.AllReady()))
    driven.hear(GO)
    assert driven.stage is Stage.RUNNING
    return driven


def shares(effects: list[Effect]) -> list[pool.Share]:
    return [effect.event for effect in effects if isinstance(effect, ToPool) and isinstance(effect.event, pool.Share)]


def test_what_is_taken_at_a_rate_is_taken_from_the_stated_iteration_on() -> None:
    driven = at_rate()
    hold = Hold(run="run", holding=2, portions=HALVES, from_phase=0, from_us=700_000)
    effects = driven.hear(hold)
    assert shares(effects) == [pool.Share(HALVES, 0, 700_000)]
    assert driven.standing.holding == 2  # at once: there is nothing to wait for
    assert driven.standing.given_us == 0
    assert shares(driven.hear(hold)) == []


@pytest.mark.parametrize(("asked_us", "given_us"), [(4_000_000, 4_000_000), (1_000_000, 2_550_000)])
def test_what_is_given_at_a_rate_is_given_when_no_worker_can_begin_it_unheard(asked_us: int, given_us: int) -> None:
    """The lease of the beat at 0 ends at 2.5 s: by then each worker has heard, or begins nothing."""
    driven = at_rate()
    hold = Hold(run="run", holding=2, portions=(), from_phase=0, from_us=asked_us)
    assert shares(driven.hear(hold)) == [pool.Share((), 0, given_us)]
    assert (driven.standing.holding, driven.standing.given_us) == (2, given_us)


def test_a_grace_that_was_given_is_waited_for() -> None:
    driven = at_rate()
    driven.do(Linked(False))
    driven.do(Linked(True))
    driven.hear(Welcome(version="1", incarnation=2), Enlisted())
    driven.beat()
    driven.hear(Hold(run="run", holding=2, portions=(), from_phase=0, from_us=4_000_000))
    assert driven.standing.given_us == GRACE_US + 50_000


def test_what_is_said_to_be_given_never_becomes_less() -> None:
    driven = at_rate()
    driven.hear(Hold(run="run", holding=2, portions=(((0, 2), (0, 2)),), from_phase=0, from_us=9_000_000))
    driven.hear(Hold(run="run", holding=3, portions=HALVES, from_phase=0, from_us=3_000_000))
    assert driven.standing.given_us == 9_000_000


def test_one_agent_sets_up_for_all_and_says_what_came_of_it() -> None:
    driven = Driven().reach(Stage.LOADED)
    effects = driven.hear(SetUp(run="run"))
    assert any(isinstance(effect, ToPool) and isinstance(effect.event, pool.SetUpRun) for effect in effects)
    assert driven.standing.stage is Stage.SETTING_UP
    assert not driven.hear(SetUp(run="run"))
    driven.do(Pooled("run", pool.RunIsSetUp(b"data")))
    assert driven.standing.stage is Stage.SET_UP
    assert (driven.standing.run_data, driven.standing.loaded) == (b"data", LOADED)
    effects = driven.hear(msgspec.structs.replace(FIT, run_data=b"data"))
    (begin,) = [e.event for e in effects if isinstance(e, ToPool) and isinstance(e.event, pool.Begin)]
    assert begin.run_data == b"data"
    assert driven.standing.run_data is None


def test_a_set_up_that_fails_is_why_the_run_can_not_be() -> None:
    driven = Driven().reach(Stage.LOADED)
    driven.hear(SetUp(run="run"))
    driven.do(Pooled("run", pool.Refused(LoadFailed(message="setUpRun raised", hint="", traceback="boom"))))
    assert driven.stage is Stage.FAILED
    assert driven.standing.trouble is not None
    assert driven.standing.trouble.traceback == "boom"


@pytest.mark.parametrize("keeper", [True, False])
def test_the_pool_hears_whether_it_tears_down(keeper: bool) -> None:
    effects = Driven().reach(Stage.RESTING).hear(Wind(run="run", keeper=keeper))
    assert ToPool("run", pool.End(keeper=keeper)) in effects
