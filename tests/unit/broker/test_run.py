"""How the users of a run change hands: in a phase that lasts a time at once, in one that is counted with the next."""

from __future__ import annotations

from datetime import datetime

import pytest

from loads.broker.ending import PATIENCE_US
from loads.broker.events import Save
from loads.broker.fold import Fold
from loads.broker.handover import give_away, let_join, nobody_began
from loads.broker.record import RunRecord
from loads.broker.run import LiveRun
from loads.broker.seating import first_open, has_open_phase
from loads.metrics.result import Result
from loads.plan.share import slots_of
from loads.plan.spec import Plan
from loads.wire.cluster import Complete, RunState, Stage
from tests.build import info_of
from tests.runs import AT, counted_plan, record_of, seat_of, standing_of, submit_of, timed_plan

HALVES = (((0, 2),), ((1, 2),))


def wall(_: int) -> datetime:
    return AT


def live(record: RunRecord) -> LiveRun:
    return LiveRun(record, Fold(Result(info=info_of(due=None))), "c", wall)


def two_seats(plan: Plan, **changed: object) -> RunRecord:
    seats = [
        seat_of(number + 1, first=number, portions=(half,), stage=Stage.RUNNING, phase=0)
        for number, half in enumerate(HALVES)
    ]
    return record_of(RunState.RUNNING, *seats, plan=plan, next_first=2, clock="c", **changed)


@pytest.mark.parametrize(
    ("plan", "phase", "is_open"), [(timed_plan(), 0, True), (counted_plan(5), 1, False), (counted_plan(5, 3), 1, True)]
)
def test_the_first_phase_that_is_open(plan: Plan, phase: int, is_open: bool) -> None:
    record = two_seats(plan)
    assert (first_open(record), has_open_phase(record)) == (phase, is_open)


@pytest.mark.parametrize("plan", [timed_plan(), counted_plan(5, 3)])
def test_what_is_given_away_is_the_others_from_the_first_open_phase(plan: Plan) -> None:
    record = two_seats(plan)
    lost, other = record.seats
    lost.lost = "went away"
    give_away(record, lost)
    assert other.holding == 2
    assert other.from_phase == first_open(record)
    assert sorted(slot for portion in other.portions for slot in slots_of(portion, 6)) == list(range(6))


def test_who_joins_gets_a_part_and_a_number() -> None:
    record = two_seats(timed_plan())
    joiner = seat_of(3, joining=True, holding=0, portions=(), stage=Stage.LOADED)
    record.seats.append(joiner)
    assert let_join(record, 0)
    assert joiner.holding == 1
    assert joiner.first == 2
    everything = [slot for seat in record.seats for portion in seat.portions for slot in slots_of(portion, 6)]
    assert sorted(everything) == list(range(6))
    assert not let_join(record, 0)


def test_nobody_joins_a_phase_that_is_counted() -> None:
    """What was begun there can't be ended here: users that moved would run from their first iteration again."""
    record = two_seats(counted_plan(5), submit=submit_of(elastic=True))
    assert not live(record).may_grow
    assert live(two_seats(timed_plan(), submit=submit_of(elastic=True))).may_grow


def test_a_phase_is_over_when_all_are_through() -> None:
    record = two_seats(counted_plan(5, 3))
    run = live(record)
    run.stands(standing_of(Stage.RESTING, 1, phase=0), 0)
    assert record.phase == 0
    run.stands(standing_of(Stage.RESTING, 2, phase=0), 0)
    assert record.phase == 1


def test_a_run_is_over_when_nobody_is_left() -> None:
    record = two_seats(timed_plan())
    run = live(record)
    run.gone(1, "went away", 0)
    run.gone(2, "went away", 0)
    assert record.state is RunState.RUNNING
    run.tick(1)
    run.tick(PATIENCE_US + 2)
    assert record.state is RunState.ENDING


def test_iterations_that_are_counted_can_not_be_gone_on_with() -> None:
    record = two_seats(counted_plan(5, 3))
    run = live(record)
    run.gone(1, "went away", 0)
    run.gone(2, "went away", 0)
    assert record.state is RunState.ENDING


def test_the_last_batch_of_who_is_complete_is_on_the_disk_before_it_is_let_go() -> None:
    record = two_seats(timed_plan())
    run = live(record)
    effects = run.complete(Complete(run="run", incarnation=1, last_seq=0), 0)
    assert any(isinstance(effect, Save) for effect in effects)


def test_what_an_agent_did_after_its_stage_was_written_down_is_not_forgotten() -> None:
    record = two_seats(timed_plan())
    record.seats[0].stage = Stage.LOADED
    live(record)
    assert record.seats[0].stage is Stage.FITTING


def test_a_start_of_which_no_agent_knows_is_made_again_though_one_more_wants_to_join() -> None:
    record = two_seats(timed_plan())
    for seat in record.seats:
        seat.stage, seat.phase = Stage.READY, -1
    record.seats.append(seat_of(3, joining=True, holding=0, portions=(), stage=Stage.LOADED))
    assert nobody_began(record, {1, 2}, "another")
    assert not nobody_began(record, {1}, "another")
    record.seats[1].stage = Stage.RUNNING
    assert not nobody_began(record, {1, 2}, "another")
    del record.seats[:2]
    assert not nobody_began(record, set(), "another")
