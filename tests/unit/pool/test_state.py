from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loads.errors import ProtocolError
from loads.metrics.counters import Counts
from loads.plan.http import HttpOptions
from loads.plan.profile import Stage
from loads.plan.share import WHOLE, Portion, cut
from loads.plan.spec import Phase, Plan
from loads.pool.events import (
    AllGone,
    AllLoaded,
    AllReady,
    Begin,
    Died,
    Effect,
    End,
    Go,
    Halt,
    Kill,
    Lease,
    Lost,
    Measured,
    MemberState,
    PhaseOver,
    Refused,
    Resumed,
    Said,
    SetUpRun,
    Share,
    Shared,
    Spawn,
    Tell,
    Tick,
    Took,
)
from loads.pool.member import CUT_OFF_US, DEATHS_WITHIN_US, FIT_US, MAX_DEATHS, MUTE_US
from loads.pool.state import LEASE_US, PoolState
from loads.units import US_PER_S
from loads.wire.messages import (
    PROTOCOL,
    Alive,
    Assign,
    Bye,
    Delta,
    Finish,
    Hello,
    Kept,
    Load,
    Loaded,
    LoadFailed,
    Misused,
    PhaseDone,
    Ready,
    ScenarioInfo,
    SetUpDone,
    Start,
    Stop,
    Take,
    Up,
    Yield,
    Yielded,
)
from tests.build import iterations_of

S = MemberState
GRACE_US = 30 * US_PER_S
TEN_S = 10 * US_PER_S
AT_US = 1_000 * US_PER_S
"""When the run begins, on the machine's clock."""
TIMED = Phase(4, stages=(Stage(0, 4), Stage(TEN_S, 4)))
COUNTED = Phase(4, hits=5)

LOAD = Load(targets=("t",), search_path=())
HELLO = Hello(protocol=PROTOCOL, incarnation=0xBEEF)
LOADED = Loaded(scenarios=(ScenarioInfo(name="t", weight=1),), hooks=())
FAILED = LoadFailed(message="t can't be imported", hint="", traceback="SyntaxError")
READY = Ready(runnable=1)
BYE = Bye(last_seq=0)
SAMPLES: list[Up] = [
    HELLO,
    LOADED,
    FAILED,
    READY,
    Delta(seq=1, t_us=0, users=1, summary=iterations_of(1)),
    PhaseDone(phase=0, ended_us=5),
    Yielded(portions=()),
    SetUpDone(data=b"d"),
    BYE,
]
MAY_SAY: dict[MemberState, set[Any]] = {
    S.STARTING: {Hello},
    S.LOADING: {Loaded, LoadFailed},
    S.LOADED: set(),
    S.SETTING_UP: {SetUpDone, LoadFailed, Delta},
    S.FITTING: {Misused, Ready, Delta},
    S.READY: set(),
    S.RUNNING: {Misused, Delta, PhaseDone},
    S.RESTING: set(),
    S.FINISHING: {Loaded, LoadFailed, SetUpDone, Misused, Ready, Delta, PhaseDone, Bye},
    S.GONE: set(),
}


def begin_of(*phases: Phase) -> Begin:
    return Begin(Plan(phases, GRACE_US), seed=7, server_url=None, fresh_session=False)


def go_of(phase: int, phase_at_us: int = AT_US) -> Go:
    return Go(phase, AT_US, phase_at_us)


def start_of(phase: int, phase_at_us: int = AT_US) -> Start:
    return Start(phase=phase, run_at_us=AT_US, phase_at_us=phase_at_us)


def alive_of(now_us: int) -> Alive:
    return Alive(until_us=now_us + LEASE_US)


def started(worker: int, phase: int = 0) -> list[Effect]:
    """What a worker is told that starts at `AT_US`."""
    return [Tell(worker, alive_of(AT_US)), Tell(worker, start_of(phase))]


def delta_of(seq: int, started: int = 1, ended: int = 1, *, t_us: int = 0, sent: int = 0) -> Delta:
    return Delta(seq=seq, t_us=t_us, users=1, summary=iterations_of(started, ended, sent=sent))


def died(worker: int, **counts: int) -> Died:
    return Died(worker, "was killed by SIGKILL", Counts(**counts))


def said(state: PoolState, worker: int, *messages: Up, now_us: int = AT_US) -> list[Effect]:
    """What follows from the last of `messages`."""
    effects: list[Effect] = []
    for message in messages:
        effects = state.handle(Said(worker, message), now_us)
    return effects


def ready_pool(*phases: Phase, workers: int = 1) -> PoolState:
    state = PoolState(workers, LOAD)
    for worker in range(workers):
        said(state, worker, HELLO, LOADED)
    state.handle(begin_of(*phases), AT_US)
    for worker in range(workers):
        said(state, worker, READY)
    return state


def running_pool(*phases: Phase, workers: int = 1) -> PoolState:
    state = ready_pool(*phases, workers=workers)
    state.handle(go_of(0), AT_US)
    return state


def pool_with_worker_in(wanted: MemberState) -> PoolState:
    """A pool of one worker that came to `wanted` by the shortest life."""
    state = PoolState(1, LOAD)
    steps: list[tuple[MemberState, Any]] = [
        (S.LOADING, Said(0, HELLO)),
        (S.LOADED, Said(0, LOADED)),
        *([(S.SETTING_UP, SetUpRun())] if wanted is S.SETTING_UP else []),
        (S.FITTING, begin_of(COUNTED, COUNTED)),
        (S.READY, Said(0, READY)),
        (S.RUNNING, go_of(0)),
        (S.RESTING, Said(0, PhaseDone(phase=0, ended_us=0))),
        (S.FINISHING, End()),
        (S.GONE, died(0)),
    ]
    for reached, event in steps:
        if wanted is S.STARTING:
            break
        state.handle(event, AT_US)
        if reached is wanted:
            break
    assert repr(state).endswith(f" 0:{wanted.value}>")
    return state


# A whole life.


def test_two_workers_from_the_first_process_to_the_last() -> None:
    state = PoolState(2, LOAD)
    assert state.start() == [Spawn(0), Spawn(1)]
    assert said(state, 0, HELLO) == [Tell(0, LOAD)]
    assert said(state, 1, HELLO) == [Tell(1, LOAD)]
    assert repr(state) == "<Pool phase=- 0:loading 1:loading>"
    assert said(state, 0, LOADED) == []
    assert said(state, 1, LOADED) == [AllLoaded(LOADED)]
    begin = begin_of(COUNTED, TIMED)
    assigns = state.handle(begin, AT_US)
    told = [(effect.worker, type(effect.message)) for effect in assigns if isinstance(effect, Tell)]
    assert told == [(0, Assign), (1, Assign)]
    assert said(state, 0, READY) == []
    assert said(state, 1, READY) == [AllReady()]
    assert state.handle(go_of(0), AT_US) == [*started(0), *started(1)]
    assert repr(state) == "<Pool phase=0 0:running 1:running>"
    delta = delta_of(1)
    assert said(state, 1, delta) == [Measured(1, 0xBEEF, delta), Tell(1, Kept(seq=1))]
    assert said(state, 0, PhaseDone(phase=0, ended_us=700)) == []
    assert repr(state) == "<Pool phase=0 0:resting 1:running>"
    assert said(state, 1, PhaseDone(phase=0, ended_us=400)) == [PhaseOver(0, 700)]
    start, lease = start_of(1, AT_US + 9), alive_of(AT_US)
    assert state.handle(go_of(1, AT_US + 9), AT_US) == [Tell(0, lease), Tell(0, start), Tell(1, lease), Tell(1, start)]
    assert said(state, 0, PhaseDone(phase=1, ended_us=900)) == []
    assert said(state, 1, PhaseDone(phase=1, ended_us=950)) == [PhaseOver(1, 950)]
    assert state.handle(End(), AT_US) == [Tell(0, Finish()), Tell(1, Finish())]
    assert said(state, 0, BYE) == said(state, 1, Bye(last_seq=1)) == []
    assert state.handle(died(0), AT_US) == []
    assert state.handle(died(1, started=1, ended=1), AT_US) == [AllGone()]
    assert repr(state) == "<Pool phase=1 0:gone 1:gone>"


def test_each_worker_is_told_its_number_and_the_whole_plan() -> None:
    state = PoolState(1, LOAD)
    said(state, 0, HELLO, LOADED)
    told: dict[str, Any] = {
        "plan": Plan((COUNTED,)),
        "seed": 9,
        "server_url": "http://127.0.0.1",
        "fresh_session": True,
        "think_time_us": (1, 2),
        "stop_on_failure": 3,
        "http": HttpOptions(insecure_tls=True),
    }
    assert state.handle(Begin(**told), 0) == [Tell(0, Assign(worker=0, portions=(((0, 1),),), **told))]


def test_each_tick_tells_every_worker_that_the_parent_is_there() -> None:
    state = running_pool(COUNTED, workers=2)
    assert state.handle(Tick(), AT_US) == [Tell(0, alive_of(AT_US)), Tell(1, alive_of(AT_US))]


def test_a_process_that_has_not_spoken_yet_is_not_spoken_to() -> None:
    assert PoolState(1, LOAD).handle(Tick(), AT_US) == []


# What may be said when.


@pytest.mark.parametrize("message", SAMPLES, ids=lambda message: type(message).__name__)
@pytest.mark.parametrize("wanted", list(MemberState), ids=lambda wanted: wanted.value)
def test_a_worker_can_only_say_what_belongs_to_its_state(wanted: MemberState, message: Up) -> None:
    state = pool_with_worker_in(wanted)
    before, shown = deepcopy(vars(state)), repr(state)
    if type(message) in MAY_SAY[wanted]:
        assert isinstance(state.handle(Said(0, message), AT_US), list)
        return
    out_of_turn = f"worker 0 said {type(message).__name__} while {wanted.value}"
    with pytest.raises(ProtocolError, match=f"{out_of_turn}|worker 0 yielded what it was not told to"):
        state.handle(Said(0, message), AT_US)
    assert (vars(state), repr(state)) == (before, shown)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (S.STARTING, Hello(protocol=PROTOCOL + 1, incarnation=1)),
        (S.RUNNING, delta_of(2)),
        (S.RUNNING, delta_of(0)),
        (S.FINISHING, delta_of(7)),
    ],
)
def test_another_protocol_or_a_gap_in_the_deltas_changes_nothing(wanted: MemberState, message: Up) -> None:
    state = pool_with_worker_in(wanted)
    before = deepcopy(vars(state))
    with pytest.raises(ProtocolError):
        state.handle(Said(0, message), AT_US)
    assert vars(state) == before


def test_a_delta_that_comes_twice_is_refused() -> None:
    state = running_pool(COUNTED)
    said(state, 0, delta_of(1))
    with pytest.raises(ProtocolError, match="sent delta 1 after 1"):
        said(state, 0, delta_of(1))


# Tests that can't be run.


def test_the_first_worker_that_can_not_load_the_tests_refuses_for_all() -> None:
    state = PoolState(2, LOAD)
    said(state, 0, HELLO)
    said(state, 1, HELLO)
    assert said(state, 0, FAILED) == [Refused(FAILED), Tell(0, Finish())]
    assert said(state, 1, FAILED) == [Tell(1, Finish())]
    assert state.handle(died(0), AT_US) == []
    assert state.handle(died(1), AT_US) == [AllGone()]


@pytest.mark.parametrize("wanted", [S.STARTING, S.LOADING, S.LOADED, S.FITTING, S.READY])
def test_a_death_before_the_barrier_refuses_once_and_says_how_it_died(wanted: MemberState) -> None:
    state = pool_with_worker_in(wanted)
    refused, *rest = state.handle(died(0), AT_US)
    assert isinstance(refused, Refused)
    assert refused.failure.message == "worker 0 was killed by SIGKILL before the run began"
    assert rest == [AllGone()]


def test_more_deaths_before_the_barrier_are_not_reported_again() -> None:
    state = PoolState(3, LOAD)
    assert [type(effect) for effect in state.handle(died(0), 0)] == [Refused]
    assert state.handle(died(1), 0) == []
    assert state.handle(died(2), 0) == [AllGone()]


def test_requests_of_fixtures_that_died_before_the_barrier_are_lost_too() -> None:
    state = pool_with_worker_in(S.FITTING)
    effects = state.handle(died(0, sent=3), AT_US)
    (lost,) = [effect for effect in effects if isinstance(effect, Lost)]
    assert (lost.missing, lost.replaced) == (Counts(sent=3), False)


# Death in mid-run.


def test_with_a_duration_a_dead_worker_is_replaced_and_goes_on_with_the_same_phase() -> None:
    state = running_pool(TIMED, workers=2)
    lost, spawn = state.handle(died(0, started=1), AT_US + US_PER_S)
    assert isinstance(lost, Lost)
    assert (lost.replaced, spawn) == (True, Spawn(0))
    assert repr(state) == "<Pool phase=0 0:starting 1:running>"
    assert said(state, 0, HELLO) == [Tell(0, LOAD)]
    assert [type(effect.message) for effect in said(state, 0, LOADED) if isinstance(effect, Tell)] == [Assign]
    assert said(state, 0, READY) == started(0)
    assert repr(state) == "<Pool phase=0 0:running 1:running>"


def test_the_phase_waits_for_a_replacement() -> None:
    state = running_pool(TIMED, workers=2)
    state.handle(died(0), AT_US + US_PER_S)
    assert said(state, 1, PhaseDone(phase=0, ended_us=TEN_S)) == []
    assert said(state, 0, HELLO, LOADED, READY, PhaseDone(phase=0, ended_us=TEN_S + 5)) == [PhaseOver(0, TEN_S + 5)]


def test_deltas_of_a_replacement_count_from_one_again() -> None:
    state = running_pool(TIMED)
    said(state, 0, delta_of(1), delta_of(2))
    state.handle(died(0, started=2, ended=2), AT_US + US_PER_S)
    delta = delta_of(1)
    assert said(state, 0, HELLO, LOADED, READY, delta) == [Measured(0, 0xBEEF, delta), Tell(0, Kept(seq=1))]


def test_with_hits_a_dead_worker_is_not_replaced_and_the_others_end_the_phase() -> None:
    state = running_pool(COUNTED, workers=2)
    (lost,) = state.handle(died(0, started=3, ended=2), AT_US + 500)
    assert isinstance(lost, Lost)
    assert not lost.replaced
    assert said(state, 1, PhaseDone(phase=0, ended_us=700)) == [PhaseOver(0, 700)]


def test_the_last_worker_to_die_ends_a_phase_of_hits() -> None:
    state = running_pool(COUNTED)
    lost, over, gone = state.handle(died(0, started=1), AT_US + 500)
    assert isinstance(lost, Lost)
    assert (over, gone) == (PhaseOver(0, 500), AllGone())
    assert state.handle(End(), AT_US + 600) == []


def test_with_hits_and_another_phase_a_dead_worker_is_replaced_for_that() -> None:
    state = running_pool(COUNTED, COUNTED, workers=2)
    lost, spawn = state.handle(died(0, started=1), AT_US)
    assert isinstance(lost, Lost)
    assert (lost.replaced, spawn) == (True, Spawn(0))
    assert said(state, 0, HELLO, LOADED, READY) == []
    assert said(state, 1, PhaseDone(phase=0, ended_us=9)) == [PhaseOver(0, 9)]
    assert state.handle(go_of(1), AT_US) == [*started(0, 1), *started(1, 1)]


def test_a_replacement_that_is_late_for_the_next_phase_joins_it() -> None:
    state = running_pool(COUNTED, COUNTED, workers=2)
    state.handle(died(0, started=1), AT_US)
    said(state, 1, PhaseDone(phase=0, ended_us=9))
    assert state.handle(go_of(1), AT_US) == started(1, 1)
    assert said(state, 1, PhaseDone(phase=1, ended_us=20)) == []
    assert said(state, 0, HELLO, LOADED, READY) == started(0, 1)


SUCCESSOR_SAYS: list[tuple[Up, ...]] = [(), (HELLO,), (HELLO, LOADED), (HELLO, FAILED)]


@pytest.mark.parametrize("words", SUCCESSOR_SAYS)
def test_a_replacement_that_hangs_does_not_hold_up_a_phase_with_an_end(words: tuple[Up, ...]) -> None:
    state = running_pool(TIMED, workers=2)
    state.handle(died(0, started=1), AT_US + 3 * US_PER_S)
    said(state, 0, *words)
    said(state, 1, PhaseDone(phase=0, ended_us=TEN_S))
    limit_us = AT_US + TEN_S + GRACE_US + MUTE_US
    assert Kill(0) not in state.handle(Tick(), limit_us - 1)
    assert Kill(0) in state.handle(Tick(), limit_us)
    assert PhaseOver(0, limit_us - AT_US) in state.handle(died(0), limit_us)


@pytest.mark.parametrize("words", SUCCESSOR_SAYS)
def test_a_replacement_that_hangs_holds_up_the_next_phase_of_hits_for_a_minute(words: tuple[Up, ...]) -> None:
    state = running_pool(COUNTED, COUNTED, workers=2)
    state.handle(died(0, started=1), AT_US)
    said(state, 0, *words)
    said(state, 1, PhaseDone(phase=0, ended_us=9))
    assert Kill(0) not in state.handle(Tick(), AT_US + 2 * FIT_US)
    at_us = AT_US + 3 * FIT_US
    state.handle(go_of(1, at_us), at_us)
    said(state, 1, PhaseDone(phase=1, ended_us=20))
    assert Kill(0) not in state.handle(Tick(), at_us + FIT_US - 1)
    assert Kill(0) in state.handle(Tick(), at_us + FIT_US)
    assert PhaseOver(1, at_us + FIT_US - AT_US) in state.handle(died(0), at_us + FIT_US)


def test_a_replacement_that_is_ready_in_time_may_run_as_long_as_it_takes() -> None:
    state = running_pool(COUNTED, COUNTED, workers=2)
    state.handle(died(0, started=1), AT_US)
    said(state, 1, PhaseDone(phase=0, ended_us=9))
    state.handle(go_of(1), AT_US)
    said(state, 0, HELLO, LOADED, READY)
    for second in range(2 * FIT_US // US_PER_S):
        now_us = AT_US + second * US_PER_S
        said(state, 0, delta_of(second + 1), now_us=now_us)
        said(state, 1, delta_of(second + 1), now_us=now_us)
        assert Kill(0) not in state.handle(Tick(), now_us)
    state.handle(End(), now_us)
    assert Kill(0) not in state.handle(Tick(), now_us)


def test_a_replacement_that_takes_of_a_phase_of_hits_does_not_hold_it_up_either() -> None:
    state = sharing_pool(COUNTED, COUNTED)
    state.handle(died(0, started=1), AT_US)
    state.handle(Share((FIRST, SECOND), 0), AT_US)
    for _ in range(2):
        said(state, 1, PhaseDone(phase=0, ended_us=9))
    assert Kill(0) in state.handle(Tick(), AT_US + FIT_US)
    assert PhaseOver(0, FIT_US) in state.handle(died(0), AT_US + FIT_US)


def test_a_process_that_is_not_there_yet_when_it_is_to_be_killed_is_killed_later() -> None:
    state = running_pool(TIMED)
    state.handle(died(0, started=1), AT_US)
    limit_us = AT_US + TEN_S + GRACE_US + MUTE_US
    assert state.handle(Tick(), limit_us) == [Kill(0)]
    took = Took(0, 0xCAFE, Path("page"))
    assert state.handle(took, limit_us) == [took]
    assert state.handle(Tick(), limit_us + US_PER_S) == [Kill(0)]


@pytest.mark.parametrize("event", [End(), Halt(now=False), Halt(now=True)])
def test_a_process_that_comes_after_the_end_is_killed_before_it_says_a_word(event: End | Halt) -> None:
    state = running_pool(TIMED)
    state.handle(died(0, started=1), AT_US)
    state.handle(event, AT_US)
    took = Took(0, 0xCAFE, Path("page"))
    assert state.handle(took, AT_US) == [took, Kill(0)]


@pytest.mark.parametrize("words", [(), (HELLO,), (HELLO, LOADED)])
def test_the_first_processes_may_take_as_long_as_they_need(words: tuple[Up, ...]) -> None:
    state = PoolState(1, LOAD)
    said(state, 0, *words)
    assert Kill(0) not in state.handle(Tick(), AT_US)
    assert Kill(0) not in state.handle(Tick(), AT_US + 3_600 * US_PER_S)


def test_a_worker_that_could_not_load_the_tests_and_does_not_leave_is_killed() -> None:
    state = PoolState(1, LOAD)
    said(state, 0, HELLO, FAILED)
    state.handle(End(), AT_US)
    assert state.handle(Tick(), AT_US + MUTE_US) == [Kill(0)]


def test_a_death_after_the_time_is_over_ends_the_workers_part() -> None:
    state = running_pool(TIMED)
    lost, over, gone = state.handle(died(0, started=1), AT_US + TEN_S)
    assert isinstance(lost, Lost)
    assert (lost.replaced, over, gone) == (False, PhaseOver(0, TEN_S), AllGone())


def test_a_worker_that_dies_all_the_time_is_given_up() -> None:
    state = running_pool(TIMED)
    for death in range(1, MAX_DEATHS):
        effects = state.handle(died(0, started=1), AT_US + death)
        assert effects[-1] == Spawn(0), death
        said(state, 0, HELLO, LOADED, READY)
    lost, *rest = state.handle(died(0, started=1), AT_US + MAX_DEATHS)
    assert isinstance(lost, Lost)
    assert (lost.replaced, lost.given_up) == (False, True)
    assert rest == [PhaseOver(0, MAX_DEATHS), AllGone()]


@pytest.mark.parametrize("phase", [TIMED, COUNTED])
def test_one_death_is_not_given_up(phase: Phase) -> None:
    """It is replaced, or its hits are over with it."""
    lost = running_pool(phase).handle(died(0, started=1), AT_US)[0]
    assert isinstance(lost, Lost)
    assert not lost.given_up


def test_a_death_after_a_stop_is_not_given_up() -> None:
    state = running_pool(TIMED)
    state.handle(Halt(now=False), AT_US)
    lost = state.handle(died(0, started=1), AT_US)[0]
    assert isinstance(lost, Lost)
    assert not lost.given_up


def test_deaths_that_are_far_apart_are_forgiven() -> None:
    state = running_pool(Phase(1, stages=(Stage(100 * DEATHS_WITHIN_US, 1),)))
    for death in range(3 * MAX_DEATHS):
        effects = state.handle(died(0, started=1), AT_US + death * DEATHS_WITHIN_US // (MAX_DEATHS - 1))
        assert effects[-1] == Spawn(0), death
        said(state, 0, HELLO, LOADED, READY)


# What is lost.


def test_a_loss_is_what_the_counters_hold_beyond_what_was_delivered() -> None:
    """Of nine begun iterations six ended in deltas: three are lost, one of them begun after the last delta."""
    state = running_pool(TIMED)
    first, second = delta_of(1, 5, 4, sent=4), delta_of(2, 3, 2, sent=5, t_us=US_PER_S)
    said(state, 0, first, second, now_us=AT_US + 2 * US_PER_S)
    (lost, _) = state.handle(died(0, started=9, ended=7, sent=12, unsent=1), AT_US + 2_500_000)
    assert isinstance(lost, Lost)
    assert lost.missing == Counts(started=1, ended=1, sent=3, unsent=1)
    assert (lost.loss.iterations, lost.loss.sent, lost.loss.unsent) == (3, 3, 1)
    assert (lost.loss.from_us, lost.loss.to_us) == (2 * US_PER_S, 2_500_000)
    assert (lost.loss.worker, lost.loss.incarnation, lost.loss.reason) == (0, 0xBEEF, "was killed by SIGKILL")


def test_a_loss_begins_when_the_last_delta_was_sent_also_within_its_second() -> None:
    state = running_pool(TIMED)
    said(state, 0, delta_of(1, 5, 4, sent=4), now_us=AT_US + 300_000)
    (lost, _) = state.handle(died(0, started=9), AT_US + 400_000)
    assert isinstance(lost, Lost)
    assert (lost.loss.from_us, lost.loss.to_us) == (300_000, 400_000)


def test_a_test_that_lacks_what_only_the_user_can_give_refuses_the_run() -> None:
    state = running_pool(TIMED)
    told = said(state, 0, Misused(message="no server", hint="give one"))
    assert told == [Refused(LoadFailed(message="no server", hint="give one", traceback=""))]
    assert said(state, 0, Misused(message="no server", hint="give one")) == []


def test_a_replacement_can_not_have_lost_what_was_before_it() -> None:
    state = running_pool(TIMED)
    state.handle(died(0, started=1), AT_US + 2 * US_PER_S)
    said(state, 0, HELLO, LOADED, READY)
    lost = state.handle(died(0, started=1), AT_US + 3 * US_PER_S)[0]
    assert isinstance(lost, Lost)
    assert (lost.loss.from_us, lost.loss.to_us) == (2 * US_PER_S, 3 * US_PER_S)


def test_a_death_in_mid_run_is_told_even_if_nothing_is_missing() -> None:
    state = running_pool(COUNTED)
    said(state, 0, delta_of(1, 2, 2))
    lost = state.handle(died(0, started=2, ended=2), AT_US)[0]
    assert isinstance(lost, Lost)
    assert (lost.loss.iterations, lost.missing) == (0, Counts())


def test_a_worker_that_said_bye_and_delivered_all_leaves_without_a_word() -> None:
    state = running_pool(COUNTED)
    said(state, 0, delta_of(1, 2, 2), PhaseDone(phase=0, ended_us=5))
    state.handle(End(), AT_US)
    said(state, 0, BYE)
    assert state.handle(died(0, started=2, ended=2), AT_US) == [AllGone()]


def test_a_worker_that_dies_while_finishing_is_a_loss() -> None:
    state = running_pool(COUNTED)
    said(state, 0, delta_of(1, 2, 2), PhaseDone(phase=0, ended_us=5))
    state.handle(End(), AT_US)
    lost, gone = state.handle(died(0, started=2, ended=2, sent=1), AT_US)
    assert isinstance(lost, Lost)
    assert (lost.missing, lost.replaced, gone) == (Counts(sent=1), False, AllGone())


# Stopping.


def test_a_graceful_stop_is_passed_on_and_has_a_deadline() -> None:
    state = running_pool(COUNTED)
    assert state.handle(Halt(now=False), AT_US) == [Tell(0, Stop(now=False))]
    assert state.handle(Tick(), AT_US + GRACE_US + MUTE_US - 1) == [Tell(0, alive_of(AT_US + GRACE_US + MUTE_US - 1))]
    assert state.handle(Tick(), AT_US + GRACE_US + MUTE_US) == [Kill(0)]


def test_a_hard_stop_has_a_short_deadline_even_after_a_graceful_one() -> None:
    state = running_pool(TIMED)
    state.handle(Halt(now=False), AT_US)
    assert state.handle(Halt(now=True), AT_US + US_PER_S) == [Tell(0, Stop(now=True))]
    assert state.handle(Tick(), AT_US + US_PER_S + CUT_OFF_US - 1) == [
        Tell(0, alive_of(AT_US + US_PER_S + CUT_OFF_US - 1))
    ]
    assert state.handle(Tick(), AT_US + US_PER_S + CUT_OFF_US) == [Kill(0)]


def test_a_second_stop_never_gives_more_time() -> None:
    state = running_pool(COUNTED)
    state.handle(Halt(now=True), AT_US)
    state.handle(Halt(now=True), AT_US + CUT_OFF_US - 1)
    assert state.handle(Tick(), AT_US + CUT_OFF_US) == [Kill(0)]


def test_a_worker_that_does_not_end_its_phase_in_time_is_killed() -> None:
    state = running_pool(TIMED)
    over_us = AT_US + TEN_S + GRACE_US + MUTE_US
    said(state, 0, Delta(seq=1, t_us=0, users=1, summary=iterations_of(0)), now_us=over_us - 2)
    assert state.handle(Tick(), over_us - 1) == [Tell(0, alive_of(over_us - 1))]
    assert state.handle(Tick(), over_us) == [Kill(0)]


def test_iterations_may_take_as_long_as_they_like_when_hits_decide() -> None:
    state = running_pool(COUNTED)
    late_us = AT_US + 1_000 * GRACE_US
    said(state, 0, Delta(seq=1, t_us=0, users=1, summary=iterations_of(0)), now_us=late_us - 1)
    assert state.handle(Tick(), late_us) == [Tell(0, alive_of(late_us))]


def test_a_worker_that_sends_no_deltas_for_the_graceful_stop_and_more_is_killed_and_replaced() -> None:
    state = running_pool(TIMED)
    for second in range(GRACE_US // US_PER_S + 6):
        assert state.handle(Tick(), AT_US + second * US_PER_S) == [Tell(0, alive_of(AT_US + second * US_PER_S))]
    assert state.handle(Tick(), AT_US + GRACE_US + MUTE_US + 1) == [Kill(0)]


def test_a_parent_that_was_frozen_does_not_take_its_workers_for_mute() -> None:
    state = running_pool(TIMED)
    assert state.handle(Tick(), AT_US) == [Tell(0, alive_of(AT_US))]
    assert state.handle(Tick(), AT_US + TEN_S - 1) == [Tell(0, alive_of(AT_US + TEN_S - 1))]


def test_a_worker_that_does_not_finish_is_killed() -> None:
    state = running_pool(COUNTED)
    said(state, 0, PhaseDone(phase=0, ended_us=5))
    state.handle(End(), AT_US)
    assert state.handle(Tick(), AT_US + GRACE_US + MUTE_US) == [Kill(0)]


def test_a_worker_that_is_only_starting_is_killed_by_a_stop() -> None:
    state = PoolState(1, LOAD)
    assert state.handle(Halt(now=False), 0) == [Kill(0)]
    assert state.handle(died(0), 0) == [AllGone()]


def test_a_death_after_a_stop_is_not_replaced() -> None:
    state = running_pool(TIMED)
    state.handle(Halt(now=False), AT_US)
    effects = state.handle(died(0, started=1), AT_US + 5)
    assert [type(effect) for effect in effects] == [Lost, PhaseOver, AllGone]


def test_a_replacement_that_is_ready_after_a_stop_is_stopped_at_once() -> None:
    """It has to come through its phase to end it."""
    state = running_pool(TIMED)
    state.handle(died(0, started=1), AT_US)
    said(state, 0, HELLO, LOADED)
    state.handle(Halt(now=False), AT_US)
    assert said(state, 0, READY) == [*started(0), Tell(0, Stop(now=False))]


def test_the_end_kills_what_has_not_loaded_and_lets_the_rest_finish() -> None:
    state = PoolState(3, LOAD)
    said(state, 1, HELLO)
    said(state, 2, HELLO, LOADED)
    assert state.handle(End(), 0) == [Kill(0), Kill(1), Tell(2, Finish())]


def test_a_phase_with_nobody_left_is_over_at_once() -> None:
    state = running_pool(TIMED, TIMED)
    state.handle(Halt(now=False), AT_US)
    state.handle(died(0), AT_US + 5)
    assert state.handle(go_of(1), AT_US + 6) == [PhaseOver(1, 5)]


def test_a_replacement_that_can_not_load_the_tests_does_not_refuse_the_run() -> None:
    state = running_pool(TIMED, workers=2)
    state.handle(died(0, started=1), AT_US)
    effects = said(state, 0, HELLO, FAILED)
    assert not [effect for effect in effects if isinstance(effect, Refused)]


def test_a_replacement_that_is_ready_after_a_hard_stop_keeps_its_deadline() -> None:
    state = running_pool(TIMED)
    state.handle(died(0, started=1), AT_US)
    said(state, 0, HELLO, LOADED)
    state.handle(Halt(now=True), AT_US)
    said(state, 0, READY)
    assert state.handle(Tick(), AT_US + CUT_OFF_US) == [Kill(0)]


def test_a_worker_that_survived_its_kill_is_killed_when_it_speaks() -> None:
    state = PoolState(1, LOAD)
    assert state.handle(End(), AT_US) == [Kill(0)]
    assert state.handle(Said(0, HELLO), AT_US) == [Kill(0)]


def test_begin_does_not_wake_the_dead() -> None:
    state = PoolState(2, LOAD)
    for worker in range(2):
        said(state, worker, HELLO, LOADED)
    state.handle(died(0), AT_US)
    state.handle(begin_of(TIMED), AT_US)
    assert repr(state) == "<Pool phase=- 0:gone 1:fitting>"


# Leases.


def test_without_a_lease_of_its_own_a_pool_passes_on_the_owners() -> None:
    state = PoolState(2, LOAD, own_lease=False)
    said(state, 0, HELLO, LOADED)
    assert state.handle(Tick(), AT_US) == []
    assert state.handle(Lease(77), AT_US) == [Tell(0, Alive(until_us=77))]
    said(state, 1, HELLO, LOADED)
    state.handle(begin_of(TIMED), AT_US)
    for worker in range(2):
        said(state, worker, READY)
    lease = Alive(until_us=77)
    told = [Tell(0, lease), Tell(0, start_of(0)), Tell(1, lease), Tell(1, start_of(0))]
    assert state.handle(go_of(0), AT_US) == told
    assert state.handle(Lease(50), AT_US) == [Tell(0, Alive(until_us=50)), Tell(1, Alive(until_us=50))]


def test_a_pool_that_was_given_no_lease_starts_without_one() -> None:
    state = PoolState(1, LOAD, own_lease=False)
    said(state, 0, HELLO, LOADED)
    state.handle(begin_of(TIMED), AT_US)
    said(state, 0, READY)
    assert state.handle(go_of(0), AT_US) == [Tell(0, start_of(0))]


def test_a_mute_worker_is_killed_whoever_gives_the_lease() -> None:
    state = PoolState(1, LOAD, own_lease=False)
    said(state, 0, HELLO, LOADED)
    state.handle(begin_of(TIMED), AT_US)
    said(state, 0, READY)
    state.handle(go_of(0), AT_US)
    state.handle(Halt(now=True), AT_US)
    assert state.handle(Tick(), AT_US + CUT_OFF_US) == [Kill(0)]


# Portions.

FIRST, SECOND = cut(WHOLE, 2)


def parts(worker: int, *portions: Portion) -> tuple[Portion, ...]:
    return tuple((*portion, (worker, 2)) for portion in portions)


def sharing_pool(*phases: Phase, portions: tuple[Portion, ...] = (FIRST,)) -> PoolState:
    """Two workers that run the first phase."""
    state = PoolState(2, LOAD)
    for worker in range(2):
        said(state, worker, HELLO, LOADED)
    state.handle(replace(begin_of(*phases), first=4, portions=portions), AT_US)
    for worker in range(2):
        said(state, worker, READY)
    state.handle(go_of(0), AT_US)
    return state


def test_a_process_has_its_name_before_it_says_a_word() -> None:
    state = running_pool(TIMED)
    state.handle(died(0, started=1), AT_US)
    took = Took(0, 0xCAFE, Path("page"))
    assert state.handle(took, AT_US) == [took]
    lost = state.handle(died(0, started=1), AT_US)[0]
    assert isinstance(lost, Lost)
    assert lost.loss.incarnation == 0xCAFE


def test_workers_are_numbered_through_and_have_their_part_of_each_portion() -> None:
    state = PoolState(2, LOAD)
    said(state, 0, HELLO, LOADED)
    said(state, 1, HELLO, LOADED)
    told = state.handle(replace(begin_of(TIMED), first=4, portions=(FIRST, SECOND)), AT_US)
    assigns = [effect.message for effect in told if isinstance(effect, Tell)]
    assert [(assign.worker, assign.portions) for assign in assigns if isinstance(assign, Assign)] == [
        (4, parts(0, FIRST, SECOND)),
        (5, parts(1, FIRST, SECOND)),
    ]


def test_what_is_new_is_taken_and_started_and_holds_at_once() -> None:
    state = sharing_pool(TIMED)
    assert state.handle(Share((FIRST, SECOND), 0), AT_US) == [
        *(Tell(0, Take(portions=parts(0, SECOND), from_phase=0)), *started(0)),
        *(Tell(1, Take(portions=parts(1, SECOND), from_phase=0)), *started(1)),
        Shared((FIRST, SECOND)),
    ]
    assert said(state, 0, PhaseDone(phase=0, ended_us=5)) == []
    assert repr(state) == "<Pool phase=0 0:running 1:running>"
    assert said(state, 0, PhaseDone(phase=0, ended_us=6)) == []
    assert repr(state) == "<Pool phase=0 0:resting 1:running>"


def test_what_is_missing_is_yielded_and_the_share_holds_when_all_have() -> None:
    state = sharing_pool(TIMED)
    yields = [Yield(portions=parts(worker, FIRST)) for worker in range(2)]
    assert state.handle(Share((), 0), AT_US) == [Tell(0, yields[0]), Tell(1, yields[1])]
    assert said(state, 0, Yielded(portions=parts(0, FIRST))) == []
    assert said(state, 1, Yielded(portions=parts(1, FIRST))) == [Shared(())]


def test_what_nobody_asked_for_can_not_be_yielded() -> None:
    state = sharing_pool(TIMED)
    before = deepcopy(vars(state))
    with pytest.raises(ProtocolError, match="yielded what it was not told to"):
        said(state, 0, Yielded(portions=parts(0, FIRST)))
    assert vars(state) == before


def test_the_dead_owe_nothing() -> None:
    state = sharing_pool(TIMED)
    state.handle(Share((), 0), AT_US)
    said(state, 0, Yielded(portions=parts(0, FIRST)))
    assert state.handle(died(1, started=1), AT_US)[-1] == Shared(())


def test_a_replacement_gets_what_is_held_then() -> None:
    state = sharing_pool(TIMED)
    state.handle(died(0, started=1), AT_US)
    state.handle(Share((SECOND,), 0), AT_US)
    [assign] = said(state, 0, HELLO, LOADED)
    assert isinstance(assign, Tell)
    assert isinstance(assign.message, Assign)
    assert (assign.message.worker, assign.message.portions) == (4, parts(0, SECOND))


def test_a_replacement_for_later_phases_does_not_run_again_what_is_due_once() -> None:
    state = sharing_pool(COUNTED, COUNTED)
    state.handle(died(0, started=1), AT_US)
    assign, take = said(state, 0, HELLO, LOADED)
    assert isinstance(assign, Tell)
    assert isinstance(assign.message, Assign)
    assert assign.message.portions == ()
    assert take == Tell(0, Take(portions=parts(0, FIRST), from_phase=1))
    said(state, 0, READY)
    assert state.handle(Share((FIRST, SECOND), 0), AT_US)[:3] == [
        Tell(0, Take(portions=parts(0, SECOND), from_phase=0)),
        *started(0),
    ]


def test_what_belongs_to_a_later_phase_is_taken_and_not_started() -> None:
    state = sharing_pool(COUNTED, COUNTED)
    assert state.handle(Share((FIRST, SECOND), 1), AT_US) == [
        Tell(0, Take(portions=parts(0, SECOND), from_phase=1)),
        Tell(1, Take(portions=parts(1, SECOND), from_phase=1)),
        Shared((FIRST, SECOND)),
    ]


def test_a_phase_that_was_over_is_resumed_and_ends_again() -> None:
    state = sharing_pool(TIMED)
    said(state, 0, PhaseDone(phase=0, ended_us=5))
    assert said(state, 1, PhaseDone(phase=0, ended_us=5)) == [PhaseOver(0, 5)]
    later_us = AT_US + TEN_S - 1
    effects = state.handle(Share((FIRST, SECOND), 0), later_us)
    assert effects[-2:] == [Resumed(0), Shared((FIRST, SECOND))]
    assert repr(state) == "<Pool phase=0 0:running 1:running>"
    assert [type(effect) for effect in state.handle(Tick(), later_us)] == [Tell, Tell]
    said(state, 0, PhaseDone(phase=0, ended_us=TEN_S))
    assert said(state, 1, PhaseDone(phase=0, ended_us=TEN_S)) == [PhaseOver(0, TEN_S)]


@pytest.mark.parametrize("event", [Halt(now=False), Tick()])
def test_nothing_is_started_after_a_stop_or_when_the_time_is_over(event: Halt | Tick) -> None:
    state = sharing_pool(TIMED)
    state.handle(event, AT_US)
    now_us = AT_US + (TEN_S if isinstance(event, Tick) else 0)
    told = [effect.message for effect in state.handle(Share((FIRST, SECOND), 0), now_us) if isinstance(effect, Tell)]
    assert [type(message) for message in told] == [Take, Take]


def test_who_is_not_assigned_yet_is_told_nothing_and_owes_nothing() -> None:
    state = sharing_pool(TIMED)
    state.handle(died(0, started=1), AT_US)
    assert state.handle(Share((), 0), AT_US) == [Tell(1, Yield(portions=parts(1, FIRST)))]
    assert said(state, 1, Yielded(portions=parts(1, FIRST))) == [Shared(())]
