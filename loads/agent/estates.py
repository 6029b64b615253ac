"""What an agent process that died left to the next one in its state directory, and what its workers still owe. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from loads.agent.events import Remains
from loads.agent.outbox import Outbox
from loads.agent.records import Died, Got
from loads.metrics.counters import Counts
from loads.metrics.result import Loss
from loads.units import US_PER_S
from loads.wire.cluster import Lost


@dataclass
class Estate:
    """What an incarnation left; `buried` once its workers are gone, too, and what they left was taken."""

    outbox: Outbox
    buried: bool = False


def read_remains(outbox: Outbox, remains: Remains, name: str) -> list[Got | Died]:
    """The records that a worker process still owes."""
    desk = outbox.desks.get(remains.incarnation)
    if desk is None:
        return []
    records: list[Got | Died] = []
    counts, last_us = desk.counts, desk.last_us
    for delta in remains.deltas:
        if delta.seq == desk.seq + 1 + len(records):
            records.append(Got(remains.incarnation, delta.t_us, delta))
            counts = Counts(*(mine + more for mine, more in zip(counts, delta.summary.counts, strict=True)))
            last_us = max(last_us, delta.t_us + US_PER_S)
    there = Counts(*(max(both) for both in zip(remains.counts, counts, strict=True)))
    missing = there - counts
    iterations = there.started - counts.ended
    if not any(missing) and not iterations:
        return [*records, Died(remains.incarnation, None)]
    loss = Loss(
        worker=desk.worker,
        agent=name,
        incarnation=remains.incarnation,
        reason="died with its agent" + (f" ({remains.note})" if remains.note else ""),
        from_us=last_us,
        to_us=last_us + US_PER_S,
        iterations=iterations,
        sent=missing.sent,
        unsent=missing.unsent,
    )
    return [*records, Died(remains.incarnation, Lost(loss, missing.started, replaced=False, given_up=False))]
