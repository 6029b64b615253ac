"""The store's writer: all that is put is stored, in order, exactly once, whatever happens to the disk or to us."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from loads.broker.store import AddBatch, Checkpoint, Job, RunRow, SaveRun, Store, StoreTrouble
from loads.broker.writer import GATHER_S, Token, Writer
from loads.wire.cluster import RunState

ROW = RunRow(
    id="a1",
    nonce=1,
    state=RunState.RUNNING,
    user="ann",
    host="desk",
    created_at=datetime(2026, 3, 1, tzinfo=UTC),
    targets=("t",),
    record=b"",
)
DEADLINE_S = 20.0


class Watched(Store):
    """A store that tells how many jobs came in each commit, and that can be held up or made to fail."""

    def __init__(self, directory: Path) -> None:
        super().__init__(None, directory)
        self.commits: list[int] = []
        self.reconnects = 0
        self.failure: Exception | None = None
        self.free = threading.Event()
        self.free.set()

    def commit(self, jobs: Sequence[Job]) -> None:
        self.free.wait(DEADLINE_S)
        if self.failure is not None:
            raise self.failure
        super().commit(jobs)
        self.commits.append(len(jobs))

    def reconnect(self) -> None:
        self.reconnects += 1
        super().reconnect()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Watched]:
    store = Watched(tmp_path)
    store.commit([SaveRun(ROW)])
    store.commits.clear()
    yield store
    store.close()


class Told:
    """What a writer told its loop."""

    def __init__(self) -> None:
        self.tokens: list[Token] = []
        self.troubles: list[str | None] = []
        self.threads: set[int] = set()

    def done(self, tokens: Sequence[Token]) -> None:
        self.threads.add(threading.get_ident())
        self.tokens += tokens

    def trouble(self, text: str | None) -> None:
        self.threads.add(threading.get_ident())
        self.troubles.append(text)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                await asyncio.sleep(0.005)


def batch(seq: int) -> list[Job]:
    return [AddBatch("a1", 1, seq, b"%d" % seq)]


def stored(directory: Path) -> list[int]:
    """The batches that a new store finds; each must hold what it should."""
    store = Store(None, directory)
    run = store.load("a1")
    store.close()
    assert run is not None
    assert all(data == b"%d" % seq for _, seq, data in run.journal)
    return [seq for _, seq, _ in run.journal]


def test_what_comes_together_is_one_commit_and_is_told_on_the_loop(store: Watched, tmp_path: Path) -> None:
    async def scenario() -> Told:
        told = Told()
        writer = Writer(store, told.done, told.trouble)
        for seq in range(1, 51):
            writer.put(batch(seq), seq)
        assert told.tokens == []
        await told.until(lambda: len(told.tokens) == 50)
        assert writer.close()
        return told

    began_s = time.monotonic()
    told = asyncio.run(scenario())
    assert time.monotonic() - began_s >= GATHER_S
    assert told.tokens == stored(tmp_path) == list(range(1, 51))
    assert store.commits == [50]
    assert told.threads == {threading.get_ident()}
    assert told.troubles == []


def test_what_is_urgent_goes_at_once_with_all_that_was_put_before(
    store: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loads.broker.writer.GATHER_S", 3_600.0)

    async def scenario() -> None:
        told = Told()
        writer = Writer(store, told.done, told.trouble)
        for seq in range(1, 4):
            writer.put(batch(seq), seq)
        writer.put(batch(4), 4, urgent=True)
        await told.until(lambda: len(told.tokens) == 4)
        writer.put(batch(5), 5, urgent=True)
        await told.until(lambda: len(told.tokens) == 5)
        writer.put(batch(6), 6)
        assert writer.close()
        await told.until(lambda: told.tokens == [1, 2, 3, 4, 5, 6])

    asyncio.run(scenario())
    assert stored(tmp_path) == [1, 2, 3, 4, 5, 6]


def test_a_commit_that_fails_is_tried_again_with_what_came_meanwhile(store: Watched, tmp_path: Path) -> None:
    async def scenario() -> Told:
        told = Told()
        writer = Writer(store, told.done, told.trouble)
        store.failure = StoreTrouble("no such luck")
        writer.put(batch(1), 1, urgent=True)
        await told.until(lambda: bool(told.troubles))
        writer.put(batch(2), 2, urgent=True)
        writer.put(batch(3), 3)
        await told.until(lambda: store.reconnects >= 2)
        assert (told.tokens, told.troubles) == ([], ["no such luck"])
        store.failure = None
        await told.until(lambda: bool(told.tokens))
        assert writer.close()
        return told

    told = asyncio.run(scenario())
    assert told.tokens == stored(tmp_path) == [1, 2, 3]
    assert told.troubles == ["no such luck", None]
    assert store.commits == [3]


def test_a_bug_in_the_store_does_not_end_the_writer(store: Watched, tmp_path: Path) -> None:
    async def scenario() -> Told:
        told = Told()
        writer = Writer(store, told.done, told.trouble)
        store.failure = KeyError("what")
        writer.put(batch(1), 1, urgent=True)
        await told.until(lambda: bool(told.troubles))
        store.failure = None
        await told.until(lambda: told.tokens == [1])
        assert writer.close()
        return told

    assert asyncio.run(scenario()).troubles == ["the store can't be written: KeyError('what')", None]
    assert stored(tmp_path) == [1]


def test_a_lock_of_another_program_is_waited_out(store: Watched, tmp_path: Path) -> None:
    async def scenario() -> Told:
        told = Told()
        writer = Writer(store, told.done, told.trouble)
        other = sqlite3.connect(tmp_path / "loads.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        writer.put(batch(1), 1, urgent=True)
        await told.until(lambda: bool(told.troubles))
        writer.put(batch(2), 2)
        other.execute("ROLLBACK")
        other.close()
        await told.until(lambda: told.tokens == [1, 2])
        assert writer.close()
        return told

    told = asyncio.run(scenario())
    assert told.troubles == [f"the store (sqlite {tmp_path}/loads.db) can't be written: database is locked", None]
    assert stored(tmp_path) == [1, 2]


def test_others_read_while_it_writes(store: Watched) -> None:
    """A run is read as of one moment: the snapshot and the journal behind it always make up all that came."""

    async def scenario() -> None:
        told = Told()
        writer = Writer(store, told.done, told.trouble)
        for seq in range(1, 201):
            checkpoint = Checkpoint("a1", b"%d" % seq, through={1: seq})
            writer.put([*batch(seq), checkpoint] if seq % 5 == 0 else batch(seq), seq, urgent=True)
            run = await asyncio.to_thread(store.load, "a1")
            assert run is not None
            folded = int(run.snapshot or b"0")
            assert [seq for _, seq, _ in run.journal] == list(range(folded + 1, run.watermarks.get(1, 0) + 1))
        await told.until(lambda: len(told.tokens) == 200)
        assert writer.close()

    asyncio.run(scenario())


def test_closing_gives_up_in_time_and_says_so(store: Watched) -> None:
    async def scenario() -> None:
        told = Told()
        writer = Writer(store, told.done, told.trouble)
        store.failure = StoreTrouble("full")
        writer.put(batch(1), 1)
        assert writer.close(within_s=0.2) is False
        with pytest.raises(RuntimeError, match="closed"):
            writer.put(batch(2), 2)

    began_s = time.monotonic()
    asyncio.run(scenario())
    assert time.monotonic() - began_s < 5.0


def test_closing_does_not_wait_for_a_commit_that_hangs(store: Watched) -> None:
    async def scenario() -> None:
        told = Told()
        writer = Writer(store, told.done, told.trouble)
        store.free.clear()
        writer.put(batch(1), 1, urgent=True)
        assert writer.close(within_s=0.2) is False
        store.free.set()
        await told.until(lambda: told.tokens == [1])

    asyncio.run(scenario())


# In a process of its own: one that is killed, and one whose disk is full.

CHILD = """
import asyncio, sys
from datetime import datetime, UTC
from pathlib import Path
from loads.broker.store import AddBatch, Checkpoint, RunRow, SaveRun, Store
from loads.broker.writer import Writer
from loads.wire.cluster import RunState, Track

def say(*words):
    print(*words, flush=True)

async def main(directory, last):
    store = Store(None, Path(directory))
    row = RunRow(id="a1", nonce=1, state=RunState.RUNNING, user="", host="", created_at=datetime.now(UTC), targets=(),
                 record=b"")
    store.commit([SaveRun(row)])
    say("ready")
    sys.stdin.readline()
    ahead = asyncio.Semaphore(40)
    def done(tokens):
        for token in tokens:
            say("stored", token)
            ahead.release()
    writer = Writer(store, done, lambda text: say("trouble", text))
    for seq in range(1, last + 1):
        await ahead.acquire()
        jobs = [AddBatch("a1", 2**64 - 1, seq, b"%d" % seq * 4_000)]
        if seq % 100 == 0:
            points = {(Track.TOTAL, seq, 1): b"%d" % seq}
            jobs.append(Checkpoint("a1", b"%d" % seq * 4_000, points, through={2**64 - 1: seq}))
        writer.put(jobs, seq, urgent=seq % 7 == 0)
    await asyncio.to_thread(writer.close, 60.0)
    store.close()

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


@contextmanager
def child(directory: Path, last: int) -> Iterator[tuple[subprocess.Popen[str], Iterator[str]]]:
    """A process that stores batches 1 to `last` once it is told to; and the lines it prints."""
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, directory, str(last)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        yield process, iter(process.stdout.readline, "")
    finally:
        process.kill()
        process.wait(DEADLINE_S)
        process.stdout.close()
        process.stdin.close()


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def found(directory: Path) -> tuple[int, list[int]]:
    """What the snapshot holds, and the batches behind it; none of them torn."""
    store = Store(None, directory)
    run = store.load("a1")
    store.close()
    assert run is not None
    for _, seq, data in run.journal:
        assert data == b"%d" % seq * 4_000
    folded = max((t_us for _, t_us, _ in run.points), default=0)
    assert run.snapshot == (b"%d" % folded * 4_000 if folded else None)
    return folded, [seq for _, seq, _ in run.journal]


@pytest.mark.parametrize("after", [1, 60, 100, 333])
def test_what_was_acknowledged_survives_a_kill(tmp_path: Path, after: int) -> None:
    with child(tmp_path, 1_000_000) as (process, lines):
        go(process)
        acknowledged = 0
        for line in lines:
            if not line.endswith("\n"):
                break  # cut off by the kill
            assert line.startswith("stored ")
            acknowledged = int(line.split()[1])
            if acknowledged == after:
                os.kill(process.pid, signal.SIGKILL)
    folded, journal = found(tmp_path)
    last = journal[-1] if journal else folded
    assert last >= acknowledged >= after
    assert journal == list(range(folded + 1, last + 1))


def test_a_disk_that_is_full_loses_nothing(tmp_path: Path) -> None:
    """The process may write no file beyond a size; once that is lifted, all is stored, in order, once."""
    with child(tmp_path, 300) as (process, lines):
        _, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (600_000, hard))
        go(process)
        told = []
        for line in lines:
            told.append(line.strip())
            if told[-1].startswith("trouble the store"):
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (hard, hard))
        assert process.wait(DEADLINE_S) == 0
    troubles = [line for line in told if line.startswith("trouble")]
    assert len(troubles) == 2
    assert "can't be written: d" in troubles[0]  # "disk I/O error" or "database or disk is full"
    assert troubles[1] == "trouble None"
    assert [line for line in told if line not in troubles] == [f"stored {seq}" for seq in range(1, 301)]
    assert found(tmp_path) == (300, [])
