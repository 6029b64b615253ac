"""setUpRun on one worker before all begins, tearDownRun on one after all is over, whatever dies in between."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from loads.plan.http import HttpOptions
from loads.pool.events import (
    AllGone,
    AllLoaded,
    AllReady,
    Effect,
    End,
    Event,
    Halt,
    Kill,
    MemberState,
    PhaseOver,
    Refused,
    RunIsSetUp,
    SetUpRun,
    Spawn,
    Tell,
    Tick,
    Took,
)
from loads.pool.member import FIT_US
from loads.pool.state import PoolState
from loads.wire.messages import Assign, Down, Finish, LoadFailed, PhaseDone, SetUp, SetUpDone, Stop
from tests.unit.pool.test_state import (
    AT_US,
    BYE,
    COUNTED,
    HELLO,
    LOAD,
    LOADED,
    READY,
    TIMED,
    begin_of,
    delta_of,
    died,
    go_of,
    said,
)

PAGE = Path("page")
DATA = b"what setUpRun returned"
FINISH, LAST = Finish(), Finish(tear_down_run=True)


def loaded_pool(workers: int = 2) -> PoolState:
    state = PoolState(workers, LOAD)
    for worker in range(workers):
        said(state, worker, HELLO, LOADED)
    return state


def resting_pool(workers: int = 2, *, keeper: bool = True) -> PoolState:
    """At the end of its only phase."""
    state = loaded_pool(workers)
    state.handle(replace(begin_of(COUNTED), run_data=DATA, keeper=keeper), AT_US)
    for worker in range(workers):
        said(state, worker, READY)
    state.handle(go_of(0), AT_US)
    for worker in range(workers):
        said(state, worker, PhaseDone(phase=0, ended_us=5))
    return state


def told(effects: list[Effect], worker: int) -> list[Down]:
    return [effect.message for effect in effects if isinstance(effect, Tell) and effect.worker == worker]


def test_one_worker_sets_up_and_all_are_told_what_came_of_it() -> None:
    state, http = loaded_pool(), HttpOptions(insecure_tls=True)
    assert state.handle(SetUpRun("http://there", http), AT_US) == [Tell(0, SetUp(server_url="http://there", http=http))]
    assert "0:setting up 1:loaded" in repr(state)
    said(state, 0, delta_of(1, 0, 0, sent=2))
    assert said(state, 0, SetUpDone(data=DATA)) == [RunIsSetUp(DATA)]
    effects = state.handle(replace(begin_of(COUNTED), run_data=DATA, keeper=True), AT_US)
    assigns = [told(effects, worker)[0] for worker in (0, 1)]
    assert [isinstance(assign, Assign) and assign.run_data for assign in assigns] == [DATA, DATA]


def test_what_fails_while_setting_up_refuses_the_run() -> None:
    state = loaded_pool()
    state.handle(SetUpRun(), AT_US)
    failure = LoadFailed(message="TestShop.setUpRun raised", hint="", traceback="here")
    assert said(state, 0, failure) == [Refused(failure), Tell(0, FINISH)]


def test_a_worker_that_dies_while_setting_up_refuses_the_run_and_says_where() -> None:
    state = loaded_pool()
    state.handle(SetUpRun(), AT_US)
    (refused,) = state.handle(died(0), AT_US)
    assert isinstance(refused, Refused)
    assert refused.failure.message == "worker 0 was killed by SIGKILL in setUpRun"


def test_setting_up_may_take_as_long_as_it_needs() -> None:
    state = loaded_pool()
    state.handle(SetUpRun(), AT_US)
    assert Kill(0) not in state.handle(Tick(), AT_US + 100 * FIT_US)


def test_tear_down_is_told_to_one_worker_when_the_others_are_gone() -> None:
    state = resting_pool(3)
    assert state.handle(End(), AT_US) == [Tell(1, FINISH), Tell(2, FINISH)]
    said(state, 1, BYE)
    said(state, 2, BYE)
    assert state.handle(died(1), AT_US) == []
    assert state.handle(died(2), AT_US) == [Tell(0, LAST)]
    said(state, 0, BYE)
    assert state.handle(died(0), AT_US) == [AllGone()]


def test_a_lone_worker_is_told_at_once() -> None:
    assert resting_pool(1).handle(End(), AT_US) == [Tell(0, LAST)]


@pytest.mark.parametrize(("keeper", "end", "kept"), [(False, None, False), (False, True, True), (True, False, False)])
def test_the_end_may_say_who_keeps_the_run(keeper: bool, end: bool | None, kept: bool) -> None:
    state = resting_pool(1, keeper=keeper)
    assert state.handle(End(end), AT_US) == [Tell(0, Finish(tear_down_run=kept))]


def test_another_worker_keeps_the_run_when_the_first_is_gone() -> None:
    state = resting_pool(2)
    state.handle(died(0), AT_US)
    assert state.handle(End(), AT_US) == [Tell(1, LAST)]


def test_when_all_are_dead_a_process_is_started_for_it() -> None:
    state = resting_pool(1)
    state.handle(died(0), AT_US)
    assert state.handle(End(), AT_US) == [Spawn(0)]
    assert state.handle(Took(0, 1, PAGE), AT_US) == [Took(0, 1, PAGE)]
    assert said(state, 0, HELLO) == [Tell(0, LOAD)]
    assign, last = told(said(state, 0, LOADED), 0)
    assert isinstance(assign, Assign)
    assert assign.run_data == DATA
    assert last == LAST
    said(state, 0, READY, BYE)
    assert state.handle(died(0), AT_US) == [AllGone()]


def test_a_process_that_was_started_for_it_and_hangs_is_killed() -> None:
    state = resting_pool(1)
    state.handle(died(0), AT_US)
    state.handle(End(), AT_US)
    said(state, 0, HELLO)
    assert state.handle(Tick(), AT_US + FIT_US) == [Kill(0)]
    assert state.handle(died(0), AT_US)[-1] == AllGone()


def test_a_replacement_that_is_on_its_way_at_the_end_keeps_the_run() -> None:
    state = loaded_pool(1)
    state.handle(replace(begin_of(TIMED), keeper=True), AT_US)
    said(state, 0, READY)
    state.handle(go_of(0), AT_US)
    assert Spawn(0) in state.handle(died(0), AT_US)
    assert state.handle(End(), AT_US) == []
    assert said(state, 0, HELLO) == [Tell(0, LOAD)]
    assert told(said(state, 0, LOADED), 0)[-1] == LAST


def test_a_keeper_that_dies_while_it_waits_is_replaced_once() -> None:
    state = resting_pool(2)
    assert state.handle(End(), AT_US) == [Tell(1, FINISH)]
    assert state.handle(died(0), AT_US)[-1] == Spawn(0)
    assert AllGone() not in state.handle(died(1), AT_US)
    assert state.handle(died(0), AT_US)[-1] == AllGone()


def test_a_tear_down_that_dies_is_not_run_again() -> None:
    state = resting_pool(1)
    state.handle(End(), AT_US)
    assert state.handle(died(0), AT_US)[-1] == AllGone()


def test_after_a_graceful_stop_the_run_is_torn_down() -> None:
    state = resting_pool(1)
    state.handle(Halt(now=False), AT_US)
    assert state.handle(End(), AT_US) == [Tell(0, LAST)]


@pytest.mark.parametrize("halts", [[Halt(now=True), End()], [End(), Halt(now=True)]])
def test_after_a_hard_stop_it_is_not(halts: list[Event]) -> None:
    state = resting_pool(2)
    effects = [effect for event in halts for effect in state.handle(event, AT_US)]
    assert set(told(effects, 0)) == {Stop(now=True), FINISH}
    state.handle(died(0), AT_US)
    assert state.handle(died(1), AT_US)[-1] == AllGone()


def test_stopped_while_setting_up_the_one_who_did_tears_down() -> None:
    state = loaded_pool(2)
    state.handle(SetUpRun(), AT_US)
    assert state.handle(Halt(now=False), AT_US) == [Tell(0, Stop(now=False)), Tell(1, Stop(now=False))]
    assert state.handle(End(), AT_US) == [Tell(1, FINISH)]
    assert state.handle(died(1), AT_US) == [Tell(0, LAST)]
    assert said(state, 0, LoadFailed(message="stopped", hint="", traceback="")) == []
    said(state, 0, BYE)
    assert state.handle(died(0), AT_US) == [AllGone()]


def test_a_keeper_that_still_runs_is_waited_for() -> None:
    state = loaded_pool(2)
    state.handle(replace(begin_of(COUNTED), keeper=True), AT_US)
    said(state, 0, READY)
    assert said(state, 1, READY) == [AllReady()]
    state.handle(go_of(0), AT_US)
    state.handle(Halt(now=False), AT_US)
    state.handle(End(), AT_US)
    assert told(state.handle(died(1), AT_US), 0) == [LAST]
    assert MemberState.FINISHING.value in repr(state)


def test_without_fixtures_of_the_run_all_finish_together() -> None:
    state = resting_pool(2, keeper=False)
    assert state.handle(End(), AT_US) == [Tell(0, FINISH), Tell(1, FINISH)]
    assert PhaseOver not in [type(effect) for effect in state.handle(died(0), AT_US)]


def test_the_barrier_is_the_owners_again() -> None:
    assert said(PoolState(1, LOAD), 0, HELLO, LOADED) == [AllLoaded(LOADED)]
