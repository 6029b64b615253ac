"""The shell around `PoolState`: processes, socketpairs and files. Performs effects, decides nothing.

A worker is gone when its process has ended *and* all that it wrote was read; only then are its counters compared with
what it delivered. Its prints are passed on a line at a time, and not without end.
"""

from __future__ import annotations

import asyncio
import secrets
import signal
import socket
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loads.errors import ProtocolError
from loads.metrics.counters import Counts, read_note
from loads.pool.events import (
    AllGone,
    AllLoaded,
    AllReady,
    Died,
    Effect,
    Event,
    Kill,
    Lost,
    Measured,
    PhaseOver,
    Refused,
    Said,
    Spawn,
    Tell,
    Tick,
)
from loads.pool.output import Printed, pass_on
from loads.pool.state import PoolState
from loads.wire.codec import frame, from_worker
from loads.wire.messages import Down, Load

_READ_BYTES = 1 << 18
_TICK_S = 1.0
_STRAGGLERS_S = 0.5
"""How long a dead worker's socket may be held open by a child of the test before it is given up."""

Report = AllLoaded | Refused | AllReady | Measured | PhaseOver | Lost | AllGone | Printed


@dataclass
class _Worker:
    number: int
    page: Path
    process: asyncio.subprocess.Process
    writer: asyncio.StreamWriter
    gone: bool = False
    tasks: list[asyncio.Task[None]] = field(default_factory=list)


class WorkerPool:
    """`count` workers for `load`, in `directory`. What happens is told to `report`, in order.

    Use as an async context manager: leaving it kills what is left. `broken` fails when the pool itself does.
    """

    def __init__(self, count: int, load: Load, directory: Path, report: Callable[[Report], None]) -> None:
        self._state = PoolState(count, load)
        self._directory = directory
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
            self._kill(worker)
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def handle(self, event: Event) -> None:
        """Put an event of the owner's (Begin, Go, End, Halt) to the state and do what follows."""
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
                    self._kill(self._workers[number])
            case _:
                self._report(effect)

    def _tell(self, number: int, message: Down) -> None:
        worker = self._workers.get(number)
        if worker is not None and not worker.writer.is_closing():
            worker.writer.write(frame(message))

    @staticmethod
    def _kill(worker: _Worker) -> None:
        with suppress(ProcessLookupError):
            worker.process.kill()

    async def _run_worker(self, number: int) -> None:
        """One process's life, from its start to the last byte it wrote."""
        incarnation = secrets.randbits(64)
        page = self._directory / f"worker-{number}-{incarnation:016x}.page"
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                "loads.worker",
                str(theirs.fileno()),
                str(page),
                f"{incarnation:016x}",
                pass_fds=[theirs.fileno()],
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
        reader, writer = await asyncio.open_connection(sock=ours)
        worker = self._workers[number] = _Worker(number, page, process, writer)
        if self._closing:
            self._kill(worker)
        assert process.stdout is not None
        assert process.stderr is not None
        listening = [
            asyncio.create_task(self._listen(worker, reader)),
            asyncio.create_task(pass_on(process.stdout, number, self._report)),
            asyncio.create_task(pass_on(process.stderr, number, self._report)),
        ]
        try:
            status = await process.wait()
            _, held_open = await asyncio.wait(listening, timeout=_STRAGGLERS_S)
            for task in held_open:
                task.cancel()
        finally:
            self._kill(worker)
            writer.close()
        self._workers.pop(number, None)
        if not self._closing:
            counts, note = read_page(page)
            reason = f"{_describe(status)} ({note})" if note else _describe(status)
            self.handle(Died(number, reason, counts))

    async def _listen(self, worker: _Worker, reader: asyncio.StreamReader) -> None:
        unframer = from_worker()
        with suppress(ConnectionError):
            while data := await reader.read(_READ_BYTES):
                try:
                    for message in unframer.feed(data):
                        self.handle(Said(worker.number, message))
                except ProtocolError as error:
                    self._report(Printed(worker.number, f"killed for breaking the protocol: {error}"))
                    self._kill(worker)
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


def read_page(path: Path) -> tuple[Counts, str]:
    """The counters at `path` and the worker's last words; zeros and nothing when it never got so far."""
    try:
        page = path.read_bytes()
    except FileNotFoundError:
        return Counts(), ""
    return Counts.read(page), read_note(page)


def _describe(status: int) -> str:
    if status >= 0:
        return f"exited with status {status}"
    name = signal.Signals(-status).name if -status in {item.value for item in signal.Signals} else str(-status)
    return f"was killed by {name}"
