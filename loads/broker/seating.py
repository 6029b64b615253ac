"""What a run's seats are at the moment: who holds a share, who can take one, for whom a phase waits. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from loads.broker import shares
from loads.broker.orders import LAST
from loads.broker.record import RunRecord, Seat, Tally
from loads.metrics.result import Place
from loads.wire.cluster import Stage

_COMING: Final = (Stage.PREPARING, Stage.LOADED, Stage.FITTING)


def is_timed(record: RunRecord) -> bool:
    """Whether the phase ends with its time, not with its iterations."""
    return record.plan is not None and record.plan.phases[record.phase].duration_us is not None


def is_at_rate(record: RunRecord) -> bool:
    """Whether iterations arrive: then the plan is this one phase."""
    return record.plan is not None and record.plan.is_open


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
    """Those that can run what another held. Arrivals wait for nobody's fixtures."""
    able = {each.incarnation: each for each in holders(record) if each.holding and each.stage not in LAST}
    if not is_at_rate(record):
        return able
    return {
        name: each for name, each in able.items() if not each.joining or not (each.awaited or each.stage in _COMING)
    }


def waited_for(record: RunRecord) -> list[Seat]:
    """Those without whom a phase is not over. Of who joins, only what is counted: where time decides, it is not."""
    if is_at_rate(record):
        return [seat for seat in holders(record) if not seat.joining and (seat.portions or seat.stage is Stage.RUNNING)]
    return [seat for seat in holders(record) if not seat.joining or (seat.holding and not is_timed(record))]


def told_us(record: RunRecord, tallies: Mapping[int, Tally], age_us: int) -> int:
    """Until when, in the run, all that run it now have told what they measured. Who says that it is through may have
    a last batch on its way.
    """
    told = [age_us]
    for seat in holders(record):
        tally = tallies.get(seat.incarnation) or Tally()
        is_through = seat.last_seq is not None and tally.seq >= seat.last_seq
        if seat.workers and seat.portions and not (seat.joining or is_through):
            told.append(tally.last_us(seat.workers))
    return min(told)


def open_users(record: RunRecord, from_phase: int | None = None) -> int:
    """The most users of the phases in which they may change hands."""
    assert record.plan is not None
    first = first_open(record) if from_phase is None else from_phase
    return max((phase.users for phase in record.plan.phases[first:]), default=0)


def unheld_users(record: RunRecord) -> int:
    """How many of them nobody runs."""
    return shares.size(record.unheld, open_users(record))


def places(record: RunRecord) -> list[Place]:
    """Which workers are whose."""
    return [
        Place(agent=seat.agent, host=seat.host, first=seat.first, workers=seat.workers)
        for seat in record.seats
        if seat.portions
    ]


def number(record: RunRecord, seat: Seat) -> None:
    """Its workers are the next of the run."""
    seat.first = record.next_first
    record.next_first += seat.workers
