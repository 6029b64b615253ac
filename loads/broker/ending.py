"""The end of a run: what is waited for, and the result that stands when nothing more comes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec

from loads.broker.fold import Fold
from loads.broker.once import find_omission
from loads.broker.orders import knows_its_part
from loads.broker.record import RunRecord, Seat, Tally
from loads.broker.stints import count_untold
from loads.metrics.counters import Counts
from loads.metrics.result import Loss, Result
from loads.metrics.verdict import Stop
from loads.plan.share import slots_of
from loads.units import US_PER_S, format_duration, plural
from loads.wire.cluster import Brief, RunState

PATIENCE_US: Final = 30 * US_PER_S
"""How long the end waits for what an agent that is away may still bring."""


def is_settled(seat: Seat, stored: int, away_us: int | None, patience_us: int, now_us: int) -> bool:
    """Whether nothing more is to be waited for: `stored` batches are on the disk, its agent is away since `away_us`.

    `patience_us` is how long to wait for one that is away.
    """
    if stored >= seat.last_seq if seat.last_seq is not None else not knows_its_part(seat):
        return True
    return away_us is not None and now_us - away_us >= patience_us


def all_settled(
    record: RunRecord, stored: Mapping[int, int], away: Mapping[int, int], patience_us: int, now_us: int
) -> bool:
    """Whether nothing more is to be waited for from anybody."""
    return all(
        is_settled(seat, stored.get(seat.incarnation, 0), away.get(seat.incarnation), patience_us, now_us)
        for seat in record.seats
    )


def tell_wait(record: RunRecord, away: Mapping[int, int], now_us: int) -> str | None:
    """For whom the end waits, in words; None: for nobody who is away."""
    who = [seat for seat in record.seats if seat.incarnation in away]
    left_us = max((away[seat.incarnation] for seat in who), default=0) + PATIENCE_US - now_us
    if not who or left_us <= 0:
        return None
    names, left = ", ".join(seat.agent for seat in who), format_duration(left_us // US_PER_S * US_PER_S)
    return f"the load is over; waits up to {left} for what {names} may still bring (stop: not any more)"


def tell_stop(record: RunRecord) -> str:
    """How it stops, in words."""
    assert record.plan is not None
    grace = format_duration(record.plan.graceful_stop_us)
    return "stopping at once" if record.stop is Stop.HARD else f"stopping: iterations in flight have {grace}"


def stop(record: RunRecord, why: Stop, age_us: int | None) -> None:
    """It is to stop."""
    record.stop = why
    record.stop_us = age_us if record.stop_us is None else record.stop_us


def conclude(record: RunRecord, fold: Fold, ended_at: datetime) -> None:
    """The run is over: declare what is missing, and judge."""
    result = fold.result
    assert result is not None
    for seat in record.seats:
        tally = fold.tallies.get(seat.incarnation) or Tally()
        is_whole = tally.seq >= seat.last_seq if seat.last_seq is not None else not knows_its_part(seat)
        if seat.portions and not is_whole:
            untold = count_untold(record, seat, tally)
            result.declare(_loss_of(seat, record, tally, untold), Counts(started=untold))
    last = [seat for seat in record.seats if seat.phase == record.phase and seat.lost is None] or record.seats
    ended_us = max((seat.ended_us for seat in last), default=0)
    lost_us = max((seat.lost_us or 0 for seat in record.seats), default=0)
    result.duration_us = ended_us or lost_us
    result.unrun_us = record.unrun_us
    result.warnings += [warning for warning in (find_omission(record), _settle_excess(record, result)) if warning]
    if fold.guard is not None:
        fold.guard.conclude()
    result.conclude(record.stop)
    record.duration_us, record.brief = result.duration_us, brief_of(result)
    record.state, record.verdict = RunState.ENDED, result.judge().verdict.value
    record.ended_at = ended_at


def brief_of(result: Result) -> Brief:
    """What came of a run that is over, for a list."""
    hits, duration_us = result.summary.hits, result.duration_us
    rps = hits.hits * US_PER_S / duration_us if duration_us else 0.0
    return Brief(hits.hits, hits.failed, rps, hits.response_or_service.percentile_us(0.95))


def _settle_excess(record: RunRecord, result: Result) -> str | None:
    """Who lost its connection, and not its life, goes on for a while with what others have by then (see `--grace`).

    So of what arrives more may have been run than was planned, and is in the figures: it is planned, then, too.
    """
    excess = -result.unstarted
    lost = [seat.agent for seat in record.seats if seat.lost is not None]
    if excess <= 0 or not lost or not result.info.is_open:
        return None
    result.info = msgspec.structs.replace(result.info, due=result.started)
    return (
        f"{plural(excess, 'iteration')} more than planned were run, for {', '.join(lost)} went on without a connection "
        "while others had its users"
    )


def _loss_of(seat: Seat, record: RunRecord, tally: Tally, untold: int) -> Loss:
    """What died with an agent that did not come back, `untold` iterations among it that it may have begun."""
    assert record.plan is not None
    users = sum(len(slots_of(portion, record.plan.phases[record.phase].users)) for portion in seat.portions)
    from_us = tally.last_us(seat.workers)
    return Loss(
        worker=None,
        agent=seat.agent,
        incarnation=seat.incarnation,
        reason=f"{seat.lost or 'went away'} and did not come back",
        from_us=from_us,
        to_us=max(from_us, seat.lost_us or 0),
        iterations=max(0, tally.counts.started - tally.counts.ended) + untold,
        sent=0,
        unsent=0,
        # Of who joins the others ran them until it was ready; of arrivals it is known how many there were.
        users=0 if seat.joining or record.plan.is_open else users,
    )
