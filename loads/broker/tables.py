"""The tables of the broker's store, the same in SQLite and in PostgreSQL, and how Python's values go into them.

    runs ──┬── watermarks   the last batch of each incarnation
           ├── journal      batches as they came; a few seconds of them
           ├── snapshots    what was folded of all batches before
           ├── points       the same along the run's time: in total, by series, by machine
           └── lines        the latest that was printed

A row of `runs` takes all of its run with it when it goes. Whoever changes anything here raises `STORE_VERSION`.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Dialect,
    Enum,
    ForeignKey,
    Index,
    Insert,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
)
from sqlalchemy.dialects import postgresql, sqlite

from loads.metrics.verdict import Verdict
from loads.units import sendable
from loads.wire.cluster import RunState, Track

STORE_VERSION: Final = 2

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_TOP: Final = 2**63


class _Unsigned(TypeDecorator[int]):
    """Unsigned 64 bits in SQL's signed ones: the same bits, so their order is not that of the numbers."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> int | None:
        return value if value is None or value < _TOP else value - 2 * _TOP

    def process_result_value(self, value: int | None, dialect: Dialect) -> int | None:
        return value if value is None or value >= 0 else value + 2 * _TOP


class _Moment(TypeDecorator[datetime]):
    """A time of the calendar as microseconds since 1970: SQLite knows no time zones."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else _EPOCH + value * _MICROSECOND


class _Readable(TypeDecorator[str]):
    """Text from outside. What PostgreSQL's text can't hold (a zero byte, halves of surrogate pairs) is spelled out."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else sendable(value).replace("\0", "\\x00")


class _Names(TypeDecorator[tuple[str, ...]]):
    """Several texts, as JSON."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: tuple[str, ...] | None, dialect: Dialect) -> str | None:
        return None if value is None else json.dumps(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[str, ...] | None:
        return None if value is None else tuple(json.loads(value))


def _one_of(kind: type[RunState] | type[Verdict] | type[Track]) -> Enum:
    """A text: the value of a member of `kind`."""
    return Enum(kind, native_enum=False, length=40, values_callable=lambda members: [each.value for each in members])


def _run() -> Column[Any]:
    return Column("run", Text, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)


METADATA: Final = MetaData()

META: Final = Table("meta", METADATA, Column("version", Integer, primary_key=True, autoincrement=False))
"""One row: the store's version."""

RUNS: Final = Table(
    "runs",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("nonce", _Unsigned, nullable=False, index=True),
    Column("state", _one_of(RunState), nullable=False, index=True),
    Column("user", _Readable, nullable=False),
    Column("host", _Readable, nullable=False),
    Column("created_at", _Moment, nullable=False, index=True),
    Column("ended_at", _Moment),
    Column("verdict", _one_of(Verdict)),
    Column("targets", _Names, nullable=False),
    Column("record", LargeBinary, nullable=False),
    Column("record_version", Integer, nullable=False),
)

WATERMARKS: Final = Table(
    "watermarks",
    METADATA,
    _run(),
    Column("incarnation", _Unsigned, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
)

JOURNAL: Final = Table(
    "journal",
    METADATA,
    Column("arrival", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("run", Text, ForeignKey("runs.id", ondelete="CASCADE"), nullable=False),
    Column("incarnation", _Unsigned, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Index("journal_key", "run", "incarnation", "seq", unique=True),
)
"""`arrival` is given by the database, rising: only one writer adds rows, and never two at a time."""

SNAPSHOTS: Final = Table(
    "snapshots",
    METADATA,
    _run(),
    Column("version", Integer, nullable=False),
    Column("at", _Moment, nullable=False),
    Column("data", LargeBinary, nullable=False),
)

POINTS: Final = Table(
    "points",
    METADATA,
    _run(),
    Column("track", _one_of(Track), primary_key=True),
    Column("t_us", BigInteger, primary_key=True, autoincrement=False),
    Column("width_us", BigInteger, primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
)

LINES: Final = Table(
    "lines",
    METADATA,
    _run(),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("t_us", BigInteger, nullable=False),
    Column("worker", BigInteger),
    Column("text", _Readable, nullable=False),
)


def upsert(table: Table, dialect: str) -> Insert:
    """Put rows into `table`, in place of those with the same key."""
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    statement: postgresql.Insert | sqlite.Insert = insert(table)
    rest = {column.name: statement.excluded[column.name] for column in table.columns if not column.primary_key}
    return statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=rest)
