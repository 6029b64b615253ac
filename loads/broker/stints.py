"""Which iterations of a phase at a rate were whose: what an agent's slots had due, and what is not known of it. Pure.

Iteration n belongs to slot n modulo the number of slots. Who holds a portion holds its slots from one moment of the
phase on, and until another: a stint. The stints of all agents never overlap, so each iteration is one agent's at most.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence

from loads.broker.record import RunRecord, Seat, Stint, Tally
from loads.plan.pacer import Pacer
from loads.plan.share import Portion, cut, slots_of
from loads.plan.spec import pacer_of


def held(stints: Iterable[Stint]) -> list[Portion]:
    """The portions of those that go on."""
    return [stint.portion for stint in stints if stint.until_us is None]


def changed(stints: Sequence[Stint], portions: Iterable[Portion], from_us: int) -> tuple[Stint, ...]:
    """`stints` where, from `from_us` on, exactly `portions` are held."""
    before, after = Counter(held(stints)), Counter(portions)
    gone, new = before - after, after - before
    result = []
    for stint in stints:
        goes = stint.until_us is None and gone[stint.portion] > 0
        if goes:
            gone[stint.portion] -= 1
        result.append(_until(stint, from_us) if goes else stint)
    return (*result, *(Stint(portion, from_us) for portion in new.elements()))


def moved(stints: Iterable[Stint], before_us: int, after_us: int) -> tuple[Stint, ...]:
    """`stints` where all that begins or ends at `before_us` does so at `after_us`, which is later."""

    def at(time_us: int) -> int:
        return after_us if time_us == before_us else time_us

    return tuple(
        Stint(stint.portion, at(stint.from_us), None if stint.until_us is None else at(stint.until_us))
        for stint in stints
    )


def ended(stints: Iterable[Stint], until_us: int) -> tuple[Stint, ...]:
    """`stints`, all of which end then at the latest."""
    return tuple(
        _until(stint, until_us if stint.until_us is None else min(until_us, stint.until_us)) for stint in stints
    )


def latest_us(stints: Iterable[Stint]) -> int:
    """When the last of those begins that go on."""
    return max((stint.from_us for stint in stints if stint.until_us is None), default=0)


def count_due(pacer: Pacer, slots: int, stints: Iterable[Stint], from_us: int = 0) -> int:
    """How many iterations of `stints`, in a phase of so many `slots`, are due at `from_us` or later."""
    total = 0
    for stint in stints:
        own = slots_of(stint.portion, slots)
        begin_us = max(from_us, stint.from_us)
        if own and (stint.until_us is None or begin_us < stint.until_us):
            end = pacer.due if stint.until_us is None else pacer.first_from(stint.until_us)
            total += _count_before(own, slots, end) - _count_before(own, slots, pacer.first_from(begin_us))
    return total


def count_untold(record: RunRecord, seat: Seat, tally: Tally) -> int:
    """How many iterations an agent that does not come back may have begun beyond what it told: nobody knows.

    It is what was due between what each of its workers told last and the moment when its slots were another's; but no
    more than it had to run and did not tell of.
    """
    assert record.plan is not None
    phase = record.plan.phases[record.phase]
    if phase.arrivals is None or not seat.workers:
        return 0
    pacer, since = pacer_of(phase.arrivals), 0
    for worker in range(seat.workers):
        told_us = max(0, tally.told.get(seat.first + worker, 0) - began_us(record))
        since += count_due(pacer, phase.users, _part(seat.stints, worker, seat.workers), told_us)
    owed = count_due(pacer, phase.users, seat.stints) - tally.counts.started
    return max(0, min(since, owed))


def began_us(record: RunRecord) -> int:
    """When the phase began, from the run's start."""
    return record.phase_at_us - (record.run_at_us or 0)


def _until(stint: Stint, until_us: int) -> Stint:
    return Stint(stint.portion, stint.from_us, max(stint.from_us, until_us))


def _part(stints: Iterable[Stint], worker: int, workers: int) -> list[Stint]:
    """What of `stints` is worker `worker`'s."""
    return [Stint(cut(stint.portion, workers)[worker], stint.from_us, stint.until_us) for stint in stints]


def _count_before(own: range, slots: int, n: int) -> int:
    """How many of the iterations 0 .. n - 1 belong to the slots `own`."""
    turns, slot = divmod(n, slots)
    return turns * len(own) + bisect_left(own, slot)
