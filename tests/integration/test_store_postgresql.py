"""The store's writer on a PostgreSQL that crashes, drops its clients or is locked: nothing is lost, nothing twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from loads.broker.store import AddBatch, Checkpoint, RunRow, SaveRun, Store, StoreTrouble
from loads.broker.writer import Token, Writer
from loads.wire.cluster import RunState
from tests.postgres import Postgres, run_postgres

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
DEADLINE_S = 30.0
DROP_CLIENTS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename = 'loads'"
)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with run_postgres() as server:
        yield server


@pytest.fixture
def store(postgres: Postgres, tmp_path: Path) -> Iterator[Store]:
    store = Store(postgres.new_database(), tmp_path)
    store.commit([SaveRun(ROW)])
    yield store
    store.close()


class Stream:
    """Puts batches without end, at most 20 ahead of what is stored."""

    def __init__(self, store: Store) -> None:
        self.tokens: list[Token] = []
        self.troubles: list[str | None] = []
        self._ahead = asyncio.Semaphore(20)
        self.writer = Writer(store, self._done, self.troubles.append)
        self._put = 0
        self._task = asyncio.create_task(self._go_on())

    def _done(self, tokens: Sequence[Token]) -> None:
        self.tokens += tokens
        for _ in tokens:
            self._ahead.release()

    async def _go_on(self) -> None:
        while True:
            await self._ahead.acquire()
            self._put += 1
            self.writer.put([AddBatch("a1", 2**64 - 1, self._put, b"%d" % self._put)], self._put, self._put % 3 == 0)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                await asyncio.sleep(0.01)

    async def goes_on(self) -> None:
        """Wait until another hundred batches are stored."""
        enough = len(self.tokens) + 100
        await self.until(lambda: len(self.tokens) >= enough)

    async def end(self) -> int:
        """Stop, with all of it stored; the last batch."""
        self._task.cancel()
        assert await asyncio.to_thread(self.writer.close)
        await self.until(lambda: len(self.tokens) == self._put)
        return self._put


def check(store: Store, stream: Stream, last: int) -> None:
    """All batches are stored, in order and once, and were told so."""
    expected = list(range(1, last + 1))
    run = store.load("a1")
    assert run is not None
    assert [(seq, data) for _, seq, data in run.journal] == [(seq, b"%d" % seq) for seq in expected]
    assert stream.tokens == expected


def test_a_server_that_crashes_and_comes_back(store: Store, postgres: Postgres) -> None:
    async def scenario() -> None:
        stream = Stream(store)
        await stream.goes_on()
        await asyncio.to_thread(postgres.crash)
        await stream.until(lambda: len(stream.troubles) == 1)
        with pytest.raises(StoreTrouble, match="can't be read"):
            await asyncio.to_thread(store.load, "a1")
        await asyncio.to_thread(postgres.start)
        await stream.goes_on()
        assert [bool(text) for text in stream.troubles] == [True, False]
        check(store, stream, await stream.end())

    asyncio.run(scenario())


def test_connections_that_are_dropped_again_and_again(store: Store, postgres: Postgres) -> None:
    """Some of them while a commit is on its way: whether it went through is not known then, and must not matter."""

    async def scenario() -> None:
        stream = Stream(store)
        for _ in range(5):
            await stream.goes_on()
            await asyncio.to_thread(postgres.run, DROP_CLIENTS)
        await stream.goes_on()
        check(store, stream, await stream.end())

    asyncio.run(scenario())


def test_a_lock_of_somebody_else_is_waited_out(store: Store, postgres: Postgres) -> None:
    async def scenario() -> None:
        stream = Stream(store)
        await stream.goes_on()
        with postgres.connect(store._engine.url.set(drivername="postgresql").render_as_string()) as other:
            with other.transaction():
                other.execute("LOCK TABLE journal")
                await stream.until(lambda: len(stream.troubles) == 1)
            assert "lock timeout" in str(stream.troubles[0])
        await stream.goes_on()
        check(store, stream, await stream.end())

    asyncio.run(scenario())


def test_readers_see_one_moment(store: Store) -> None:
    """The snapshot and the journal behind it always make up all that came, though others write between two queries."""

    async def scenario() -> None:
        stream = Stream(store)
        for _ in range(50):
            run = await asyncio.to_thread(store.load, "a1")
            assert run is not None
            mark = run.watermarks.get(2**64 - 1, 0)
            assert [seq for _, seq, _ in run.journal] == list(range(int(run.snapshot or b"0") + 1, mark + 1))
            stream.writer.put([Checkpoint("a1", b"%d" % mark, through={2**64 - 1: mark})], 0, urgent=True)
        stream._task.cancel()
        assert await asyncio.to_thread(stream.writer.close)

    asyncio.run(scenario())
