"""setUpRun and tearDownRun: one agent of all runs them, first before all others and at last after them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
import pytest

from loads.broker.fold import Fold
from loads.broker.once import find_omission
from loads.broker.orders import orders
from loads.broker.record import RunRecord, decode_record, encode_record
from loads.broker.run import LiveRun
from loads.metrics.result import Result
from loads.metrics.verdict import Stop
from loads.wire.cluster import Complete, Fit, RunState, Stage, Wind
from tests.build import info_of
from tests.runs import AT, LOADED, record_of, seat_of, standing_of

ONCE = msgspec.structs.replace(LOADED, once=("t.Test.setUpRun", "t.Test.tearDownRun"))


def wall(_: int) -> datetime:
    return AT


def preparing() -> LiveRun:
    seats = [seat_of(number, stage=Stage.PREPARING, portions=()) for number in (1, 2)]
    return LiveRun(record_of(RunState.PREPARING, *seats, run_at_us=None), Fold(), "c", wall)


def ending(*, keeper: int = 1, **changed: object) -> RunRecord:
    seats = [seat_of(number, first=number - 1, stage=Stage.RESTING) for number in (1, 2)]
    fields: dict[str, Any] = {"keeper": keeper, "run_data": b"data", **changed}
    return record_of(RunState.ENDING, *seats, **fields)


def told(run: LiveRun, number: int) -> list[str]:
    seat = run.record.seats[number - 1]
    return [type(order).__name__ for order in orders(run.record, seat, 0)]


def test_the_first_sets_up_when_all_have_loaded_the_tests() -> None:
    run = preparing()
    run.stands(standing_of(Stage.LOADED, 1, loaded=ONCE), 0)
    assert told(run, 1) == []
    run.stands(standing_of(Stage.LOADED, 2, loaded=ONCE), 0)
    assert (told(run, 1), told(run, 2)) == (["SetUp"], [])
    run.stands(standing_of(Stage.SETTING_UP, 1), 0)
    assert (told(run, 1), told(run, 2)) == ([], [])
    run.stands(standing_of(Stage.SET_UP, 1, loaded=ONCE, run_data=b"data"), 0)
    assert run.record.state is RunState.FITTING
    fits = [order for seat in run.record.seats for order in orders(run.record, seat, 0)]
    assert [fit.run_data for fit in fits if isinstance(fit, Fit)] == [b"data", b"data"]


def test_nobody_else_has_anything_to_hand_on() -> None:
    run = preparing()
    for number in (1, 2):
        run.stands(standing_of(Stage.LOADED, number, loaded=ONCE), 0)
    run.stands(standing_of(Stage.SET_UP, 2, loaded=ONCE, run_data=b"other"), 0)
    assert run.record.run_data is None
    assert run.record.state is RunState.PREPARING
    run.stands(standing_of(Stage.SET_UP, 1, loaded=ONCE, run_data=b"data"), 0)
    run.stands(standing_of(Stage.SET_UP, 1, loaded=ONCE, run_data=b"again"), 0)
    assert run.record.run_data == b"data"


def test_a_broker_that_is_started_again_asks_again_and_goes_on() -> None:
    run = preparing()
    for number in (1, 2):
        run.stands(standing_of(Stage.LOADED, number, loaded=ONCE), 0)
    again = LiveRun(decode_record(encode_record(run.record)), Fold(), "c", wall)
    again.stands(standing_of(Stage.LOADED, 2, loaded=ONCE), 0)
    again.stands(standing_of(Stage.SET_UP, 1, loaded=ONCE, run_data=b"data"), 0)
    assert again.record.state is RunState.FITTING
    assert decode_record(encode_record(again.record)).run_data == b"data"


def test_who_is_lost_while_it_sets_up_ends_the_run() -> None:
    run = preparing()
    for number in (1, 2):
        run.stands(standing_of(Stage.LOADED, number, loaded=ONCE), 0)
    run.gone(1, "went away", 0)
    assert run.record.state is RunState.REFUSED


def test_the_keeper_is_told_last_that_it_is_over() -> None:
    record = ending()
    keeper, other = record.seats
    assert orders(record, other, 0) == [Wind(run="run")]
    assert orders(record, keeper, 0) == []
    other.stage, other.last_seq = Stage.COMPLETE, 0
    assert orders(record, keeper, 0) == [Wind(run="run", keeper=True)]


def test_who_is_lost_is_not_waited_for() -> None:
    record = ending()
    keeper, other = record.seats
    other.lost = "went away"
    assert orders(record, keeper, 0) == [Wind(run="run", keeper=True)]


@pytest.mark.parametrize(("stage", "successor"), [(Stage.RESTING, 2), (Stage.WINDING, 1)])
def test_a_keeper_that_is_lost_has_a_successor_unless_it_was_at_it(stage: Stage, successor: int) -> None:
    record = ending()
    record.seats[0].stage = stage
    run = LiveRun(record, Fold(Result(info=info_of(due=None))), "c", wall)
    run.gone(1, "went away", 0)
    assert record.keeper == successor
    assert (find_omission(record) is not None) == (successor == 1)


def test_that_nobody_was_left_to_tear_down_is_told() -> None:
    record = ending()
    run = LiveRun(record, Fold(Result(info=info_of(due=None))), "c", wall)
    run.complete(Complete(run="run", incarnation=2, last_seq=0), 0)
    run.gone(1, "went away", 0)
    assert "a1 was to, and went away" in (find_omission(record) or "")
    record.stop = Stop.HARD
    assert find_omission(record) is None


def test_what_tests_told_one_another_is_not_kept_for_ever() -> None:
    record = ending()
    record.state = RunState.ENDED
    assert decode_record(encode_record(record)).run_data is None
