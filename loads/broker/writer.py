"""The one thread that writes to the store, so that the broker's loop never waits for a disk.

What is put within 100 ms is one transaction: a disk syncs some hundred times a second, and results come more often.
The order is that of `put`, always. When a commit fails (the disk is full, the database locked, the server gone) what
was put stays here and is tried again, with what came meanwhile; jobs done twice change nothing, so it does not matter
if the failed commit went through after all.

There is no bound here: who puts waits for `done` before it takes more from its peers, and that is the bound.
An idle writer sleeps until it is given something.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from loads.broker.records import Job
from loads.broker.store import Store
from loads.errors import LoadsError

GATHER_S: Final = 0.1
RETRY_S: Final = 0.5

Token = Hashable
"""Whatever the caller knows its jobs by."""


@dataclass
class _Held:
    """What was put and is not stored yet."""

    jobs: list[Job] = field(default_factory=list)
    tokens: list[Token] = field(default_factory=list)
    urgent: bool = False
    due_s: float = 0.0
    """When it is to be written, by the monotonic clock."""

    def add(self, later: _Held) -> None:
        """Put `later` behind this."""
        self.jobs += later.jobs
        self.tokens += later.tokens


class Writer:
    """Writes to `store`. To be made in a running loop, which then hears of what became of it.

    Args:
        done: called with the tokens of what is on the disk now, in the order in which they were put.
        trouble: called with what is wrong when a commit fails for the first time; with None when one went through
            after that.
    """

    def __init__(
        self, store: Store, done: Callable[[Sequence[Token]], None], trouble: Callable[[str | None], None]
    ) -> None:
        self._store = store
        self._done = done
        self._trouble = trouble
        self._loop = asyncio.get_running_loop()
        self._changed = threading.Condition()
        self._queue = _Held()
        self._closing_s: float | None = None
        """Once it is closed: until when the rest may be tried."""
        self._thread = threading.Thread(target=self._run, name="store writer", daemon=True)
        self._thread.start()

    def put(self, jobs: Sequence[Job], token: Token, urgent: bool = False) -> None:
        """Have `jobs` stored; `urgent`: at once, with all that was put before. Never blocks."""
        with self._changed:
            if self._closing_s is not None:
                raise RuntimeError("the writer is closed")
            queue = self._queue
            first = not queue.tokens
            if first:
                queue.due_s = time.monotonic() + GATHER_S
            queue.jobs += jobs
            queue.tokens.append(token)
            if first or (urgent and not queue.urgent):
                queue.urgent = urgent
                self._changed.notify()

    def close(self, within_s: float = 5.0) -> bool:
        """Write what was put, and end. Blocks for at most about `within_s`; whether all of it is stored."""
        with self._changed:
            if self._closing_s is None:
                self._closing_s = time.monotonic() + within_s
            self._changed.notify()
        self._thread.join(within_s)
        return not self._thread.is_alive() and not self._queue.tokens

    def _run(self) -> None:
        while (held := self._gather()) is not None:
            if not self._store_all(held):
                return

    def _gather(self) -> _Held | None:
        """Wait for something to write, and a little for what else comes; None: closed, and nothing is left."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue.tokens or self._closing_s is not None)
            while self._closing_s is None and not self._queue.urgent:
                left_s = self._queue.due_s - time.monotonic()
                if left_s <= 0:
                    break
                self._changed.wait(left_s)
            return self._take() if self._queue.tokens else None

    def _take(self) -> _Held:
        taken, self._queue = self._queue, _Held()
        return taken

    def _store_all(self, held: _Held) -> bool:
        """Commit, as often as it takes. False: closed, and the time for that is up; it is in the queue again."""
        troubled = False
        while (problem := self._attempt(held)) is not None:
            if not troubled:
                self._tell(self._trouble, problem)
                troubled = True
            with self._changed:
                self._changed.wait_for(self._is_over, self._pause_s())
                held.add(self._take())
                if self._is_over():
                    self._queue = held
                    return False
            self._store.reconnect()
        if troubled:
            self._tell(self._trouble, None)
        self._tell(self._done, tuple(held.tokens))
        return True

    def _attempt(self, held: _Held) -> str | None:
        """Commit once; None, or what is wrong."""
        try:
            self._store.commit(held.jobs)
        except LoadsError as error:
            return error.message
        except Exception as error:
            # A bug, then. To end this thread would lose all that is put from now on, so it is told and tried again.
            return f"the store can't be written: {error!r}"
        return None

    def _pause_s(self) -> float:
        """Until the next attempt, or until the time for attempts is up."""
        return RETRY_S if self._closing_s is None else min(RETRY_S, max(0.0, self._closing_s - time.monotonic()))

    def _is_over(self) -> bool:
        """Whether it is closed, and the time for attempts is up."""
        return self._closing_s is not None and time.monotonic() >= self._closing_s

    def _tell(self, callback: Callable[[Any], None], argument: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody is left to hear it
            self._loop.call_soon_threadsafe(callback, argument)
