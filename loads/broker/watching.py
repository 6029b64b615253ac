"""Until when all that was measured is here, so that a run's thresholds can be judged by it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from loads.broker.record import RunRecord, Tally
from loads.metrics.threshold import Standing
from loads.units import US_PER_S
from loads.wire.cluster import Stage

PATIENCE_US: Final = 5 * US_PER_S
"""No data is waited for longer: a dead agent does not hold up a verdict, and what it brings late counts for the end."""


def complete_us(record: RunRecord, tallies: Mapping[int, Tally], age_us: int) -> int:
    """Everything before, in the run, was told by all who run it now; or nobody waits for it any more."""
    present = [
        seat
        for seat in record.seats
        if seat.lost is None and not seat.joining and seat.workers and seat.stage is not Stage.COMPLETE
    ]
    told = [(tallies.get(seat.incarnation) or Tally()).last_us(seat.workers) for seat in present]
    return max(0, age_us - PATIENCE_US, min([age_us, *told]))


def tell(standings: Iterable[Standing]) -> str:
    """Which threshold ends the run, in words."""
    crossed = [f"{standing.text} (it is {standing.shown})" for standing in standings if standing.aborted]
    return f"stopping: threshold {' and '.join(crossed)} crossed" if crossed else "stopping: a threshold was crossed"
