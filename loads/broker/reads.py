"""What peers want to know of runs that have ended: read from the store in threads, a few at a time.

A result may be large and take long. So each peer has a few questions open at the most, and only so many are worked on
at once, whoever asks: what questions cost is bounded, and the loop has its time for those who work.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, Final

import msgspec

from loads.broker.events import Recall, Recollection, Report
from loads.broker.keeping import recalled, status_of
from loads.broker.recollecting import unearthed
from loads.broker.records import FINAL
from loads.broker.store import Store
from loads.errors import ProtocolError
from loads.wire.cluster import FromBroker, Refused, RunStatus, Status, Trouble

MOST_OPEN: Final = 8
"""Questions of one peer: no program of ours asks the next one before it has its answer."""
MOST_AT_ONCE: Final = 2
MOST_RUNS: Final = 10_000
"""In one answer."""


class Reads:
    """Of `store`. `send` answers a peer, `spawn` runs a job, `flooded` takes a peer that asks for too much."""

    def __init__(
        self,
        store: Store,
        send: Callable[[bytes, FromBroker], object],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        flooded: Callable[[bytes], None],
    ) -> None:
        self._store, self._send, self._spawn, self._flooded = store, send, spawn, flooded
        self._open: Counter[bytes] = Counter()
        self._turns = asyncio.Semaphore(MOST_AT_ONCE)

    def __repr__(self) -> str:
        return f"<Reads open={self._open.total()}>"

    def ask(self, question: Recall | Recollection | Report) -> None:
        """Answer it, sooner or later."""
        peer = question.peer
        if isinstance(question, Report) and question.runs <= 0:
            self._tell(peer, question.status)
        elif self._open[peer] >= MOST_OPEN:
            self._flooded(peer)
        else:
            self._open[peer] += 1
            self._spawn(self._answered(question))

    def gone(self, peer: bytes) -> None:
        """What it asked and did not hear yet is not looked up any more."""
        self._open.pop(peer, None)

    async def _answered(self, question: Recall | Recollection | Report) -> None:
        peer = question.peer
        async with self._turns:
            if peer not in self._open:
                return
            try:
                self._tell(peer, await self._answer(question))
            finally:
                if peer in self._open:
                    self._open[peer] -= 1

    def _tell(self, peer: bytes, answer: FromBroker) -> None:
        try:
            self._send(peer, answer)
        except ProtocolError as error:  # larger than anybody would take
            self._send(peer, Refused(run=None, trouble=Trouble(message=error.message)))

    async def _answer(self, question: Recall | Recollection | Report) -> FromBroker:
        if isinstance(question, Recall):
            return await asyncio.to_thread(recalled, self._store, question.run)
        if isinstance(question, Recollection):
            return await asyncio.to_thread(unearthed, self._store, question.run, question.before_us)
        ended = await asyncio.to_thread(self._ended, min(question.runs, MOST_RUNS))
        status: Status = msgspec.structs.replace(question.status, runs=(*question.status.runs, *ended))
        return status

    def _ended(self, most: int) -> tuple[RunStatus, ...]:
        return tuple(status_of(row) for row in self._store.runs(most) if row.state in FINAL)
