"""Who made the load, over time: an agent of a cluster, or a worker of a local run.

One packed value for each span of time, which holds a `MachinePoint` of each machine that told something of it.
"""

from __future__ import annotations

from typing import Final, NamedTuple, Self

import msgspec

from loads.metrics.health import Health, joined
from loads.metrics.summary import Summary
from loads.metrics.tiers import Row, Span, begins_tier, moved, parts_of, rows_of, scale_for, span_of

MACHINES_AT_FULL: Final = 250


class Load(msgspec.Struct, array_like=True):
    """What came from one worker or machine: requests, those that failed, and user-microseconds."""

    hits: int = 0
    failed: int = 0
    users_us: int = 0

    @classmethod
    def of(cls, summary: Summary) -> Self:
        """What `summary` holds."""
        load = cls(users_us=summary.totals.users_us)
        for key, series in summary.series.items():
            if key.is_hit:
                load.hits += series.hits
                load.failed += series.failed
        return load

    def merge(self, other: Load) -> None:
        """Add `other`."""
        self.hits += other.hits
        self.failed += other.failed
        self.users_us += other.users_us


class MachinePoint(msgspec.Struct, array_like=True):
    """One machine in one span. `cpu_share` and `lag_us` are the largest of any of its workers; None: not told."""

    hits: int = 0
    failed: int = 0
    users_us: int = 0
    cpu_share: float | None = None
    lag_us: int | None = None

    @classmethod
    def of(cls, load: Load | None = None, health: Health | None = None) -> Self:
        """What a worker did in it, and how it fared."""
        point = cls() if load is None else cls(load.hits, load.failed, load.users_us)
        if health is not None:
            point.cpu_share = health.cpu_peak
            point.lag_us = health.lag.max_us if health.lag.counts else None
        return point

    def merge(self, other: MachinePoint) -> None:
        """Take in `other`, which stays as it is."""
        self.hits += other.hits
        self.failed += other.failed
        self.users_us += other.users_us
        self.cpu_share = joined(max, self.cpu_share, other.cpu_share)
        self.lag_us = joined(max, self.lag_us, other.lag_us)


class MachineRow(NamedTuple):
    """One machine in one span of time, as it is read."""

    t_us: int
    width_us: int
    point: MachinePoint


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(dict[int, MachinePoint])


class Machines(msgspec.Struct):
    """Machines by the time since the run's start. `known` are their numbers: `Result.machine_of` gives them."""

    latest_us: int = 0
    known: set[int] = set()
    packed: dict[Span, bytes] = {}

    @property
    def scale(self) -> int:
        """How much wider spans are than those of the whole run."""
        return scale_for(len(self.known), MACHINES_AT_FULL)

    def add(self, t_us: int, points: dict[int, MachinePoint]) -> None:
        """Count `points`, by machine, at `t_us` (>= 0) after the start. Many at once cost as much as one."""
        if not points:
            return
        before = self.scale
        self.known.update(points)
        late = t_us > self.latest_us and begins_tier(t_us, self.latest_us, self.scale)
        self.latest_us = max(self.latest_us, t_us)
        if late or self.scale != before:
            for into, spans in moved(self.packed, self.latest_us, self.scale).items():
                for span in spans:
                    self._merge(into, _decoder.decode(self.packed.pop(span)))
        self._merge(span_of(t_us, self.latest_us, self.scale), points)

    def rows(self, machine: int, most: int | None = None) -> list[MachineRow]:
        """One machine in order of time, where it told something. With `most`: see `Details.rows`."""
        return self.tables(most).get(machine, [])

    def tables(self, most: int | None = None) -> dict[int, list[MachineRow]]:
        """The same for all of them; each span is read once."""
        found: dict[int, list[MachineRow]] = {}
        for t_us, width_us, rows in parts_of(self.axis(), most):
            points: dict[int, MachinePoint] = {}
            for row in rows:
                for machine, point in self.points(row.span).items():
                    points.setdefault(machine, MachinePoint()).merge(point)
            for machine, point in points.items():
                found.setdefault(machine, []).append(MachineRow(t_us, width_us, point))
        return found

    def points(self, span: Span) -> dict[int, MachinePoint]:
        """All machines in one span."""
        data = self.packed.get(span)
        return {} if data is None else _decoder.decode(data)

    def axis(self) -> list[Row]:
        """All spans, in order of time."""
        return rows_of(self.packed, self.latest_us, self.scale)

    def bare(self) -> Machines:
        """The same without any spans: for who is told those later, by `put`."""
        return Machines(self.latest_us, set(self.known))

    def put(self, t_us: int, width_us: int, data: bytes) -> None:
        """Take a span as another has it who knows the same machines; what was here goes."""
        self.packed[t_us, width_us] = data

    def _merge(self, span: Span, points: dict[int, MachinePoint]) -> None:
        held = self.points(span)
        for machine, point in points.items():
            if machine in held:
                held[machine].merge(point)
            else:
                held[machine] = point
        self.packed[span] = _encoder.encode(held)
