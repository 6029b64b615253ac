from __future__ import annotations

import pytest

from loads.broker.ending import PATIENCE_US, conclude, is_settled
from loads.broker.fold import Fold
from loads.broker.record import Seat
from loads.metrics.result import Result
from loads.wire.cluster import RunState, Stage
from tests.build import info_of, iterations_of
from tests.runs import AT, batch_of, record_of, seat_of


@pytest.mark.parametrize(
    ("seat", "stored", "away_us", "settled"),
    [
        (seat_of(stage=Stage.COMPLETE, last_seq=3), 2, None, False),
        (seat_of(stage=Stage.COMPLETE, last_seq=3), 3, None, True),
        (seat_of(stage=Stage.RUNNING), 9, None, False),
        (seat_of(stage=Stage.RUNNING), 9, 1, False),
        (seat_of(stage=Stage.RUNNING), 9, 0, True),
        (seat_of(stage=Stage.PREPARING), 0, None, True),
        (seat_of(stage=Stage.LOADED, holding=0), 0, None, True),
        (seat_of(stage=Stage.LOADED), 0, None, False),
    ],
)
def test_what_the_end_waits_for(seat: Seat, stored: int, away_us: int | None, settled: bool) -> None:
    assert is_settled(seat, stored, away_us, PATIENCE_US, PATIENCE_US) is settled


def test_what_did_not_come_is_declared() -> None:
    seat = seat_of(stage=Stage.RUNNING, lost="went away", lost_us=4_000_000)
    record, fold = record_of(RunState.ENDING, seat), Fold(Result(info=info_of(due=None)))
    fold.take(batch_of(1, iterations_of(5, 3), told={0: 1_000_000}))
    fold.settle()
    conclude(record, fold, AT)
    assert fold.result is not None
    [loss] = fold.result.losses
    assert (loss.agent, loss.iterations, loss.users) == ("a1", 2, 6)
    assert (loss.from_us, loss.to_us) == (1_000_000, 4_000_000)
    assert record.state is RunState.ENDED
    assert not fold.result.imbalances()


def test_who_told_everything_is_not_declared() -> None:
    seat = seat_of(stage=Stage.COMPLETE, lost="went away", lost_us=4_000_000, last_seq=1)
    record, fold = record_of(RunState.ENDING, seat), Fold(Result(info=info_of(due=None)))
    fold.take(batch_of(1, iterations_of(5)))
    fold.settle()
    conclude(record, fold, AT)
    assert fold.result is not None
    assert fold.result.losses == []
