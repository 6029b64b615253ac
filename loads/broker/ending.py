"""The end of a run: what is waited for, and the result that stands when nothing more comes. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from loads.broker.fold import Fold
from loads.broker.record import RunRecord, Seat, Tally
from loads.metrics.result import Loss
from loads.plan.share import slots_of
from loads.units import US_PER_S
from loads.wire.cluster import RunState, Stage

PATIENCE_US: Final = 30 * US_PER_S
"""How long the end waits for what an agent that is away may still bring."""


def is_settled(seat: Seat, stored: int, away_us: int | None, now_us: int) -> bool:
    """Whether nothing more is to be waited for: `stored` batches are on the disk, its agent is away since `away_us`."""
    if seat.last_seq is not None:
        return stored >= seat.last_seq
    if seat.stage in (Stage.PREPARING, Stage.LOADED):
        return True
    return away_us is not None and now_us - away_us >= PATIENCE_US


def conclude(record: RunRecord, fold: Fold, ended_at: datetime) -> None:
    """The run is over: declare what is missing, and judge."""
    result = fold.result
    assert result is not None
    for seat in record.seats:
        if seat.last_seq is None and seat.portions and seat.stage not in (Stage.PREPARING, Stage.LOADED):
            result.losses.append(_loss_of(seat, record, fold.tallies.get(seat.incarnation) or Tally()))
    last = [seat for seat in record.seats if seat.phase == record.phase and seat.lost is None] or record.seats
    ended_us = max((seat.ended_us for seat in last), default=0)
    lost_us = max((seat.lost_us or 0 for seat in record.seats), default=0)
    result.duration_us = ended_us or lost_us
    result.conclude(record.stop)
    record.state, record.verdict = RunState.ENDED, result.judge().verdict.value
    record.ended_at = ended_at


def _loss_of(seat: Seat, record: RunRecord, tally: Tally) -> Loss:
    """What died with an agent that did not come back."""
    assert record.plan is not None
    users = sum(len(slots_of(portion, record.plan.phases[record.phase].users)) for portion in seat.portions)
    return Loss(
        worker=None,
        agent=seat.agent,
        incarnation=seat.incarnation,
        reason=f"{seat.lost} and did not come back",
        from_us=tally.last_us,
        to_us=max(tally.last_us, seat.lost_us or 0),
        iterations=max(0, tally.counts.started - tally.counts.ended),
        sent=0,
        unsent=0,
        users=users,
    )
