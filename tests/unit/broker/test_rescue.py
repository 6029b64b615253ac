"""A run that lost all its agents: one that was started again goes on with it, and what nobody ran is summed up."""

from __future__ import annotations

from datetime import datetime

from loads.broker.ending import PATIENCE_US
from loads.broker.fold import Fold
from loads.broker.record import RunRecord
from loads.broker.rescue import may_help
from loads.broker.run import LiveRun
from loads.metrics.result import Result
from loads.metrics.verdict import Stop
from loads.plan.share import slots_of
from loads.units import US_PER_S
from loads.wire.cluster import RunState, Stage
from tests.build import info_of
from tests.runs import AT, LOADED, record_of, seat_of, standing_of, timed_plan

TICK_US = US_PER_S // 4


def wall(_: int) -> datetime:
    return AT


def running(users: int = 6) -> LiveRun:
    """On one agent, a0, for ten seconds."""
    seat = seat_of(1, portions=((),), stage=Stage.RUNNING, phase=0)
    record = record_of(RunState.RUNNING, seat, plan=timed_plan(users), next_first=1, clock="c")
    return LiveRun(record, Fold(Result(info=info_of(due=None))), "c", wall)


def pass_time(run: LiveRun, from_us: int, to_us: int) -> None:
    for now_us in range(from_us, to_us + 1, TICK_US):
        run.tick(now_us)
        run.saved_version(run.record.version)


def slots(record: RunRecord) -> list[int]:
    return sorted(
        slot for seat in record.seats if seat.lost is None for each in seat.portions for slot in slots_of(each, 6)
    )


def test_the_run_waits_for_one_of_its_agents_and_for_no_other() -> None:
    run = running()
    name = run.record.seats[0].agent
    assert not may_help(run.record, name)
    run.gone(1, "went away", 3 * US_PER_S)
    assert run.record.state is RunState.RUNNING
    assert may_help(run.record, name)
    assert not may_help(run.record, "another")


def test_who_comes_back_gets_the_whole_load_and_the_pause_is_told() -> None:
    run = running()
    pass_time(run, 0, 3 * US_PER_S)
    run.gone(1, "went away", 3 * US_PER_S)
    run.join(seat_of(2, portions=(), holding=0))
    assert not may_help(run.record, run.record.seats[0].agent)
    run.stands(standing_of(Stage.LOADED, 2, loaded=LOADED), 4 * US_PER_S)
    assert slots(run.record) == list(range(6))
    pass_time(run, 3 * US_PER_S, 5 * US_PER_S)
    assert run.record.state is RunState.RUNNING
    run.stands(standing_of(Stage.RUNNING, 2, phase=0, holding=1), 5 * US_PER_S)
    pass_time(run, 5 * US_PER_S, 6 * US_PER_S)
    assert run.record.bereft_us is None
    assert run.record.unrun_us == 6 * 2 * US_PER_S
    assert run.fold.result is not None
    assert any("no agent ran the load from 3.0 to 5.0 s" in warning for warning in run.fold.result.warnings)
    run.stands(standing_of(Stage.RESTING, 2, phase=0, holding=1, ended_us=10 * US_PER_S), 10 * US_PER_S)
    assert run.record.state is RunState.ENDING


def test_a_helper_that_is_lost_too_leaves_the_run_waiting() -> None:
    run = running()
    run.gone(1, "went away", 1 * US_PER_S)
    run.join(seat_of(2, portions=(), holding=0))
    run.stands(standing_of(Stage.LOADED, 2, loaded=LOADED), 2 * US_PER_S)
    run.gone(2, "went away", 2 * US_PER_S)
    assert run.record.state is RunState.RUNNING
    assert run.record.bereft_us == 1 * US_PER_S
    run.join(seat_of(3, portions=(), holding=0))
    run.stands(standing_of(Stage.LOADED, 3, loaded=LOADED), 3 * US_PER_S)
    assert slots(run.record) == list(range(6))


def test_when_the_time_is_over_nobody_is_waited_for() -> None:
    run = running()
    pass_time(run, 0, 4 * US_PER_S)
    run.gone(1, "went away", 4 * US_PER_S)
    pass_time(run, 4 * US_PER_S, 9 * US_PER_S)
    assert run.record.state is RunState.RUNNING
    pass_time(run, 9 * US_PER_S, 10 * US_PER_S)
    assert run.record.state is RunState.ENDING
    assert run.record.unrun_us == 6 * 6 * US_PER_S


def test_after_half_a_minute_nobody_is_waited_for_and_the_rest_is_counted() -> None:
    run = running()
    run.record.plan = timed_plan(6)
    run.gone(1, "went away", 0)
    run.record.phase_at_us = 100 * US_PER_S
    run.tick(1)
    run.tick(PATIENCE_US + 2)
    assert run.record.state is RunState.ENDING
    assert run.record.unrun_us == 6 * (110 * US_PER_S - 1)


def test_a_clock_that_began_anew_does_not_make_it_wait_for_ever() -> None:
    run = running()
    run.record.run_at_us = run.record.phase_at_us = 10**12
    run.gone(1, "did not come back to the broker", 5 * US_PER_S)
    pass_time(run, 5 * US_PER_S, 5 * US_PER_S + PATIENCE_US + 2 * TICK_US)
    assert run.record.state is RunState.ENDED


def test_who_stops_it_does_not_wait() -> None:
    run = running()
    run.gone(1, "went away", 1 * US_PER_S)
    run.cease(now=False)
    run.tick(1 * US_PER_S + TICK_US)
    assert run.record.state is RunState.ENDING
    assert run.record.stop is Stop.GRACEFUL
    assert run.record.unrun_us == 0


def test_who_comes_back_when_the_time_is_nearly_over_is_not_waited_for_any_more() -> None:
    """It may be through before anybody has looked."""
    run = running()
    run.gone(1, "went away", 9 * US_PER_S)
    run.join(seat_of(2, portions=(), holding=0))
    run.stands(standing_of(Stage.LOADED, 2, loaded=LOADED), 9 * US_PER_S)
    run.stands(standing_of(Stage.RESTING, 2, phase=0, holding=1, ended_us=10 * US_PER_S), 9 * US_PER_S + 1)
    assert run.record.state is RunState.RUNNING
    run.tick(9 * US_PER_S + TICK_US)
    assert run.record.state is RunState.ENDING
