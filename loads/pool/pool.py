"""The shell around `PoolState`: processes, socketpairs and files. Performs effects, decides nothing.

A worker is gone when its process has ended *and* all that it wrote was read; only then are its counters compared with
what it delivered. Its prints are passed on a line at a time, and not without end.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loads.errors import ProtocolError
from loads.pool import events
from loads.pool.child import Child, start_child
from loads.pool.confine import Confinement
from loads.pool.events import (
    Died,
    Effect,
    Event,
    Kill,
    Said,
    Spawn,
    Tell,
    Tick,
    Took,
)
from loads.pool.nursery import Nursery
from loads.pool.output import Printed, pass_on
from loads.pool.state import PoolState
from loads.wire.codec import frame, from_worker
from loads.wire.messages import Down, Load

_READ_BYTES = 1 << 18
_TICK_S = 1.0
_STRAGGLERS_S = 0.5
"""How long a dead worker's socket may be held open by a child of the test before it is given up."""

Report = events.Report | Printed


@dataclass(frozen=True)
class _Worker:
    number: int
    child: Child


class WorkerPool:
    """`count` workers for `load`, in `directory`. What happens is told to `report`, in order.

    When `report` returns, its owner has what it was told: then the worker is told so, and forgets it. With `own_lease`
    the workers' leave to start iterations is renewed here; else the owner has to, with `Lease`. Processes come from the
    `nursery`, where there is one; else they get what those of a local run do. Use as an async context manager: leaving
    it kills what is left. `broken` fails when the pool itself does.
    """

    def __init__(
        self,
        count: int,
        load: Load,
        directory: Path,
        report: Callable[[Report], None],
        *,
        own_lease: bool = True,
        nursery: Nursery | None = None,
    ) -> None:
        self._state = PoolState(count, load, own_lease=own_lease)
        self._directory = directory
        self._nursery = nursery
        self._report = report
        self._workers: dict[int, _Worker] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._ticker: asyncio.Task[None] | None = None
        self._closing = False
        self.broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def __repr__(self) -> str:
        return repr(self._state)

    async def __aenter__(self) -> WorkerPool:
        for effect in self._state.start():
            self._perform(effect)
        self._ticker = self._spawn_task(self._tick())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing = True
        if self._ticker is not None:
            self._ticker.cancel()
        for worker in self._workers.values():
            worker.child.kill()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def handle(self, event: Event) -> None:
        """Put an event of the owner's (SetUpRun, Begin, Go, Share, Lease, End, Halt) to the state; do what follows."""
        for effect in self._state.handle(event, time.monotonic_ns() // 1_000):
            self._perform(effect)

    def _perform(self, effect: Effect) -> None:
        match effect:
            case Spawn(number):
                self._spawn_task(self._run_worker(number))
            case Tell(number, message):
                self._tell(number, message)
            case Kill(number):
                if number in self._workers:
                    self._workers[number].child.kill()
            case _:
                self._report(effect)

    def _tell(self, number: int, message: Down) -> None:
        worker = self._workers.get(number)
        if worker is not None and not worker.child.writer.is_closing():
            worker.child.writer.write(frame(message))

    async def _run_worker(self, number: int) -> None:
        """One process's life, from its start to the last byte it wrote."""
        if self._nursery is None:
            child = await start_child(self._directory, Confinement())
        else:
            child = await self._nursery.take()
        worker = self._workers[number] = _Worker(number, child)
        if self._closing:
            child.kill()
        self.handle(Took(number, child.incarnation, child.path))
        listening = [
            self._spawn_task(self._listen(worker)),
            self._spawn_task(pass_on(child.out, number, self._report)),
            self._spawn_task(pass_on(child.err, number, self._report)),
        ]
        try:
            status = await child.process.wait()
            _, held_open = await asyncio.wait(listening, timeout=_STRAGGLERS_S)
            for task in held_open:
                task.cancel()
            counts, note = child.read_page()
        finally:
            child.kill()
            child.close()
        self._workers.pop(number, None)
        if not self._closing:
            reason = f"{_describe(status)} ({note})" if note else _describe(status)
            self.handle(Died(number, reason, counts))

    async def _listen(self, worker: _Worker) -> None:
        unframer = from_worker()
        with suppress(ConnectionError):
            while data := await worker.child.reader.read(_READ_BYTES):
                try:
                    for message in unframer.feed(data):
                        self.handle(Said(worker.number, message))
                except ProtocolError as error:
                    self._report(Printed(worker.number, f"killed for breaking the protocol: {error}"))
                    worker.child.kill()
                    return

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            self.handle(Tick())

    def _spawn_task(self, job: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)
        return task

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not self.broken.done():
            self.broken.set_exception(error)


def _describe(status: int) -> str:
    if status >= 0:
        return f"exited with status {status}"
    name = signal.Signals(-status).name if -status in {item.value for item in signal.Signals} else str(-status)
    return f"was killed by {name}"
