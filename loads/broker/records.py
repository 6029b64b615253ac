"""What the broker's store keeps and is told: rows, stored runs, and the jobs that change them. Values only.

Jobs say what should be, not what to add to what is: for a run that was saved before, the same jobs done twice, in the
same order, leave what they leave when done once. So a commit whose answer got lost may simply be done again.

All numbers are checked when a value is made, for a number that no database can hold would else stand in the writer's
way for ever. Blobs are opaque here; each is kept with the version of its format.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from loads.errors import UsageError
from loads.metrics.verdict import Verdict
from loads.units import parse_duration_us
from loads.wire.cluster import RunState, Track

FINAL: Final = frozenset({RunState.ENDED, RunState.REFUSED})
"""States of runs that nothing more happens to."""
BLOB_VERSION: Final = 2
"""The format of records, snapshots, points and batches, as the broker writes them now."""
MAX_LINES: Final = 2_000
"""So many of the latest lines of a run are kept."""

SpanKey = tuple[Track, int, int]
"""Which of a run's points: what it is of, its start and its width in us."""

_U63: Final = 2**63
_U64: Final = 2**64


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """A run as a list shows it, and what the broker needs to go on with it.

    Attributes:
        nonce: of its submission, unsigned 64 bits.
        created_at, ended_at: with a time zone; None: it has not ended.
        record: opaque: everything about the run but its results.
        record_version: the format of `record`.
    """

    id: str
    nonce: int
    state: RunState
    user: str
    host: str
    created_at: datetime
    targets: tuple[str, ...]
    record: bytes
    record_version: int = BLOB_VERSION
    ended_at: datetime | None = None
    verdict: Verdict | None = None

    def __post_init__(self) -> None:
        _check(_U64, self.nonce)
        for moment in (self.created_at, self.ended_at):
            if moment is not None and moment.tzinfo is None:
                raise ValueError(f"{moment} has no time zone")


@dataclass(frozen=True)
class LineRow:
    """A line that a worker printed or the broker has to say (worker None). `number` counts the run's lines."""

    number: int
    t_us: int
    worker: int | None
    text: str

    def __post_init__(self) -> None:
        _check(_U63, self.number, self.t_us, self.worker or 0)


@dataclass(frozen=True, kw_only=True)
class StoredRun:
    """All that is stored of a run, as of one moment.

    Attributes:
        snapshot: None: there was no checkpoint yet.
        points: those that were asked for.
        lines: the latest, in order.
        journal: (incarnation, seq, data) of the batches that are not in the snapshot, in order of arrival.
        watermarks: the last batch taken, by incarnation.
        versions: the formats of all the blobs; one that the reader does not know is a reason to stop.
    """

    row: RunRow
    snapshot: bytes | None = None
    points: Mapping[SpanKey, bytes] = field(default_factory=dict)
    lines: tuple[LineRow, ...] = ()
    journal: tuple[tuple[int, int, bytes], ...] = ()
    watermarks: Mapping[int, int] = field(default_factory=dict)
    versions: frozenset[int] = frozenset()

    def __repr__(self) -> str:
        folded = "no snapshot" if self.snapshot is None else f"snapshot of {len(self.snapshot)} bytes"
        return f"<StoredRun {self.row.id} {self.row.state.value}, {folded} + {len(self.journal)} batches>"


@dataclass(frozen=True)
class SaveRun:
    """A run is new, or its row changed."""

    row: RunRow

    @property
    def run(self) -> str:
        """Its id."""
        return self.row.id


@dataclass(frozen=True)
class AddBatch:
    """A batch came, and is the next of its incarnation: into the journal, and up goes the watermark.

    One at or below the watermark changes nothing.
    """

    run: str
    incarnation: int
    seq: int
    data: bytes = field(repr=False)
    version: int = BLOB_VERSION

    def __post_init__(self) -> None:
        _check(_U64, self.incarnation)
        _check(_U63, self.seq)


@dataclass(frozen=True)
class Checkpoint:
    """Batches were folded: the snapshot and the points take the place of the journal's rows.

    Attributes:
        snapshot: all of the run's result but the points, in place of the one before.
        points: those that changed or are new.
        removed: those that are no more.
        through: the last batch of each incarnation that was folded; also its watermark, if that is lower.
    """

    run: str
    snapshot: bytes = field(repr=False)
    points: Mapping[SpanKey, bytes] = field(default_factory=dict, repr=False)
    removed: Collection[SpanKey] = ()
    through: Mapping[int, int] = field(default_factory=dict)
    version: int = BLOB_VERSION

    def __post_init__(self) -> None:
        for _, t_us, width_us in (*self.points, *self.removed):
            _check(_U63, t_us, width_us)
        _check(_U64, *self.through)
        _check(_U63, *self.through.values())


@dataclass(frozen=True)
class AddLines:
    """More lines of a run. The oldest beyond `MAX_LINES` go."""

    run: str
    lines: Sequence[LineRow]


@dataclass(frozen=True)
class Forget:
    """Nothing of the run is kept."""

    run: str


Job = SaveRun | AddBatch | Checkpoint | AddLines | Forget
"""What can be asked of the store. All but SaveRun do nothing for a run that is not there."""


@dataclass(frozen=True)
class Keep:
    """Which of the runs that ended stay: the last `runs`, or those of the last `age_us`; None: no such limit."""

    runs: int | None = None
    age_us: int | None = None


def parse_keep(text: str) -> Keep:
    """``100``: the last hundred runs; ``30d``: those of the last thirty days.

    Raises:
        UsageError: it is neither.
    """
    stripped = text.strip()
    if stripped.isascii() and stripped.isdigit() and len(stripped) <= 12:
        return Keep(runs=int(stripped))
    try:
        return Keep(age_us=parse_duration_us(stripped))
    except UsageError as error:
        hint = "write a number of runs, like 100, or a time of at most a year, like 30d"
        raise UsageError(f"{text!r} does not say which runs to keep", hint) from error


def _check(bound: int, *numbers: int) -> None:
    """Raise ValueError for a number that does not fit into its column."""
    for number in numbers:
        if not 0 <= number < bound:
            raise ValueError(f"{number} is not between 0 and {bound - 1}")
