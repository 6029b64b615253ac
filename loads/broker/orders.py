"""What an agent should do: a function of its run's record and its seat. Pure, and the same however often it is asked.

Orders say what should be so. An agent that is there already does nothing, so they may be said again at any time.
"""

from __future__ import annotations

from typing import Final

from loads.broker.record import RunRecord, Seat
from loads.metrics.verdict import Stop
from loads.wire.cluster import Fit, Go, Halt, Hold, Prepare, Release, RunState, SetUp, Stage, ToAgent, Wind
from loads.wire.run import ABORT_GRACE_US

LAST: Final = (Stage.WINDING, Stage.COMPLETE)
"""Stages after which no load comes."""


def orders(record: RunRecord, seat: Seat, stored: int, clock: str | None = None) -> list[ToAgent]:
    """For the agent of `seat`, of whose batches the first `stored` are on the disk.

    `clock` is the one that times are told by now; None: the one of the record.
    """
    told = _orders(record, seat, stored)
    if clock in (None, record.clock):
        return told
    return [order for order in told if not isinstance(order, Go)]  # by another clock it would be at any time


def _orders(record: RunRecord, seat: Seat, stored: int) -> list[ToAgent]:
    match record.state:
        case RunState.PREPARING | RunState.FITTING:
            return _before(record, seat)
        case RunState.RUNNING | RunState.ENDING if seat.stage in LAST:
            return _at_last(record, seat, stored)
        case RunState.RUNNING if seat.lost is None:
            return _joining(record, seat) if seat.joining else _running(record, seat)
        case RunState.RUNNING | RunState.ENDING if knows_its_part(seat):
            halted = seat.lost is not None or record.stop is not None
            return [*([_halt(record)] if halted else []), *_wind(record, seat)]
    return [Release(run=record.id, incarnation=seat.incarnation)]


def knows_its_part(seat: Seat) -> bool:
    """Whether its agent may have been told what to run, and so may have run it: what it last said may be old."""
    return seat.stage is not Stage.PREPARING and (seat.stage is not Stage.LOADED or seat.holding > 0)


def _before(record: RunRecord, seat: Seat) -> list[ToAgent]:
    if seat.stage is Stage.PREPARING:
        return [_prepare(record, seat)]
    if seat.stage in (Stage.LOADED, Stage.SET_UP) and record.state is RunState.FITTING:
        return [_fit(record, seat)]
    if seat.stage is Stage.LOADED and seat.incarnation == record.keeper and record.run_data is None:
        return [SetUp(run=record.id)]
    return []


def _wind(record: RunRecord, seat: Seat) -> list[ToAgent]:
    """The keeper runs tearDownRun when nobody else runs anything."""
    is_keeper = seat.lost is None and seat.incarnation == record.keeper and record.run_data is not None
    others = (each for each in record.seats if each is not seat and each.lost is None and each.last_seq is None)
    if is_keeper and any(map(knows_its_part, others)):
        return []
    return [Wind(run=record.id, keeper=is_keeper)]


def _at_last(record: RunRecord, seat: Seat, stored: int) -> list[ToAgent]:
    if seat.lost is not None and seat.last_seq is not None and stored >= seat.last_seq:
        return [Release(run=record.id, incarnation=seat.incarnation)]
    if seat.stage is Stage.WINDING and record.stop is Stop.HARD:
        return [_halt(record)]
    return []


def _joining(record: RunRecord, seat: Seat) -> list[ToAgent]:
    """It goes as soon as those who were there before it, or joined before it, let go of what it gets."""
    if seat.stage is Stage.PREPARING:
        return [_prepare(record, seat)]
    if seat.stage is Stage.LOADED:
        return [_fit(record, seat)] if seat.holding else []
    if _is_at_rate(record):
        return _running(record, seat)
    before = [each for each in record.seats if each.lost is None and (not each.joining or each.first < seat.first)]
    if seat.stage is Stage.READY and any(other.held < other.holding for other in before):
        return []
    return _running(record, seat)


def _running(record: RunRecord, seat: Seat) -> list[ToAgent]:
    told: list[ToAgent] = [] if record.stop is None else [_halt(record)]
    if seat.held < seat.holding and not _is_early(record):
        told.append(_hold(record, seat))
    if _is_at_rate(record) and not seat.portions:
        return told  # there is nothing for it to go for yet
    if seat.phase < record.phase and seat.stage in (Stage.READY, Stage.RESTING) and record.run_at_us is not None:
        told.append(Go(run=record.id, phase=record.phase, run_at_us=record.run_at_us, phase_at_us=record.phase_at_us))
    return told


def _is_at_rate(record: RunRecord) -> bool:
    return record.plan is not None and record.plan.is_open


def _is_early(record: RunRecord) -> bool:
    """Whether who joins runs its fixtures: until they are through, nobody would run what the others let go of."""
    if _is_at_rate(record):  # where nobody is asked for anything before
        return False
    fitting = (Stage.LOADED, Stage.FITTING)
    return any(seat.awaited and seat.joining and seat.lost is None and seat.stage in fitting for seat in record.seats)


def _halt(record: RunRecord) -> Halt:
    grace_us = ABORT_GRACE_US if record.stop is Stop.THRESHOLD else None
    return Halt(run=record.id, now=record.stop is Stop.HARD, grace_us=grace_us)


def _hold(record: RunRecord, seat: Seat) -> Hold:
    return Hold(
        run=record.id,
        holding=seat.holding,
        portions=seat.portions,
        from_phase=seat.from_phase,
        from_us=seat.from_us,
    )


def _prepare(record: RunRecord, seat: Seat) -> Prepare:
    submit = record.submit
    return Prepare(
        run=record.id,
        spec=submit.spec,
        bundle=submit.bundle,
        workers=submit.spec.workers,
        slots=seat.slots,
        test_dir=submit.test_dir,
    )


def _fit(record: RunRecord, seat: Seat) -> Fit:
    assert record.plan is not None
    return Fit(
        run=record.id,
        plan=record.plan,
        first=seat.first,
        portions=seat.portions,
        holding=seat.holding,
        run_data=record.run_data or b"",
    )
