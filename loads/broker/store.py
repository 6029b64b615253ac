"""The broker's store: what survives it. The only code that speaks SQL.

Results come as batches, some hundreds a second. Each goes into a journal as it is, and is on the disk when `commit`
returns. Every few seconds a run's batches are folded, and the snapshot takes the place of the journal's rows. So what
a run takes on the disk depends on its series and points, and what is to be read again after a crash is a snapshot and
a few seconds of batches; neither grows with hits or hours.

    store.commit([SaveRun(row), AddBatch(run, incarnation, seq, data), Checkpoint(run, snapshot, ...), ...])
    store.load(run) -> StoredRun      the row, the snapshot, and the batches that are not in it

One thread writes (see `broker.writer`), any may read. What can be asked, and what comes back, is in `broker.records`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    Connection,
    Engine,
    Table,
    bindparam,
    delete,
    func,
    insert,
    inspect,
    select,
)
from sqlalchemy.exc import SQLAlchemyError

from loads.broker.changes import Changes, Marks, fold
from loads.broker.engine import for_writing, hint_for, open_engine, place_of
from loads.broker.records import (
    FINAL,
    MAX_LINES,
    AddBatch,
    AddLines,
    Checkpoint,
    Forget,
    Job,
    Keep,
    LineRow,
    RunRow,
    SaveRun,
    SpanKey,
    StoredRun,
    parse_keep,
)
from loads.broker.tables import (
    JOURNAL,
    LINES,
    META,
    METADATA,
    POINTS,
    RUNS,
    SNAPSHOTS,
    STORE_VERSION,
    WATERMARKS,
    upsert,
)
from loads.errors import LoadsError
from loads.wire.cluster import RunState, Track

__all__ = [
    "AddBatch",
    "AddLines",
    "Checkpoint",
    "Forget",
    "Job",
    "Keep",
    "LineRow",
    "RunRow",
    "SaveRun",
    "Store",
    "StoreTrouble",
    "StoredRun",
    "parse_keep",
]

_UPSERTED: Final = (RUNS, WATERMARKS, SNAPSHOTS, POINTS, LINES)
_FOLDED: Final = delete(JOURNAL).where(
    JOURNAL.c.run == bindparam("of_run"),
    JOURNAL.c.incarnation == bindparam("of_incarnation"),
    JOURNAL.c.seq <= bindparam("through"),
)
_NO_POINT: Final = delete(POINTS).where(
    POINTS.c.run == bindparam("of_run"),
    POINTS.c.track == bindparam("of_track"),
    POINTS.c.t_us == bindparam("at_us"),
    POINTS.c.width_us == bindparam("wide_us"),
)
_OLD_LINES: Final = delete(LINES).where(
    LINES.c.run == bindparam("of_run"),
    LINES.c.number
    <= select(func.max(LINES.c.number)).where(LINES.c.run == bindparam("of_run")).scalar_subquery() - MAX_LINES,
)


class StoreTrouble(LoadsError):
    """The database can't be read or written just now. Nothing was changed."""


class Store:
    """The database at `url`, or SQLite's file in `directory`; made if there is none.

    Raises:
        UsageError: the URL can't be used.
        LoadsError: the database can't be opened, or is not a store of this version.
    """

    def __init__(self, url: str | None, directory: Path) -> None:
        self._engine: Engine = open_engine(url, directory)
        self._writing = for_writing(self._engine)
        self._upserts = {table.name: upsert(table, self._engine.dialect.name) for table in _UPSERTED}
        try:
            with self._transaction("opened", self._writing) as connection:
                _settle(connection, self.place)
        except LoadsError:
            self._engine.dispose()
            raise

    @property
    def place(self) -> str:
        """Where it is, for a person; without passwords."""
        return place_of(self._engine)

    def __repr__(self) -> str:
        return f"<Store {self.place}>"

    def close(self) -> None:
        """Close all connections. It is not to be used after that."""
        self._engine.dispose()

    def reconnect(self) -> None:
        """Give the connections up: what comes next opens new ones."""
        self._engine.dispose()

    def commit(self, jobs: Sequence[Job]) -> None:
        """Do all of `jobs`, in order, in one transaction. Done again, they change nothing more.

        Raises:
            StoreTrouble: nothing was done, or it can't be known whether all was: do them again.
        """
        with self._transaction("written", self._writing) as connection:
            for changes in fold(jobs, _marks(connection, {job.run for job in jobs})):
                self._apply(connection, changes)

    def _apply(self, connection: Connection, changes: Changes) -> None:
        self._put(connection, RUNS, [_values(row) for row in changes.runs.values()])
        rows: list[dict[str, Any]] = [_values(batch) for batch in changes.journal]
        _execute(connection, insert(JOURNAL), rows)
        marks = [{"run": run, "incarnation": key, "seq": seq} for (run, key), seq in changes.marks.items()]
        self._put(connection, WATERMARKS, marks)
        for run, lines in changes.lines.items():
            self._put(connection, LINES, [{"run": run, **_values(line)} for line in lines.values()])
            connection.execute(_OLD_LINES, {"of_run": run})
        for checkpoint in changes.checkpoints:
            self._replace(connection, checkpoint)
        if changes.forgotten is not None:
            connection.execute(delete(RUNS).where(RUNS.c.id == changes.forgotten))

    def _replace(self, connection: Connection, checkpoint: Checkpoint) -> None:
        """The snapshot and points for what they were folded from."""
        blob = {"run": checkpoint.run, "version": checkpoint.version}
        self._put(connection, SNAPSHOTS, [{**blob, "at": datetime.now(UTC), "data": checkpoint.snapshot}])
        gone = [
            {"of_run": checkpoint.run, "of_track": track, "at_us": t_us, "wide_us": width_us}
            for track, t_us, width_us in checkpoint.removed
        ]
        _execute(connection, _NO_POINT, gone)
        points = [
            {**blob, "track": track, "t_us": t_us, "width_us": width_us, "data": data}
            for (track, t_us, width_us), data in checkpoint.points.items()
        ]
        self._put(connection, POINTS, points)
        folded = [
            {"of_run": checkpoint.run, "of_incarnation": incarnation, "through": seq}
            for incarnation, seq in checkpoint.through.items()
        ]
        _execute(connection, _FOLDED, folded)

    def _put(self, connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
        _execute(connection, self._upserts[table.name], rows)

    def unfinished(self, final: Collection[RunState] = FINAL) -> list[StoredRun]:
        """All runs in no state of `final`, the oldest first: what a broker that starts goes on with."""
        with self._transaction("read") as connection:
            query = select(RUNS).where(RUNS.c.state.not_in(final)).order_by(RUNS.c.created_at, RUNS.c.id)
            return [_load(connection, row, tuple(Track)) for row in _rows(connection, query)]

    def load(self, run: str, tracks: Collection[Track] = tuple(Track)) -> StoredRun | None:
        """All that is stored of `run`, of its points those of `tracks`; None: it is not there."""
        with self._transaction("read") as connection:
            found = _rows(connection, select(RUNS).where(RUNS.c.id == run))
            return _load(connection, found[0], tracks) if found else None

    def points(
        self, run: str, tracks: Collection[Track], before_us: int | None, most_bytes: int
    ) -> tuple[list[tuple[SpanKey, bytes]], bool]:
        """Points of `run` that begin before `before_us` (None: from the end on), the latest first; are there more?

        All that begin at one time, and then those before, until it is `most_bytes`.
        """
        wanted = (POINTS.c.run == run) & POINTS.c.track.in_(tracks)
        if before_us is not None:
            wanted &= POINTS.c.t_us < before_us
        with self._transaction("read") as connection:
            sizes = connection.execute(
                select(POINTS.c.t_us, func.sum(func.length(POINTS.c.data)))
                .where(wanted)
                .group_by(POINTS.c.t_us)
                .order_by(POINTS.c.t_us.desc())
            ).all()
            from_us, more = _cut([(int(t_us), int(size)) for t_us, size in sizes], most_bytes)
            query = select(POINTS.c.track, POINTS.c.t_us, POINTS.c.width_us, POINTS.c.data)
            rows = connection.execute(query.where(wanted, POINTS.c.t_us >= from_us).order_by(POINTS.c.t_us.desc()))
            return [((row.track, row.t_us, row.width_us), row.data) for row in rows], more

    def runs(self, limit: int) -> list[RunRow]:
        """The newest runs, the newest first."""
        with self._transaction("read") as connection:
            return _rows(connection, select(RUNS).order_by(RUNS.c.created_at.desc(), RUNS.c.id).limit(limit))

    def find(self, prefix: str) -> list[RunRow]:
        """Runs whose id begins with `prefix`, the newest first."""
        # Not LIKE, nor an order of texts: what those mean depends on the database and on its locale.
        begins = func.substr(RUNS.c.id, 1, len(prefix)) == prefix
        with self._transaction("read") as connection:
            return _rows(connection, select(RUNS).where(begins).order_by(RUNS.c.created_at.desc(), RUNS.c.id))

    def of_nonce(self, nonce: int) -> RunRow | None:
        """The run that was submitted with `nonce`."""
        query = select(RUNS).where(RUNS.c.nonce == nonce).order_by(RUNS.c.created_at.desc()).limit(1)
        with self._transaction("read") as connection:
            return next(iter(_rows(connection, query)), None)

    def prune(self, keep: Keep, now: datetime) -> list[str]:
        """Forget the runs that ended and are not to be kept; their ids.

        A run in no final state stays, and does not count among those that `keep` keeps.
        """
        ended_at = func.coalesce(RUNS.c.ended_at, RUNS.c.created_at, type_=RUNS.c.ended_at.type)
        query = select(RUNS.c.id, ended_at).where(RUNS.c.state.in_(FINAL)).order_by(ended_at.desc(), RUNS.c.id)
        with self._transaction("read") as connection:
            ended = [(str(run), moment) for run, moment in connection.execute(query)]
        kept = len(ended) if keep.runs is None else keep.runs
        since = None if keep.age_us is None else now - timedelta(microseconds=keep.age_us)
        gone = [run for n, (run, at) in enumerate(ended) if n >= kept or (since is not None and at < since)]
        if gone:
            self.commit([Forget(run) for run in gone])
        return gone

    @contextmanager
    def _transaction(self, what: str, engine: Engine | None = None) -> Iterator[Connection]:
        """A transaction, committed if nothing is raised. All that is read in it is of one moment."""
        try:
            with (engine or self._engine).begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            cause = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
            told = f"the store ({self.place}) can't be {what}: {cause}"
            raise StoreTrouble(told, hint_for(self._engine, cause)) from error


def _settle(connection: Connection, place: str) -> None:
    """Make the tables in an empty database, or see that they are ours."""
    present = set(inspect(connection).get_table_names())
    if META.name not in present:
        if present & set(METADATA.tables):
            raise LoadsError(f"the database ({place}) is used by something else", "give the store one of its own")
        METADATA.create_all(connection)
        connection.execute(insert(META), {"version": STORE_VERSION})
    versions = list(connection.execute(select(META.c.version)).scalars())
    if versions != [STORE_VERSION]:
        hint = "use the version of Loads that wrote it, or give this one another store"
        told = ", ".join(map(str, versions)) or "none"
        raise LoadsError(f"the store ({place}) is of version {told}, and this Loads knows {STORE_VERSION}", hint)


def _execute(connection: Connection, statement: Any, rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(statement, rows)


def _values(record: RunRow | LineRow | AddBatch) -> dict[str, Any]:
    """The fields, which are named as the columns are."""
    return {each.name: getattr(record, each.name) for each in fields(record)}


def _marks(connection: Connection, runs: Collection[str]) -> Marks:
    """The watermarks of those of `runs` that are stored."""
    joined = RUNS.outerjoin(WATERMARKS, WATERMARKS.c.run == RUNS.c.id)
    query = select(RUNS.c.id, WATERMARKS.c.incarnation, WATERMARKS.c.seq).select_from(joined)
    marks: Marks = {}
    for run, incarnation, seq in connection.execute(query.where(RUNS.c.id.in_(runs))):
        known = marks.setdefault(run, {})
        if incarnation is not None:
            known[incarnation] = seq
    return marks


def _rows(connection: Connection, query: Any) -> list[RunRow]:
    return [RunRow(**row._mapping) for row in connection.execute(query)]


def _cut(sizes: Sequence[tuple[int, int]], most_bytes: int) -> tuple[int, bool]:
    """From which of these times on, the latest of which is first, it is `most_bytes`; and whether some are left."""
    total = 0
    for number, (t_us, size) in enumerate(sizes, 1):
        total += size
        if total >= most_bytes:
            return t_us, number < len(sizes)
    return 0, False


def _load(connection: Connection, row: RunRow, tracks: Collection[Track]) -> StoredRun:
    """`row` with all that belongs to it."""

    def of(table: Table, *columns: Any) -> Any:
        return select(*columns).where(table.c.run == row.id)

    point = (POINTS.c.track, POINTS.c.t_us, POINTS.c.width_us, POINTS.c.data, POINTS.c.version)
    points = connection.execute(of(POINTS, *point).where(POINTS.c.track.in_(tracks))).all()
    columns = (JOURNAL.c.incarnation, JOURNAL.c.seq, JOURNAL.c.data, JOURNAL.c.version)
    journal = connection.execute(of(JOURNAL, *columns).order_by(JOURNAL.c.arrival)).all()
    lines = connection.execute(
        of(LINES, LINES.c.number, LINES.c.t_us, LINES.c.worker, LINES.c.text).order_by(LINES.c.number)
    )
    snapshot = connection.execute(of(SNAPSHOTS, SNAPSHOTS.c.data, SNAPSHOTS.c.version)).one_or_none()
    marks = connection.execute(of(WATERMARKS, WATERMARKS.c.incarnation, WATERMARKS.c.seq))
    versions = {row.record_version, *(each.version for each in points), *(each.version for each in journal)}
    return StoredRun(
        row=row,
        snapshot=None if snapshot is None else snapshot.data,
        points={(each.track, each.t_us, each.width_us): each.data for each in points},
        lines=tuple(LineRow(*line) for line in lines),
        journal=tuple((each.incarnation, each.seq, each.data) for each in journal),
        watermarks={each.incarnation: each.seq for each in marks},
        versions=frozenset(versions if snapshot is None else versions | {snapshot.version}),
    )
