"""A run's thresholds, held against its result: whoever follows a run to its end has one of these. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from loads.metrics.events import Event, EventKind
from loads.metrics.expressions import parse_thresholds
from loads.metrics.result import Result
from loads.metrics.rules import Rules
from loads.metrics.summary import Summary
from loads.metrics.threshold import Standing
from loads.metrics.watch import Memory, Watch
from loads.units import US_PER_S

MAX_SLIPS: Final = 5
PATIENCE_US: Final = 5 * US_PER_S
"""No data is waited for longer: who is dead does not hold up a verdict, and what comes late counts for the end."""


class Guard:
    """Of `result`, by `rules`; goes on where another left its `memory`.

    Raises:
        UsageError: a threshold can't be understood.
    """

    def __init__(self, result: Result, rules: Rules, memory: Memory | None = None) -> None:
        self._result = result
        self._load_us = result.info.duration_us
        """When no more load comes: what ends after it counts for the whole run, but single seconds say nothing."""
        self._watch: Watch | None = None
        if memory is not None:
            self._watch = Watch.resumed(memory)
        elif rules.thresholds:
            found = [each for text in rules.thresholds for each in parse_thresholds(text)]
            self._watch = Watch(tuple(found), rules.warm_up_us)
        self._show()

    @property
    def is_idle(self) -> bool:
        """Whether there is no threshold."""
        return self._watch is None

    @property
    def memory(self) -> Memory | None:
        """What it knows, to be kept."""
        return None if self._watch is None else self._watch.memory

    def add(self, t_us: int, summary: Summary) -> None:
        """Take in what was measured in the second from `t_us` on."""
        if self._watch is not None:
            self._watch.add(t_us, summary)

    def look(self, told_us: int, elapsed_us: int) -> bool:
        """Judge all that was measured before `told_us`, or long ago. Whether the run is to be stopped."""
        if self._watch is None:
            return False
        there_us = min(max(told_us, elapsed_us - PATIENCE_US), elapsed_us)
        crossed = self._watch.look(there_us if self._load_us is None else min(there_us, self._load_us), elapsed_us)
        self._show()
        return crossed

    def conclude(self) -> None:
        """Nothing more comes; the result has its duration."""
        if self._watch is not None:
            result = self._result
            self._watch.conclude(
                result.duration_us or 0, max(0, result.unstarted), result.lost_iterations, load_us=self._load_us
            )
            self._show()

    def _show(self) -> None:
        if self._watch is not None:
            self._result.thresholds = list(self._watch.standings())


class Crossings:
    """Tells of each threshold that is crossed, once; of one that the end decides, each time that it slips, at most
    `MAX_SLIPS` times. `known` are told of already.
    """

    def __init__(self, known: Sequence[Standing] = ()) -> None:
        self._crossed: set[str] = set()
        self._slipped: dict[str, list[int]] = {}
        self.look(known)

    def look(self, standings: Sequence[Standing]) -> list[Event]:
        """What is new, each at the time when it happened."""
        return [event for standing in standings for event in self._look(standing)]

    def _look(self, standing: Standing) -> Iterator[Event]:
        if standing.crossed_us is not None and standing.text not in self._crossed:
            self._crossed.add(standing.text)
            told = f"threshold {standing.text} crossed (it is {standing.shown})"
            yield Event(t_us=standing.crossed_us, kind=EventKind.THRESHOLD, text=told)
        slips = self._slipped.setdefault(standing.text, [])
        if standing.slipped_us is not None and standing.slipped_us not in slips and len(slips) < MAX_SLIPS:
            slips.append(standing.slipped_us)
            told = f"threshold {standing.text} does not hold any more (it is {standing.shown})"
            yield Event(t_us=standing.slipped_us, kind=EventKind.THRESHOLD, text=told)


def tell_crossed(result: Result) -> str:
    """Which threshold ends the run, in words."""
    crossed = [f"{each.text} (it is {each.shown})" for each in result.thresholds if each.aborted]
    return f"stopping: threshold {' and '.join(crossed)} crossed" if crossed else "stopping: a threshold was crossed"
