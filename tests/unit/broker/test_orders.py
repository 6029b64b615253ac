"""What an agent is told, for each state of its run and each stage of its own."""

from __future__ import annotations

import pytest

from loads.broker.orders import orders
from loads.metrics.verdict import Stop
from loads.wire.cluster import Halt, RunState, Stage
from tests.runs import record_of, seat_of

R, S = RunState, Stage

TABLE: list[tuple[RunState, Stage, list[str]]] = [
    (R.PREPARING, S.PREPARING, ["Prepare"]),
    (R.PREPARING, S.LOADED, []),
    (R.FITTING, S.PREPARING, ["Prepare"]),
    (R.FITTING, S.LOADED, ["Fit"]),
    (R.FITTING, S.FITTING, []),
    (R.FITTING, S.READY, []),
    (R.RUNNING, S.READY, ["Hold", "Go"]),
    (R.RUNNING, S.RUNNING, ["Hold"]),
    (R.RUNNING, S.RESTING, ["Hold", "Go"]),
    (R.RUNNING, S.WINDING, []),
    (R.RUNNING, S.COMPLETE, []),
    (R.ENDING, S.PREPARING, ["Release"]),
    (R.ENDING, S.LOADED, ["Wind"]),
    (R.ENDING, S.READY, ["Wind"]),
    (R.ENDING, S.RUNNING, ["Wind"]),
    (R.ENDING, S.RESTING, ["Wind"]),
    (R.ENDING, S.WINDING, []),
    (R.ENDING, S.COMPLETE, []),
    (R.ENDED, S.COMPLETE, ["Release"]),
    (R.REFUSED, S.PREPARING, ["Release"]),
    (R.REFUSED, S.READY, ["Release"]),
]


@pytest.mark.parametrize(("state", "stage", "expected"), TABLE, ids=lambda value: getattr(value, "value", None))
def test_an_agent_is_told(state: RunState, stage: Stage, expected: list[str]) -> None:
    seat = seat_of(stage=stage, holding=2, held=1)
    assert [type(order).__name__ for order in orders(record_of(state, seat), seat, 0)] == expected


def test_who_has_what_it_should_is_told_nothing() -> None:
    seat = seat_of(stage=S.RUNNING, held=1, phase=0)
    assert orders(record_of(R.RUNNING, seat), seat, 0) == []


@pytest.mark.parametrize("stage", [S.READY, S.RUNNING, S.RESTING])
def test_who_was_given_up_is_told_to_stop(stage: Stage) -> None:
    seat = seat_of(stage=stage, lost="went away")
    assert [type(order).__name__ for order in orders(record_of(R.RUNNING, seat), seat, 0)] == ["Halt", "Wind"]


@pytest.mark.parametrize(("stored", "expected"), [(4, []), (5, ["Release"])])
def test_who_was_given_up_is_let_go_once_all_is_stored(stored: int, expected: list[str]) -> None:
    seat = seat_of(stage=S.COMPLETE, lost="went away", last_seq=5)
    assert [type(order).__name__ for order in orders(record_of(R.RUNNING, seat), seat, stored)] == expected


@pytest.mark.parametrize(("stop", "now"), [(Stop.GRACEFUL, False), (Stop.FAILURES, False), (Stop.HARD, True)])
def test_a_stop_is_told_to_all_that_run(stop: Stop, now: bool) -> None:
    seat = seat_of(stage=S.RUNNING, held=1, phase=0)
    assert orders(record_of(R.RUNNING, seat, stop=stop), seat, 0) == [Halt(run="run", now=now)]


def test_who_joins_goes_when_the_others_have_let_go() -> None:
    other, joiner = seat_of(1, stage=S.RUNNING, holding=2, held=1, phase=0), seat_of(2, stage=S.READY, joining=True)
    record = record_of(R.RUNNING, other, joiner)
    joiner.held = 1
    assert orders(record, joiner, 0) == []
    other.held = 2
    assert [type(order).__name__ for order in orders(record, joiner, 0)] == ["Go"]


def test_the_others_run_what_a_newcomer_gets_until_it_is_ready() -> None:
    other = seat_of(1, stage=S.RUNNING, holding=2, held=1, phase=0)
    joiner = seat_of(2, stage=S.FITTING, joining=True, awaited=True)
    record = record_of(R.RUNNING, other, joiner)
    assert orders(record, other, 0) == []
    joiner.stage = S.READY
    assert [type(order).__name__ for order in orders(record, other, 0)] == ["Hold"]
    joiner.stage, joiner.awaited = S.FITTING, False
    assert [type(order).__name__ for order in orders(record, other, 0)] == ["Hold"]
    joiner.stage, joiner.awaited, joiner.lost = S.FITTING, True, "went away"
    assert [type(order).__name__ for order in orders(record, other, 0)] == ["Hold"]


def test_who_joins_and_has_nothing_yet_waits() -> None:
    joiner = seat_of(2, stage=S.LOADED, joining=True, holding=0)
    assert orders(record_of(R.RUNNING, seat_of(1), joiner), joiner, 0) == []


def test_who_joined_too_late_to_be_told_its_part_is_let_go() -> None:
    joiner = seat_of(2, stage=S.LOADED, joining=True, holding=0)
    assert [type(order).__name__ for order in orders(record_of(R.ENDING, joiner), joiner, 0)] == ["Release"]
