"""Between what the broker knows of a run and what the store keeps of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from loads.broker.fold import Fold
from loads.broker.record import RunRecord, decode_folded, decode_record, encode_folded, encode_record, points_of
from loads.broker.records import BLOB_VERSION, Checkpoint, LineRow, RunRow, SpanKey, StoredRun
from loads.broker.run import LiveRun
from loads.broker.store import Store
from loads.errors import LoadsError
from loads.metrics.result import Result
from loads.metrics.verdict import Verdict
from loads.wire.cluster import Batch, Ended, Line, Refused, RunStatus, Track, Trouble
from loads.wire.codec import decode_to_broker
from loads.wire.fold import bare

Points = Mapping[SpanKey, bytes]


def row_of(record: RunRecord) -> RunRow:
    """The run for the store."""
    submit = record.submit
    return RunRow(
        id=record.id,
        nonce=submit.nonce,
        state=record.state,
        user=submit.who.user,
        host=submit.who.host,
        created_at=record.created_at,
        targets=submit.spec.targets,
        record=encode_record(record),
        ended_at=record.ended_at,
        verdict=None if record.verdict is None else Verdict(record.verdict),
    )


def checkpoint_of(run: LiveRun, before: Points) -> Checkpoint | None:
    """The results of `run` for the store, where the points were as `before`; None: there are none yet."""
    result = run.fold.result
    if result is None:
        return None
    points = points_of(result)
    return Checkpoint(
        run=run.id,
        snapshot=encode_folded(result, run.fold.tallies, run.fold.memory),
        points={key: data for key, data in points.items() if before.get(key) is not data},
        removed=[key for key in before if key not in points],
        through={incarnation: tally.seq for incarnation, tally in run.fold.tallies.items()},
    )


def restored(stored: StoredRun) -> tuple[RunRecord, Fold]:
    """A run that has not ended: its record, and all its results.

    Raises:
        LoadsError: it was written by another version.
    """
    if stored.versions - {BLOB_VERSION}:
        raise LoadsError(
            f"run {stored.row.id} in the store was written by another version of loads",
            "let the broker of that version end it, or give this one another store with --db",
        )
    record = decode_record(stored.row.record)
    if stored.snapshot is None:
        return record, Fold()
    fold = Fold(*decode_folded(stored.snapshot, stored.points))
    for _, _, data in stored.journal:
        batch = decode_to_broker(data)
        if isinstance(batch, Batch):
            fold.take(batch)
    fold.settle()
    if fold.result is not None:
        for event in record.events:  # a broker that died had told of them, and not yet written its results
            if event not in fold.result.events:
                fold.result.note(event)
    return record, fold


def result_of(stored: StoredRun) -> Result | None:
    """The result of a run that has ended; None: it never ran."""
    return restored(stored)[1].result


def lines_of(stored: StoredRun) -> list[Line]:
    """What its workers printed."""
    return [Line(line.t_us, line.worker, line.text) for line in stored.lines]


def line_rows(lines: Iterable[Line], after: int) -> list[LineRow]:
    """`lines` for the store, numbered from `after` on."""
    return [LineRow(number, line.t_us, line.worker, line.text) for number, line in enumerate(lines, after + 1)]


def status_of(row: RunRow) -> RunStatus:
    """A run that has ended, for a list."""
    record = decode_record(row.record)
    return RunStatus(
        id=row.id,
        state=row.state,
        who=record.submit.who,
        created_at=row.created_at,
        targets=row.targets,
        agents=tuple(seat.agent for seat in record.seats),
        elapsed_us=record.duration_us,
        verdict=record.verdict,
        trouble=None if record.trouble is None else record.trouble.message,
        name=record.submit.spec.name,
        tags=record.submit.spec.tags,
        ended_at=record.ended_at,
        users=None if record.info is None else record.info.users,
        brief=record.brief,
    )


def recalled(store: Store, run: str | None) -> Ended | Refused:
    """What is known of the run whose name begins so, or of the latest one. Reads the store: for a thread."""
    try:
        rows = store.runs(1) if run is None else store.find(run)
        exact = [row for row in rows if row.id == run] or rows
        stored = store.load(exact[0].id, (Track.TOTAL,)) if len(exact) == 1 else None
        result = None if stored is None else result_of(stored)
    except LoadsError as error:
        return Refused(run=run, trouble=Trouble(message=error.message, hint=error.hint))
    if stored is not None:
        record = decode_record(stored.row.record)
        if result is not None and record.run_at_us is not None:
            lines, who = tuple(lines_of(stored)), record.submit.who
            return Ended(run=record.id, result=bare(result), lines=lines, who=who)
        return Refused(run=record.id, trouble=record.trouble or Trouble(message=f"{record.id} never ran"))
    if len(exact) > 1:
        names = ", ".join(row.id for row in exact[:5])
        return Refused(run=run, trouble=Trouble(message=f"{run} may be {names}", hint="write more of its name"))
    what = "no run is kept here" if run is None else f"there is no run {run}"
    return Refused(run=run, trouble=Trouble(message=what, hint="loads runs lists those that there are"))
