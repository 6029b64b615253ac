"""What is read from the store for peers: a few at a time, and a few of each peer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from loads.broker.events import Recall, Report
from loads.broker.reads import MOST_AT_ONCE, MOST_OPEN, Reads
from loads.broker.records import RunRow
from loads.broker.store import Store
from loads.wire.cluster import FromBroker, Refused, Status

STATUS = Status(version="1", host="h", pid=1, up_us=0, store="s", agents=(), runs=())


class SlowStore(Store):
    """One that answers when it is told to."""

    def __init__(self, directory: Path) -> None:
        super().__init__(None, directory)
        self.go = threading.Event()
        self.reads = 0

    def find(self, prefix: str) -> list[RunRow]:
        self.reads += 1
        assert self.go.wait(10)
        return super().find(prefix)


class Asked:
    def __init__(self, store: Store) -> None:
        self.told: list[tuple[bytes, FromBroker]] = []
        self.flooded: list[bytes] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.reads = Reads(store, self._send, self._spawn, self.flooded.append)

    def _send(self, peer: bytes, message: FromBroker) -> None:
        self.told.append((peer, message))

    def _spawn(self, job: Coroutine[Any, Any, None]) -> None:
        self.tasks.append(asyncio.ensure_future(job))

    async def all(self) -> None:
        await asyncio.wait_for(asyncio.gather(*self.tasks), 10)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SlowStore]:
    slow = SlowStore(tmp_path)
    yield slow
    slow.go.set()
    slow.close()


def test_a_peer_that_does_not_wait_for_answers_is_cut_off_and_the_others_are_not(store: SlowStore) -> None:
    async def test() -> None:
        asked = Asked(store)
        for _ in range(1_000):
            asked.reads.ask(Recall(b"flood", "x"))
        assert len(asked.tasks) == MOST_OPEN
        assert len(asked.flooded) == 1_000 - MOST_OPEN
        asked.reads.ask(Recall(b"calm", "x"))
        await asyncio.sleep(0)
        asked.reads.gone(b"flood")
        store.go.set()
        await asked.all()
        told = [peer for peer, message in asked.told if isinstance(message, Refused)]
        assert told.count(b"calm") == 1
        assert told.count(b"flood") <= MOST_AT_ONCE
        assert store.reads <= MOST_AT_ONCE + 1
        asked.reads.ask(Recall(b"calm", "x"))
        await asked.all()
        assert repr(asked.reads) == "<Reads open=0>"

    asyncio.run(test())


def test_a_status_without_runs_that_ended_needs_no_store(store: SlowStore) -> None:
    async def test() -> None:
        asked = Asked(store)
        for most in (0, -1):
            asked.reads.ask(Report(b"x", STATUS, most))
        assert [message for _, message in asked.told] == [STATUS, STATUS]
        assert not asked.tasks
        asked.reads.ask(Report(b"x", STATUS, 2**70))
        await asked.all()
        assert asked.told[-1][1] == STATUS

    asyncio.run(test())
