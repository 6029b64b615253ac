"""The broker's store: what is committed is there, exactly once, in SQLite and in PostgreSQL alike."""

from __future__ import annotations

import sqlite3
import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loads.broker.records import BLOB_VERSION, MAX_LINES
from loads.broker.store import (
    AddBatch,
    AddLines,
    Checkpoint,
    Forget,
    Job,
    Keep,
    LineRow,
    RunRow,
    SaveRun,
    Store,
    StoredRun,
    StoreTrouble,
    parse_keep,
)
from loads.errors import ExitCode, LoadsError, UsageError
from loads.metrics.verdict import Verdict
from loads.wire.cluster import RunState, Track
from tests.postgres import Postgres, run_postgres

NOW = datetime(2026, 3, 1, 12, 30, 15, 123_456, tzinfo=UTC)
TOP = 2**64 - 1
TOTAL, SERIES, MACHINES = Track


@dataclass(frozen=True)
class Place:
    """Where a store is; opened as often as one likes."""

    url: str | None
    directory: Path

    def open(self) -> Store:
        return Store(self.url, self.directory)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with run_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "sqlite":
        return Place(None, tmp_path / "state")
    return Place(request.getfixturevalue("postgres").new_database(), tmp_path)


@pytest.fixture
def store(place: Place) -> Iterator[Store]:
    store = place.open()
    yield store
    store.close()


def row_of(run: str, state: RunState = RunState.RUNNING, age: timedelta = timedelta(0)) -> RunRow:
    final = state in (RunState.ENDED, RunState.REFUSED)
    return RunRow(
        id=run,
        nonce=TOP,
        state=state,
        user="ann",
        host="desk",
        created_at=NOW - age,
        ended_at=NOW - age if final else None,
        targets=("tests.TestSite.test_es", "more"),
        record=b"\x00\xff",
    )


def loaded(store: Store, run: str) -> StoredRun:
    found = store.load(run)
    assert found is not None
    return found


def test_a_run_comes_back_as_it_was_saved(store: Store) -> None:
    row = row_of("a1")
    store.commit([SaveRun(row)])
    assert loaded(store, "a1") == StoredRun(row=row, versions=frozenset({BLOB_VERSION}))
    ended = replace(row, state=RunState.ENDED, ended_at=NOW + timedelta(days=1), verdict=Verdict.INVALID, record=b"2")
    store.commit([SaveRun(ended)])
    assert loaded(store, "a1").row == ended
    assert store.load("a2") is None


def test_odd_text_is_spelled_out_rather_than_refused(store: Store) -> None:
    """A name with a zero byte must not stop the writer: PostgreSQL's text can't hold one."""
    odd = replace(row_of("a1"), user="a\0b", host="\udc80", targets=("\0", "é"))
    store.commit([SaveRun(odd), AddLines("a1", [LineRow(1, 5, None, "naïve \0")])])
    found = loaded(store, "a1")
    assert (found.row.user, found.row.host, found.row.targets) == ("a\\x00b", "\\udc80", ("\0", "é"))
    assert found.lines == (LineRow(1, 5, None, "naïve \\x00"),)


def test_batches_come_back_in_the_order_of_arrival(store: Store) -> None:
    store.commit(
        [SaveRun(row_of("a1")), SaveRun(row_of("a2")), AddBatch("a1", TOP, 1, b"x"), AddBatch("a2", 0, 1, b"")]
    )
    store.commit([AddBatch("a1", 0, 1, b"y"), AddBatch("a1", TOP, 2, b"z")])
    found = loaded(store, "a1")
    assert found.journal == ((TOP, 1, b"x"), (0, 1, b"y"), (TOP, 2, b"z"))
    assert found.watermarks == {TOP: 2, 0: 1}
    assert loaded(store, "a2").journal == ((0, 1, b""),)


def test_a_batch_again_changes_nothing_even_after_it_was_folded(store: Store) -> None:
    store.commit([SaveRun(row_of("a1")), AddBatch("a1", 7, 1, b"x")])
    store.commit([AddBatch("a1", 7, 1, b"other")])
    assert loaded(store, "a1").journal == ((7, 1, b"x"),)
    store.commit([Checkpoint("a1", b"snapshot", through={7: 1}), AddBatch("a1", 7, 1, b"x")])
    assert loaded(store, "a1").journal == ()
    assert loaded(store, "a1").watermarks == {7: 1}


def test_a_checkpoint_takes_the_place_of_what_it_folded(store: Store) -> None:
    store.commit([SaveRun(row_of("a1")), *(AddBatch("a1", inc, seq, b"x") for seq in (1, 2, 3) for inc in (TOP, 5))])
    store.commit(
        [
            Checkpoint(
                "a1", b"one", {(TOTAL, 0, 10): b"p", (TOTAL, 10, 10): b"q", (SERIES, 0, 10): b"s"}, through={TOP: 2}
            )
        ]
    )
    points, removed = {(TOTAL, 0, 20): b"pq", (TOTAL, 20, 10): b"r"}, {(TOTAL, 0, 10), (TOTAL, 10, 10)}
    store.commit([Checkpoint("a1", b"two", points, removed, {TOP: 2, 5: 3})])
    found = loaded(store, "a1")
    assert found.snapshot == b"two"
    assert found.points == {**points, (SERIES, 0, 10): b"s"}
    assert found.journal == ((TOP, 3, b"x"),)
    assert found.watermarks == {TOP: 3, 5: 3}
    assert repr(found) == "<StoredRun a1 running, snapshot of 3 bytes + 1 batches>"


def test_only_the_points_that_are_asked_for_are_loaded(store: Store) -> None:
    points = {(track, 0, 10): track.value.encode() for track in Track}
    store.commit([SaveRun(row_of("a1")), Checkpoint("a1", b"s", points)])
    assert loaded(store, "a1").points == points
    some = store.load("a1", (TOTAL,))
    assert some is not None
    assert some.points == {(TOTAL, 0, 10): b"total"}


def test_points_are_read_in_pieces_the_latest_first(store: Store) -> None:
    """What begins at one time is in one piece, however much it is."""
    points = {(track, t_us, 1): bytes(40) for track in (SERIES, MACHINES) for t_us in (0, 1, 2, 2**40)}
    points |= {(TOTAL, 2**50, 1): b"", (SERIES, 5, 2): bytes(200)}
    store.commit([SaveRun(row_of("a1")), SaveRun(row_of("a2")), Checkpoint("a1", b"s", points)])
    pieces, before_us, more = [], None, True
    while more:
        piece, more = store.points("a1", (SERIES, MACHINES), before_us, 100)
        assert all(points[key] == data for key, data in piece)
        pieces.append([t_us for (_, t_us, _), _ in piece])
        before_us = pieces[-1][-1]
    assert pieces == [[2**40, 2**40, 5], [2, 2, 1, 1], [0, 0]]
    assert store.points("a2", (SERIES,), None, 100) == ([], False)


def test_the_formats_of_blobs_are_told(store: Store) -> None:
    jobs = [
        SaveRun(replace(row_of("a1"), record_version=2)),
        AddBatch("a1", 1, 1, b"", version=3),
        Checkpoint("a1", b"", version=4),
    ]
    store.commit(jobs)
    assert loaded(store, "a1").versions == {2, 3, 4}


def test_only_the_latest_lines_stay(store: Store) -> None:
    lines = [LineRow(number, number, number % 3 or None, f"line {number}") for number in range(1, MAX_LINES + 51)]
    store.commit(
        [SaveRun(row_of("a1")), SaveRun(row_of("a2")), AddLines("a2", lines[:1]), AddLines("a1", lines[:1500])]
    )
    store.commit([AddLines("a1", lines[1400:])])
    assert loaded(store, "a1").lines == tuple(lines[50:])
    assert loaded(store, "a2").lines == tuple(lines[:1])


def test_a_forgotten_run_leaves_nothing(store: Store) -> None:
    everything: list[Job] = [
        AddBatch("a1", 1, 1, b"x"),
        AddLines("a1", [LineRow(1, 1, 1, "x")]),
        Checkpoint("a1", b"s", {(TOTAL, 0, 1): b"p"}),
    ]
    store.commit([SaveRun(row_of("a1")), *everything])
    store.commit([Forget("a1"), *everything, Forget("a9")])
    assert store.load("a1") is None
    store.commit([SaveRun(row_of("a1"))])
    assert loaded(store, "a1") == StoredRun(row=row_of("a1"), versions=frozenset({BLOB_VERSION}))


def test_unfinished_runs_are_those_in_no_final_state(store: Store) -> None:
    for n, state in enumerate(RunState):
        store.commit([SaveRun(row_of(state.value, state, timedelta(minutes=n)))])
    assert [run.row.id for run in store.unfinished()] == ["ending", "running", "fitting", "preparing", "waiting"]
    assert [run.row.id for run in store.unfinished(set(RunState) - {RunState.ENDED})] == ["ended"]


def test_runs_are_listed_from_the_newest_on_and_found_by_how_their_id_begins(store: Store) -> None:
    for n, run in enumerate(["ab1", "ab2", "AB3", "b%", "b_"]):
        store.commit([SaveRun(replace(row_of(run, age=timedelta(hours=n)), nonce=n))])
    assert [row.id for row in store.runs(3)] == ["ab1", "ab2", "AB3"]
    assert [row.id for row in store.find("ab")] == ["ab1", "ab2"]
    assert [row.id for row in store.find("b_")] == ["b_"]
    assert [row.id for row in store.find("")] == ["ab1", "ab2", "AB3", "b%", "b_"]
    found = store.of_nonce(3)
    assert found is not None
    assert found.id == "b%"
    assert store.of_nonce(TOP) is None


def test_pruning_takes_only_runs_that_ended(store: Store) -> None:
    store.commit([SaveRun(row_of("goes on", age=timedelta(days=90)))])
    for days in range(1, 6):
        state = RunState.REFUSED if days % 2 else RunState.ENDED
        store.commit([SaveRun(replace(row_of(f"r{days}", state, timedelta(days=days)), ended_at=None))])
    assert store.prune(Keep(), NOW) == []
    assert store.prune(parse_keep("3"), NOW) == ["r4", "r5"]
    assert store.prune(parse_keep("36h"), NOW) == ["r2", "r3"]
    assert [row.id for row in store.runs(9)] == ["r1", "goes on"]
    assert store.prune(Keep(runs=0), NOW) == ["r1"]


@pytest.mark.parametrize(
    ("text", "keep"),
    [("100", Keep(runs=100)), (" 0 ", Keep(runs=0)), ("30d", Keep(age_us=30 * 86_400_000_000))],
)
def test_what_to_keep_is_a_number_or_a_time(text: str, keep: Keep) -> None:
    assert parse_keep(text) == keep


@pytest.mark.parametrize("text", ["", "all", "-1", "3 runs", "400d", "٣", "9" * 13])
def test_nothing_else_says_what_to_keep(text: str) -> None:
    with pytest.raises(UsageError, match="does not say which runs to keep"):
        parse_keep(text)


def test_numbers_that_no_database_holds_are_refused_before_they_are_queued() -> None:
    for make in (
        lambda: AddBatch("a", TOP + 1, 1, b""),
        lambda: AddBatch("a", 1, 2**63, b""),
        lambda: Checkpoint("a", b"", {(TOTAL, -1, 1): b""}),
        lambda: Checkpoint("a", b"", removed=[(TOTAL, 1, 2**63)]),
        lambda: Checkpoint("a", b"", through={-1: 1}),
        lambda: LineRow(1, 1, 2**63, ""),
        lambda: replace(row_of("a"), nonce=-1),
        lambda: replace(row_of("a"), created_at=datetime(2026, 1, 1)),  # noqa: DTZ001
    ):
        with pytest.raises(ValueError, match=r"is not between|has no time zone"):
            make()


def test_a_commit_is_all_or_nothing(store: Store) -> None:
    broken = AddBatch("a1", 1, 2, None)  # type: ignore[arg-type]
    with pytest.raises(StoreTrouble, match="can't be written"):
        store.commit([SaveRun(row_of("a1")), AddBatch("a1", 1, 1, b"x"), broken])
    assert store.load("a1") is None
    store.commit([SaveRun(row_of("a1"))])


# A plain model: one job after the other, with dicts and lists.


class Model:
    """What the store should hold."""

    def __init__(self) -> None:
        self.runs: dict[str, StoredRun] = {}

    def do(self, job: Job) -> None:
        run = self.runs.get(job.run)
        if isinstance(job, SaveRun):
            self.runs[job.run] = replace(run, row=job.row) if run else StoredRun(row=job.row)
        elif run is not None:
            self._change(run, job)

    def _change(self, run: StoredRun, job: Job) -> None:
        marks = dict(run.watermarks)
        if isinstance(job, AddBatch) and job.seq > marks.get(job.incarnation, 0):
            marks[job.incarnation] = job.seq
            run = replace(run, journal=(*run.journal, (job.incarnation, job.seq, job.data)), watermarks=marks)
        elif isinstance(job, AddLines):
            lines = {line.number: line for line in (*run.lines, *job.lines)}
            run = replace(run, lines=tuple(lines[number] for number in sorted(lines)))
        elif isinstance(job, Checkpoint):
            for incarnation, seq in job.through.items():
                marks[incarnation] = max(seq, marks.get(incarnation, 0))
            points = {key: data for key, data in run.points.items() if key not in job.removed} | dict(job.points)
            journal = tuple(each for each in run.journal if each[1] > job.through.get(each[0], 0))
            run = replace(run, snapshot=job.snapshot, points=points, journal=journal, watermarks=marks)
        self.runs[job.run] = run
        if isinstance(job, Forget):
            del self.runs[job.run]


def of_store(store: Store) -> dict[str, StoredRun]:
    return {row.id: replace(loaded(store, row.id), versions=frozenset()) for row in store.runs(100)}


NAMES = st.sampled_from(["a", "b"])
INCARNATIONS = st.sampled_from([0, 1, 2**63, TOP])
SEQS = st.integers(1, 6)
KEYS = st.tuples(st.sampled_from(Track), st.integers(0, 3), st.integers(1, 2))
BATCHES = st.builds(AddBatch, NAMES, INCARNATIONS, SEQS, st.binary(max_size=3))
CHECKPOINTS = st.builds(
    Checkpoint,
    NAMES,
    st.binary(max_size=3),
    st.dictionaries(KEYS, st.binary(max_size=3), max_size=3),
    st.frozensets(KEYS, max_size=2),
    st.dictionaries(INCARNATIONS, SEQS, max_size=3),
)
LINES = st.builds(AddLines, NAMES, st.lists(st.builds(LineRow, SEQS, SEQS, st.none() | SEQS, st.text(max_size=0))))
RARE = st.builds(Forget, NAMES) | st.builds(
    lambda name, state: SaveRun(row_of(name, state)), NAMES, st.sampled_from(RunState)
)
JOBS = st.one_of(BATCHES, BATCHES, BATCHES, CHECKPOINTS, LINES, RARE)
TOGETHER = st.lists(JOBS, max_size=8)
SAVED: list[Job] = [SaveRun(row_of("a")), SaveRun(row_of("b"))]
TRIED = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@TRIED
@given(st.lists(TOGETHER | st.none(), max_size=6))
def test_any_jobs_in_any_commits_leave_what_they_leave_in_a_dict(
    place: Place, commits: Sequence[Sequence[Job] | None]
) -> None:
    """None opens the store again."""
    store, model = place.open(), Model()
    store.commit([Forget(row.id) for row in store.runs(100)])
    for jobs in (SAVED, *commits):
        if jobs is None:
            store.close()
            store = place.open()
            continue
        store.commit(jobs)
        for job in jobs:
            model.do(job)
        assert of_store(store) == model.runs
    store.close()


@TRIED
@given(TOGETHER, TOGETHER)
def test_the_same_commit_again_with_more_behind_it_changes_nothing_but_by_what_is_more(
    store: Store, jobs: Sequence[Job], more: Sequence[Job]
) -> None:
    """So a commit whose answer got lost may be done again, with what came meanwhile."""
    model = Model()
    for job in (*SAVED, *jobs, *more):
        model.do(job)
    store.commit([Forget(row.id) for row in store.runs(100)])
    store.commit(SAVED)
    store.commit(jobs)
    store.commit([*jobs, *more])
    assert of_store(store) == model.runs


# Opening.


def test_the_file_is_for_this_user_only(tmp_path: Path) -> None:
    store = Store(None, tmp_path / "deep" / "state")
    store.commit([SaveRun(row_of("a1"))])
    assert stat.S_IMODE((tmp_path / "deep" / "state").stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "deep" / "state").iterdir()}
    assert modes == {"loads.db": 0o600, "loads.db-wal": 0o600, "loads.db-shm": 0o600}
    assert repr(store) == f"<Store sqlite {tmp_path}/deep/state/loads.db>"
    store.close()
    assert [path.name for path in (tmp_path / "deep" / "state").iterdir()] == ["loads.db"]


def test_a_file_that_others_could_read_is_made_private(tmp_path: Path) -> None:
    Store(None, tmp_path).close()
    (tmp_path / "loads.db").chmod(0o644)
    store = Store(None, tmp_path)
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    store.close()


def test_a_commit_is_on_the_disk_when_it_returns(tmp_path: Path) -> None:
    store = Store(None, tmp_path)
    with store._engine.connect() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2}
    store.close()


def test_space_is_used_again(tmp_path: Path) -> None:
    """What a run takes does not grow with its batches, once they are folded."""
    store = Store(None, tmp_path)
    store.commit([SaveRun(row_of("a1"))])
    sizes = []
    for turn in range(8):
        for seq in range(turn * 40 + 1, turn * 40 + 41):
            store.commit([AddBatch("a1", 1, seq, bytes(15_000))])
        store.commit([Checkpoint("a1", bytes(50_000), through={1: turn * 40 + 40})])
        sizes.append((tmp_path / "loads.db").stat().st_size + (tmp_path / "loads.db-wal").stat().st_size)
    store.close()
    assert (tmp_path / "loads.db").stat().st_size < 3 * 40 * 15_000
    assert max(sizes[5:]) <= 1.1 * sizes[4]


def test_a_store_of_another_version_is_refused(place: Place) -> None:
    store = place.open()
    with store._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE meta SET version = 99")
    store.close()
    with pytest.raises(LoadsError, match="is of version 99, and this Loads knows 2") as refused:
        place.open()
    assert "another store" in refused.value.hint


def test_a_database_of_something_else_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "loads.db") as other:
        other.execute("CREATE TABLE runs (speed INTEGER)")
    other.close()
    with pytest.raises(LoadsError, match="is used by something else"):
        Store(None, tmp_path)


def test_what_can_not_be_opened_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"this is no database, but long enough to be asked whether it is one" * 20)
    with pytest.raises(StoreTrouble, match="can't be opened: file is not a database") as caught:
        Store(f"sqlite:///{tmp_path}/file", tmp_path)
    assert caught.value.hint == "that file is something else: look at --db, or leave it out"
    with pytest.raises(LoadsError, match="can't be opened: File exists"):
        Store(f"sqlite:///{tmp_path}", tmp_path)
    with pytest.raises(LoadsError, match="can't be made: File exists"):
        Store(None, tmp_path / "file")


def test_directories_are_made_for_the_default_place_only(tmp_path: Path) -> None:
    """A path that was mistyped must not become another, empty store."""
    mistyped = tmp_path / "lods" / "deep"
    with pytest.raises(UsageError, match=f"{mistyped} is not there") as caught:
        Store(f"sqlite:///{mistyped}/runs.db", tmp_path)
    assert "--db" in caught.value.hint
    assert not mistyped.parent.exists()
    Store(None, mistyped).close()
    assert (mistyped / "loads.db").is_file()


@pytest.mark.parametrize(
    "url",
    ["", "nonsense", "sqlite://", "sqlite:///:memory:", "sqlite:///x?mode=ro", "mysql://u:secret@h/d", "a:secret@b"],
)
def test_a_url_that_can_not_be_used_is_a_usage_error_that_shows_no_password(url: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as refused:
        Store(url, tmp_path)
    assert refused.value.exit_code is ExitCode.USAGE
    assert "secret" not in str(refused.value)
    assert refused.value.hint


def test_a_driver_that_is_missing_is_a_usage_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(UsageError, match="driver for PostgreSQL is missing") as refused:
        Store("postgresql://ann@localhost/loads", tmp_path)
    assert "pip install" in refused.value.hint


def test_a_server_that_is_not_there_is_said_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(StoreTrouble, match="can't be opened: ") as refused:
        Store(f"postgres://ann:secret@/loads?host={tmp_path}", tmp_path)
    assert "secret" not in str(refused.value)
