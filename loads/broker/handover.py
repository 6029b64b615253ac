"""Whose users are whose in a run, and what changes when an agent is lost or one more comes. Pure: on its record.

Users of a phase that lasts a time may change hands in it. Those of a phase whose iterations are counted may not, for
what was begun here can't be ended there: they change hands with the next phase.
"""

from __future__ import annotations

from collections.abc import Container
from datetime import datetime

from loads.broker import shares
from loads.broker.orders import LAST
from loads.broker.record import RunRecord, Seat
from loads.metrics.result import Place, Result
from loads.plan.share import Portion
from loads.wire.cluster import RunState, Stage, Standing
from loads.wire.messages import Loaded
from loads.wire.run import plan_run


def is_timed(record: RunRecord) -> bool:
    """Whether the phase ends with its time, not with its iterations."""
    return record.plan is not None and record.plan.phases[record.phase].duration_us is not None


def first_open(record: RunRecord) -> int:
    """The first phase of which users may change hands."""
    return record.phase + (not is_timed(record))


def has_open_phase(record: RunRecord) -> bool:
    """Whether there is such a phase."""
    return record.plan is not None and first_open(record) < len(record.plan.phases)


def holders(record: RunRecord) -> list[Seat]:
    """The seats whose share was not given away."""
    return [seat for seat in record.seats if seat.lost is None]


def takers(record: RunRecord) -> dict[int, Seat]:
    """Those that can run what another held."""
    return {each.incarnation: each for each in holders(record) if each.holding and each.stage not in LAST}


def deal_out(record: RunRecord) -> None:
    """At the start: an even share for each."""
    dealt = shares.deal(range(len(record.seats))).values()
    for seat, portions in zip(record.seats, dealt, strict=True):
        seat.portions = portions
        _number(record, seat)


def let_join(record: RunRecord) -> bool:
    """Who joins and has loaded the tests gets an even part of what the others hold. Whether one did."""
    assert record.plan is not None
    present = holders(record)
    for seat in present:
        if seat.joining and seat.stage in (Stage.RUNNING, Stage.RESTING):
            seat.joining = False
        if not seat.joining or seat.stage is not Stage.LOADED or seat.holding:
            continue
        others = {other.incarnation: other for other in present if other is not seat and other.portions}
        kept, given = shares.make_room({name: other.portions for name, other in others.items()}, record.plan)
        for name, portions in kept.items():
            _hold(record, others[name], portions)
        seat.portions, seat.holding, seat.from_phase = given, 1, first_open(record)
        seat.awaited = is_timed(record)
        _number(record, seat)
        return True
    return False


def give_away(record: RunRecord, seat: Seat) -> None:
    """Nobody waits for a newcomer's fixtures any more: what was lost must be run now."""
    assert record.plan is not None
    others = takers(record)
    held = {name: each.portions for name, each in others.items()}
    for name, portions in shares.give_away(seat.portions, held, record.plan).items():
        _hold(record, others[name], portions)
    for each in others.values():
        each.awaited = False


def places(record: RunRecord) -> list[Place]:
    """Which workers are whose."""
    return [
        Place(agent=seat.agent, host=seat.host, first=seat.first, workers=seat.workers)
        for seat in record.seats
        if seat.portions
    ]


def make_plan(record: RunRecord, loaded: Loaded, started_at: datetime) -> Result:
    """The tests are known: plan the run, and deal it out. Its result, with nothing in it yet.

    Raises:
        UsageError: the load makes no sense.
    """
    seats = record.seats
    workers = sum(seat.workers for seat in seats)
    record.plan, record.info = plan_run(
        record.submit.spec, loaded, workers, run=record.id, started_at=started_at, agents=len(seats)
    )
    deal_out(record)
    return Result(info=record.info, places=places(record))


def is_adrift(record: RunRecord, clock: str) -> bool:
    """The run's times are of another clock than `clock`, which is ours: the machine was started anew."""
    return record.run_at_us is not None and record.clock != clock


def nobody_began(record: RunRecord, met: Container[int], clock: str) -> bool:
    """The broker died after it had decided on a start, of which no agent knows: all were `met` since, and wait."""
    if record.state is not RunState.RUNNING or not is_adrift(record, clock):
        return False
    return all(seat.incarnation in met and seat.stage is Stage.READY for seat in holders(record))


def follow_clock(record: RunRecord, standing: Standing, clock: str, now_us: int) -> None:
    """After the machine was started anew our `clock` is another: the run's age is what its agents say."""
    if record.run_at_us is None or record.clock == clock or standing.run_us is None:
        return
    moved_us = now_us - standing.run_us - record.run_at_us
    record.run_at_us += moved_us
    record.phase_at_us += moved_us
    record.clock = clock


def _hold(record: RunRecord, seat: Seat, portions: tuple[Portion, ...]) -> None:
    seat.portions, seat.from_phase = portions, first_open(record)
    seat.holding += 1


def _number(record: RunRecord, seat: Seat) -> None:
    seat.first = record.next_first
    record.next_first += seat.workers
