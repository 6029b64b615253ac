"""What was measured, in one mergeable value.

A `Summary` is a commutative monoid: `Summary()` is its identity, `merge` adds. A worker swaps its own out once a
second; pools, brokers and runners only ever merge. Series, errors and counters are bounded (see `bounded`), so a
summary's size depends on names, never on hits.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeVar

import msgspec

from loads.metrics.bounded import rank_of, trim
from loads.metrics.counters import Counts
from loads.metrics.histogram import Histogram
from loads.metrics.pace import Pace
from loads.metrics.phases import Phases

_Name = TypeVar("_Name", str, int)
MAX_NAMES: Final = 2_000
MAX_ERROR_POINTS: Final = 128
MAX_ERROR_SERIES: Final = 20
MANY_ERRORS: Final = 100
"""Error groups beyond which nobody reads all of their texts: those are cut to `BRIEF_BYTES` then, each."""
BRIEF_BYTES: Final = 4_000
OTHER: Final = "(other)"
TRANSACTION: Final = "transaction"
"""Series method of a timed block; HTTP methods are upper case."""
ITERATION: Final = "iteration"
"""Series method of whole iterations, named `ITERATION_NAME`."""
ITERATION_NAME: Final = "(iteration)"


INTERRUPTED: Final = "interrupted"
"""The kind of error of what was cut off, requests and iterations alike."""


class SeriesKey(NamedTuple):
    """What hits are grouped by. `named`: the test chose the name, so it is kept before those made from URLs."""

    scenario: str
    method: str
    name: str
    named: bool = False

    @property
    def is_hit(self) -> bool:
        """Whether the series counts requests, not transactions or iterations."""
        return self.method not in (TRANSACTION, ITERATION)

    def rank(self) -> tuple[int, bytes]:
        """Its place when there are too many; iterations rank with what the test named."""
        return rank_of(self[:3], named=self.named or self.method == ITERATION)

    def other(self) -> SeriesKey:
        """The series it folds into when there are too many: requests stay apart from blocks of time."""
        return SeriesKey(OTHER, OTHER if self.is_hit else TRANSACTION, OTHER)


class Series(msgspec.Struct, array_like=True):
    """Everything about one series.

    Attributes:
        sent, unsent: requests that reached the wire, and those that failed before. `service.count` is `sent`.
        failed: those with an error kind or a status of 400 and above.
        statuses: answers by HTTP status.
        errors: requests without a whole answer, by kind.
        bytes_sent, bytes_received: HTTP heads and bodies, without TLS and TCP.
        service: a request's end minus its start.
        response: the same plus its iteration's lateness; None where nothing was planned, which means equal.
        connections: opened for its requests, which is to say: that stood.
        phases: where the time of its requests went, as far as it was measured.
        unstarted: of iterations, those that were due and never began; each is in `response` alone, with the time
            that it had waited by the end: a lower bound of what it would have taken.
    """

    sent: int = 0
    unsent: int = 0
    failed: int = 0
    statuses: dict[int, int] = {}
    errors: dict[str, int] = {}
    bytes_sent: int = 0
    bytes_received: int = 0
    service: Histogram = msgspec.field(default_factory=Histogram)
    response: Histogram | None = None
    connections: int = 0
    phases: Phases = msgspec.field(default_factory=Phases)
    unstarted: int = 0

    @property
    def hits(self) -> int:
        """Sent and unsent together."""
        return self.sent + self.unsent

    @property
    def response_or_service(self) -> Histogram:
        """The response times, planned or not."""
        return self.service if self.response is None else self.response

    def merge(self, other: Series) -> None:
        """Take in `other`, which stays as it is."""
        if self.response is not None or other.response is not None:
            self.response = self.response_or_service.copy() if self.response is None else self.response
            self.response.merge(other.response_or_service)
        self.service.merge(other.service)
        self.merge_counts(other)

    def merge_counts(self, other: Series) -> None:
        """Take in all of `other` but its histograms."""
        self.sent += other.sent
        self.unsent += other.unsent
        self.failed += other.failed
        add_counts(self.statuses, other.statuses)
        if other.errors:
            add_counts(self.errors, other.errors)
        self.bytes_sent += other.bytes_sent
        self.bytes_received += other.bytes_received
        self.connections += other.connections
        self.unstarted += other.unstarted
        self.phases.merge(other.phases)


class ErrorKey(NamedTuple):
    """What errors are grouped by: `outcome` (failure or error), type of the exception, and where it came from."""

    outcome: str
    kind: str
    place: str


class ErrorGroup(msgspec.Struct, array_like=True):
    """Errors of one kind from one place: how often, when (from the run's start), and the first of them in full.

    `points` counts them by the second (or longer spans, each a power of two), `series` by the request before them, in
    words, or by the test where there was none.
    """

    count: int
    first_us: int
    last_us: int
    message: str
    traceback: str
    scenario: str
    points: dict[int, int] = {}
    series: dict[str, int] = {}

    def merge(self, other: ErrorGroup) -> None:
        """Take in `other`, which stays as it is.

        Of two firsts at one time the smaller text wins: any order gives one result. What `abridge` leaves of a text is
        compared first, so that it does not matter which of them were cut already.
        """
        if other.first_us <= self.first_us and other._first < self._first:
            self.first_us, self.message, self.traceback = other.first_us, other.message, other.traceback
            self.scenario = other.scenario
        self.count += other.count
        self.last_us = max(self.last_us, other.last_us)
        add_counts(self.points, other.points)
        add_counts(self.series, other.series)
        self.bound()

    def bound(self) -> None:
        """Keep `MAX_ERROR_SERIES` series and as many points as `MAX_ERROR_POINTS`: spans that double, so that the
        longer ones hold the shorter ones whole.
        """
        trim(
            self.series,
            MAX_ERROR_SERIES,
            rank=lambda name: rank_of((name,), named=True),
            other=lambda _: OTHER,
            fold=lambda into, count: (into or 0) + count,
        )
        width_s = 1
        while max(self.points, default=0) >= width_s * MAX_ERROR_POINTS:
            width_s *= 2
        if width_s > 1:
            points: dict[int, int] = {}
            for second, count in self.points.items():
                add_counts(points, {second // width_s * width_s: count})
            self.points = points

    def abridge(self) -> None:
        """Keep `BRIEF_BYTES` of each text: a message's beginning, and a traceback's end."""
        self.message, self.traceback = _beginning(self.message), _end(self.traceback)

    @property
    def _first(self) -> tuple[int, str, str, str, str, str]:
        brief = self.first_us, _beginning(self.message), _end(self.traceback), self.scenario
        return (*brief, self.message, self.traceback)


class BlockKey(NamedTuple):
    """Code that blocked the event loop: the test, and the line."""

    scenario: str
    place: str


class Block(msgspec.Struct, array_like=True):
    """How often a line blocked the event loop, how long at most and in all."""

    count: int = 0
    longest_us: int = 0
    total_us: int = 0

    def merge(self, other: Block) -> None:
        """Take in `other`, which stays as it is."""
        self.count += other.count
        self.longest_us = max(self.longest_us, other.longest_us)
        self.total_us += other.total_us


OTHER_ERROR: Final = ErrorKey("error", OTHER, "")


class Totals(msgspec.Struct, array_like=True):
    """Iterations and what became of them.

    started = ended + interrupted + running + lost. Outcomes count as unittest counts them: an iteration with two
    failed subtests has two failures, one that fails and whose tearDown raises has a failure and an error.
    `users_us` is the integral of running users over time, in user-microseconds. `retired` users ended early, for there
    was no row left for them.
    """

    started: int = 0
    ended: int = 0
    interrupted: int = 0
    success: int = 0
    failures: int = 0
    errors: int = 0
    skipped: int = 0
    users_us: int = 0
    retired: int = 0

    def merge(self, other: Totals) -> None:
        """Add every field of `other`."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Summary(msgspec.Struct, array_like=True):
    """All that was measured in some span of time by some set of workers."""

    series: dict[SeriesKey, Series] = {}
    errors: dict[ErrorKey, ErrorGroup] = {}
    counters: dict[str, int] = {}
    totals: Totals = msgspec.field(default_factory=Totals)
    blocks: dict[BlockKey, Block] = {}
    pace: Pace = msgspec.field(default_factory=Pace)

    def merge(self, other: Summary) -> None:
        """Take in `other`, which stays as it is."""
        for key, series in other.series.items():
            self.series[key] = fold_series(self.series.get(key), series)
        for error_key, group in other.errors.items():
            self.errors[error_key] = fold_error(self.errors.get(error_key), group)
        add_counts(self.counters, other.counters)
        for block_key, block in other.blocks.items():
            self.blocks[block_key] = fold_block(self.blocks.get(block_key), block)
        self.totals.merge(other.totals)
        self.pace.merge(other.pace)
        self.trim()

    def trim(self) -> None:
        """Keep at most `MAX_NAMES` series, error groups and counters; fold the rest into ``(other)``.

        Of many error groups the texts are cut: parts with so many have a whole with so many, so any order of merges
        gives one result here, too.
        """
        trim(self.series, MAX_NAMES, rank=SeriesKey.rank, other=SeriesKey.other, fold=fold_series)
        trim(
            self.errors,
            MAX_NAMES,
            rank=lambda key: rank_of(tuple(key), named=False),
            other=lambda _: OTHER_ERROR,
            fold=fold_error,
        )
        if len(self.errors) > MANY_ERRORS:
            for group in self.errors.values():
                group.abridge()
        trim(
            self.counters,
            MAX_NAMES,
            rank=lambda name: rank_of((name,), named=True),
            other=lambda _: OTHER,
            fold=lambda into, count: (into or 0) + count,
        )

        trim(
            self.blocks,
            MAX_NAMES,
            rank=lambda key: rank_of(tuple(key), named=False),
            other=lambda _: BlockKey(OTHER, OTHER),
            fold=fold_block,
        )

    @property
    def hits(self) -> Series:
        """All requests of all series as one, of which the statuses and the sizes are the sums."""
        whole = Series()
        for key, series in self.series.items():
            if key.is_hit:
                whole.merge(series)
        return whole

    @property
    def counts(self) -> Counts:
        """What this summary accounts for, to hold against a worker's surviving counters."""
        hits = [series for key, series in self.series.items() if key.is_hit]
        return Counts(
            self.totals.started,
            self.totals.ended + self.totals.interrupted,
            sum(series.sent for series in hits),
            sum(series.unsent for series in hits),
        )


def fold_series(into: Series | None, series: Series) -> Series:
    """`into` with `series` added; a new one for the first."""
    if into is None:
        into = Series()
    into.merge(series)
    return into


def fold_error(into: ErrorGroup | None, group: ErrorGroup) -> ErrorGroup:
    """`into` with `group` added; a copy for the first."""
    if into is None:
        into = msgspec.structs.replace(group, points=dict(group.points), series=dict(group.series))
        into.bound()
        return into
    into.merge(group)
    return into


def _beginning(text: str) -> str:
    """At most `BRIEF_BYTES` of `text`, as UTF-8 has them."""
    if 4 * len(text) <= BRIEF_BYTES:
        return text
    return text.encode(errors="replace")[:BRIEF_BYTES].decode(errors="ignore")


def _end(text: str) -> str:
    """The same, of its end."""
    if 4 * len(text) <= BRIEF_BYTES:
        return text
    return text.encode(errors="replace")[-BRIEF_BYTES:].decode(errors="ignore")


def fold_block(into: Block | None, block: Block) -> Block:
    """`into` with `block` added; a new one for the first."""
    if into is None:
        into = Block()
    into.merge(block)
    return into


def add_counts(into: dict[_Name, int], other: dict[_Name, int]) -> None:
    """Add the counts of `other`, key by key."""
    for key, count in other.items():
        into[key] = into.get(key, 0) + count
