"""What was told of spans of time, so that only what changed is told again.

A span is named by where it begins and how wide it is. Each time all of them come with a fingerprint; those that are
new or have another one are worked out again, and those that don't come any more are gone: wider ones took their place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Generic, NamedTuple, TypeVar

from loads.metrics.details import Details
from loads.metrics.machines import Machines
from loads.metrics.tiers import Row, parts_of, rows_of
from loads.metrics.timeline import Timeline
from loads.report.page import Span

T = TypeVar("T")


class Change(NamedTuple, Generic[T]):
    """What is new, in order of time, and what is no more."""

    points: tuple[T, ...]
    gone: tuple[Span, ...]


class Spans(Generic[T]):
    """The points that a page has."""

    def __init__(self) -> None:
        self._told: dict[Span, tuple[object, T]] = {}

    def look(self, rows: Iterable[Row], prints: Callable[[Row], object], make: Callable[[Span, Row], T]) -> Change[T]:
        """Take all spans as they are now, in order of time.

        `prints` gives what a point is made of, still packed; `make` works out those of which that changed.
        """
        told, self._told = self._told, {}
        points = []
        for row in rows:
            span, fingerprint = Span(row.t_us, row.width_us), prints(row)
            known = told.pop(span, None)
            if known is None or known[0] != fingerprint:
                known = fingerprint, make(span, row)
                points.append(known[1])
            self._told[span] = known
        return Change(tuple(points), tuple(told))

    def all(self) -> tuple[T, ...]:
        """Every point, in order of time."""
        return tuple(point for _, point in self._told.values())


def axis_of(times: Timeline | Details | Machines) -> list[Row]:
    """All spans of `times`, in order of time."""
    return rows_of(times.packed, times.latest_us) if isinstance(times, Timeline) else times.axis()


def joined(axis: Sequence[Row], most: int) -> list[tuple[Span, list[Row]]]:
    """The same in at most `most` spans: neighbours are put together."""
    return [(Span(t_us, width_us), rows) for t_us, width_us, rows in parts_of(axis, most)]
