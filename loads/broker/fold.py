"""The results of one run as they come in: each batch counted once, folded once a second. Pure.

Batches are added up by second first, whoever they come from; once a second that is folded into the result, and the
same goes to all who follow the run, encoded once. So what a batch costs does not depend on how many look on, and what
a follower costs does not depend on how many agents there are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import add

from loads.broker.record import Tally
from loads.metrics.counters import Counts
from loads.metrics.gathering import Gathering
from loads.metrics.guard import Guard
from loads.metrics.health import Health
from loads.metrics.machines import Load
from loads.metrics.result import Result
from loads.metrics.threshold import Standing
from loads.metrics.watch import Memory
from loads.wire.cluster import Batch, Line, Lost, Span
from loads.wire.fold import fares_of, fold

MAX_LINES = 500
"""Of one second, from all agents; the rest is counted."""
MAX_WARNINGS = 20


@dataclass
class Arrived:
    """What came since the last time."""

    spans: tuple[Span, ...] = ()
    users: dict[int, int] = field(default_factory=dict)
    losses: tuple[Lost, ...] = ()
    warnings: tuple[str, ...] = ()
    lines: tuple[Line, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.spans or self.users or self.losses or self.warnings or self.lines)


class Fold:
    """`result` is None until the plan stands; nothing can come before. `guard` looks after the thresholds."""

    def __init__(
        self, result: Result | None = None, tallies: dict[int, Tally] | None = None, memory: Memory | None = None
    ) -> None:
        self.result = result
        self.tallies = tallies or {}
        self.guard = None if result is None else Guard(result, result.info.rules, memory)
        self._seconds: dict[int, Gathering] = {}
        self._healths: dict[int, dict[int, Health]] = {}
        self._loads: dict[int, dict[int, Load]] = {}
        self._users: dict[int, int] = {}
        self._losses: list[Lost] = []
        self._warnings: list[str] = []
        self._lines: list[Line] = []
        self._dropped = 0
        self._standings: tuple[Standing, ...] = ()

    @property
    def memory(self) -> Memory | None:
        """What is known of the thresholds, for the store."""
        return None if self.guard is None else self.guard.memory

    def begin(self, result: Result) -> None:
        """The plan stands.

        Raises:
            UsageError: a threshold can't be understood.
        """
        self.guard = Guard(result, result.info.rules)
        self.result = result

    def look(self, told_us: int, elapsed_us: int) -> bool:
        """Judge by what was measured before `told_us`, which is all here. Whether the run is to be stopped."""
        return self.guard is not None and self.guard.look(told_us, elapsed_us)

    def standings(self) -> tuple[Standing, ...] | None:
        """How the thresholds stand, if that changed since it was asked last."""
        now = () if self.result is None else tuple(self.result.thresholds)
        before, self._standings = self._standings, now
        return None if now == before else now

    def watermark(self, incarnation: int) -> int:
        """The last batch of that incarnation that was taken."""
        tally = self.tallies.get(incarnation)
        return 0 if tally is None else tally.seq

    def warn(self, text: str) -> None:
        """The result is to say `text`."""
        self._warnings.append(text)

    def take(self, batch: Batch) -> bool:
        """Add `batch`, if it is the next of its incarnation."""
        tally = self.tallies.setdefault(batch.incarnation, Tally())
        if batch.seq != tally.seq + 1:
            return False
        tally.seq = batch.seq
        for span in batch.spans:
            counts = span.summary.counts
            tally.counts = Counts(*map(add, tally.counts, counts))
            if span.t_us not in self._seconds:
                self._seconds[span.t_us] = Gathering()
            self._seconds[span.t_us].add(span.summary)
            for fare in span.fares:
                if fare.health is not None:
                    self._healths.setdefault(span.t_us, {}).setdefault(fare.worker, Health()).merge(fare.health)
                if fare.load is not None:
                    self._loads.setdefault(span.t_us, {}).setdefault(fare.worker, Load()).merge(fare.load)
        self._users.update(batch.users)
        tally.told.update(batch.told)
        for lost in batch.losses:
            gone = Counts(lost.started, lost.loss.iterations, lost.loss.sent, lost.loss.unsent)
            tally.counts = Counts(*map(add, tally.counts, gone))
        self._losses += batch.losses
        self._warnings += batch.warnings[: max(0, MAX_WARNINGS - len(self._warnings))]
        room = MAX_LINES - len(self._lines)
        self._lines += batch.lines[:room]
        self._dropped += max(0, len(batch.lines) - room)
        return True

    def settle(self, gone: tuple[int, ...] = ()) -> Arrived:
        """Fold what came into the result; what it was. Workers in `gone` run no users any more."""
        spans = tuple(
            Span(t_us, second.poured(), fares_of(self._healths.get(t_us, {}), self._loads.get(t_us, {})))
            for t_us, second in sorted(self._seconds.items())
        )
        lines = self._lines
        if self._dropped:
            lines = [*lines, Line(lines[-1].t_us, None, f"({self._dropped:,} more lines dropped)")]
        arrived = Arrived(spans, self._users, tuple(self._losses), tuple(self._warnings), tuple(lines))
        self._seconds, self._healths, self._loads, self._users = {}, {}, {}, {}
        self._losses, self._warnings, self._lines, self._dropped = [], [], [], 0
        if self.result is not None and self.guard is not None:
            for span in spans:
                self.guard.add(span.t_us, span.summary)
            fold(self.result, arrived.spans, arrived.users, gone, arrived.losses, arrived.warnings)
        return arrived
