"""A run over time, in a fixed number of points: see `tiers` for how many, and how wide."""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from loads.metrics.health import Health, joined
from loads.metrics.histogram import Histogram
from loads.metrics.summary import Summary
from loads.metrics.tiers import Span, begins_tier, moved, rows_of, span_of


class Point(msgspec.Struct, array_like=True):
    """What happened in one span: hits, failed iterations, user-microseconds and service times.

    `cpu_share` and `lag_us` are the largest of any worker in any second of it; None where nothing is known. `started`
    counts iterations; `response` and `lateness` are None where no start times were planned. `failed` counts hits.
    """

    hits: int = 0
    failures: int = 0
    errors: int = 0
    users_us: int = 0
    service: Histogram = msgspec.field(default_factory=Histogram)
    cpu_share: float | None = None
    lag_us: int | None = None
    started: int = 0
    response: Histogram | None = None
    lateness: Histogram | None = None
    failed: int = 0

    @classmethod
    def of(cls, summary: Summary, health: Health | None = None) -> Point:
        """The point that `summary`, and how a worker fared meanwhile, add."""
        totals = summary.totals
        point = cls(0, totals.failures, totals.errors, totals.users_us, started=totals.started)
        for key, series in summary.series.items():
            if key.is_hit:
                point.hits += series.hits
                point.failed += series.failed
                point.merge_times(series.service, series.response)
        if summary.pace.lateness.counts:
            point.lateness = summary.pace.lateness.copy()
        if health is not None:
            point.cpu_share = health.cpu_peak
            point.lag_us = health.lag.max_us if health.lag.counts else None
        return point

    def merge(self, other: Point) -> None:
        """Take in `other`, which stays as it is."""
        self.hits += other.hits
        self.failures += other.failures
        self.errors += other.errors
        self.users_us += other.users_us
        self.started += other.started
        self.failed += other.failed
        self.merge_times(other.service, other.response)
        if other.lateness is not None:
            self.lateness = Histogram() if self.lateness is None else self.lateness
            self.lateness.merge(other.lateness)
        self.cpu_share = joined(max, self.cpu_share, other.cpu_share)
        self.lag_us = joined(max, self.lag_us, other.lag_us)

    def merge_times(self, service: Histogram, response: Histogram | None) -> None:
        """Add service times, and the response times that go with them; None: equal ones."""
        if self.response is not None or response is not None:
            self.response = self.service.copy() if self.response is None else self.response
            self.response.merge(service if response is None else response)
        self.service.merge(service)

    @property
    def response_or_service(self) -> Histogram:
        """The response times, planned or not."""
        return self.service if self.response is None else self.response

    @property
    def is_bare(self) -> bool:
        """Whether it has no times."""
        return not self.service.counts and self.response is None and self.lateness is None


class _Sealed(msgspec.Struct, array_like=True):
    """A point whose service times stay packed, which is enough to add one that has none: an eighth of the work."""

    hits: int
    failures: int
    errors: int
    users_us: int
    service: msgspec.Raw
    cpu_share: float | None
    lag_us: int | None
    started: int = 0
    response: msgspec.Raw = msgspec.Raw(b"\xc0")
    lateness: msgspec.Raw = msgspec.Raw(b"\xc0")
    failed: int = 0

    def merge(self, other: Point) -> None:
        """Take in `other`, which has no times."""
        self.failed += other.failed
        self.started += other.started
        self.hits += other.hits
        self.failures += other.failures
        self.errors += other.errors
        self.users_us += other.users_us
        self.cpu_share = joined(max, self.cpu_share, other.cpu_share)
        self.lag_us = joined(max, self.lag_us, other.lag_us)


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Point)
_sealed_decoder: Final = msgspec.msgpack.Decoder(_Sealed)


class Row(NamedTuple):
    """One span of the timeline, as it is read."""

    t_us: int
    width_us: int
    point: Point


class Timeline(msgspec.Struct):
    """Points of a run by the time since its start. `Timeline()` is the identity of `merge`.

    Points are kept packed, as MessagePack: a few hundred buckets are one or two kB so, and thirty times that as a dict.
    Response times and lateness of a planned run make that three to four times as much (docs/metrics.rst has a table).
    Equal timelines have equal `rows`.
    """

    latest_us: int = 0
    packed: dict[Span, bytes] = {}

    def add(self, t_us: int, point: Point) -> None:
        """Count `point` at `t_us` (>= 0) after the start. O(1), but for a re-sort each 10 s of run time."""
        late = t_us > self.latest_us and begins_tier(t_us, self.latest_us)
        self.latest_us = max(self.latest_us, t_us)
        if late:
            self._settle()
        self._place(t_us, point)

    def merge(self, other: Timeline) -> None:
        """Take in all that `other` holds; `other` stays as it is."""
        self.latest_us = max(self.latest_us, other.latest_us)
        self._settle()
        for row in other.rows():
            self._place(row.t_us, row.point)

    def rows(self, last: int | None = None) -> list[Row]:
        """All points (or only the `last` so many) in order of time."""
        axis = rows_of(self.packed, self.latest_us)
        return [
            Row(row.t_us, row.width_us, _decoder.decode(self.packed[row.span]))
            for row in (axis if last is None else axis[-last:])
        ]

    def point(self, span: Span) -> Point:
        """What is in one of the spans that `packed` has."""
        return _decoder.decode(self.packed[span])

    def _settle(self) -> None:
        for spans in moved(self.packed, self.latest_us).values():
            whole = Point()
            for span in spans:
                whole.merge(_decoder.decode(self.packed.pop(span)))
            self._place(spans[0][0], whole)

    def _place(self, t_us: int, point: Point) -> None:
        span = span_of(t_us, self.latest_us)
        packed = self.packed.get(span)
        held: Point | _Sealed
        if packed is None:
            held = Point()
        else:
            held = (_sealed_decoder if point.is_bare else _decoder).decode(packed)
        held.merge(point)
        self.packed[span] = _encoder.encode(held)
