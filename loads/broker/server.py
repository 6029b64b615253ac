"""The broker's shell: socket, store, bundles and time around `BrokerState`. Performs effects, decides nothing."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import socket
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import loads
from loads.broker.archives import Archives, Pulls
from loads.broker.events import (
    Admitted,
    Audit,
    Checkpoint,
    Dismiss,
    Effect,
    Event,
    Gone,
    Keep,
    Kept,
    Kick,
    Log,
    NotObtained,
    Obtain,
    Obtained,
    Recall,
    Recollection,
    Report,
    Said,
    Save,
    Saved,
    Send,
    Spoiled,
    StoreTrouble,
    Tick,
    Unsent,
)
from loads.broker.gate import Gate
from loads.broker.keeping import checkpoint_of, line_rows, lines_of, restored, row_of
from loads.broker.reads import Reads
from loads.broker.record import RunRecord, points_of
from loads.broker.records import FINAL, AddBatch, AddLines, Job, SaveRun, SpanKey
from loads.broker.records import Keep as KeepRuns
from loads.broker.router import Router
from loads.broker.state import BrokerState
from loads.broker.store import Store
from loads.broker.views import Broker
from loads.broker.writer import Writer
from loads.errors import ProtocolError
from loads.wire.cluster import (
    Chunk,
    Fetch,
    FromBroker,
    Line,
    ToBroker,
    Trouble,
)
from loads.wire.codec import encode
from loads.wire.endpoint import Endpoint
from loads.wire.plain import plain

TICK_S = 0.25
LAST_WORDS_S = 0.3
"""For what is said to somebody who is sent away to arrive."""
SWITCH_S = 0.0005
"""How long the loop waits for the interpreter while the store's thread has it; 5 ms is Python's own choice.

ZeroMQ lets go of it at each message: with 500 agents, heartbeats waited for 190 ms while a checkpoint was written, and
now for 70.
"""


class Server:
    """A broker, at `endpoints`.

    `gate` knows who may come in; `insecure`: over TCP everybody. `say` takes lines for the log; `keep` says which runs
    that ended stay.
    """

    def __init__(
        self,
        store: Store,
        archives: Archives,
        gate: Gate,
        endpoints: Sequence[Endpoint],
        say: Callable[[str], None],
        keep: KeepRuns | None,
        *,
        insecure: bool = False,
    ) -> None:
        self._store = store
        self._gate = gate
        self._endpoints = endpoints
        self._insecure = insecure
        self._say = say
        self._keep = keep
        self._router = Router(
            met=gate.met,
            heard=self._heard,
            gone=self._gone,
            broken=self._broken,
            turned_away=gate.turned_away,
            admits=gate.admits,
        )
        self._writer = Writer(store, self._stored, lambda text: self._handle(StoreTrouble(text)))
        self._queue: deque[Event] = deque()
        self._handling = False
        self._reads = Reads(store, self._router.send, self._spawn, self._flooded)
        self._pulls = Pulls(archives, self._router.send, self._obtained)
        self._points: dict[str, dict[SpanKey, bytes]] = {}
        self._lines: dict[str, int] = {}
        self._writing: set[str] = set()
        """Runs whose checkpoint is on its way to the disk: one is enough."""
        self._last: tuple[FromBroker, bytes] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        seed = random.Random(secrets.randbits(64))
        broker = _describe(store, endpoints, insecure=insecure)
        self._state = BrokerState(broker, seed, lambda run: bool(store.find(run)), self._run_of)

    def __repr__(self) -> str:
        return f"{self._state!r} {self._router!r}"

    def _run_of(self, nonce: int) -> str | None:
        row = self._store.of_nonce(nonce)
        return None if row is None else row.id

    def bind(self) -> None:
        """Listen: at the unix sockets first, for there nobody is asked for a key.

        Raises:
            LoadsError: that can't be.
        """
        for endpoint in sorted(self._endpoints, key=lambda each: not each.is_local):
            open_to_all = endpoint.is_local or self._insecure
            self._router.bind(endpoint, None if open_to_all else self._gate.pair())
            how = ", INSECURE: for whoever can reach it" if self._insecure else ", for peers with a key"
            self._say(f"listens on {endpoint}" + ("" if endpoint.is_local else how))

    def restore(self) -> None:
        """Go on with the runs in the store that have not ended; before anything else."""
        runs, printed = [], dict[str, list[Line]]()
        for stored in self._store.unfinished():
            record, fold = restored(stored)
            runs.append((record, fold))
            self._points[record.id] = dict(stored.points)
            printed[record.id] = lines_of(stored)
            self._lines[record.id] = max((line.number for line in stored.lines), default=0)
            self._say(f"goes on with {record.id}, which is {record.state.value}")
        effects = self._state.restore(runs)
        for run, lines in printed.items():
            self._state.runs[run].chronicle.lines = lines
        for effect in effects:
            self._perform(effect)

    async def serve(self) -> None:
        """Serve until something breaks that nothing can be done about."""
        sys.setswitchinterval(SWITCH_S)
        self._spawn(self._prune())
        while not self._failed.done():
            await asyncio.sleep(TICK_S)
            self._pulls.tick(_now_us())
            keys = self._gate.changes()
            if keys is not None:
                self._handle(Admitted(keys))
            self._handle(Tick())
        self._failed.result()

    def close(self) -> None:
        """Leave: what came is written down, runs go on with the next broker."""
        for task in self._tasks:
            task.cancel()
        self._router.close()
        if not self._writer.close():
            self._say("left before everything was written down; agents keep it, and will send it again")

    # Events.

    def _heard(self, peer: bytes, message: ToBroker, data: bytes) -> None:
        if isinstance(message, Fetch | Chunk) and self._state.peers.trusts(peer, message):
            if isinstance(message, Fetch):
                self._router.send(peer, self._pulls.piece(message))
            else:
                self._pulls.take(peer, message, _now_us())
        else:
            self._handle(Said(peer, message, data, self._gate.who(peer)))

    def _gone(self, peer: bytes) -> None:
        self._handle(Gone(peer))
        self._gate.gone(peer)
        self._reads.gone(peer)

    def _flooded(self, peer: bytes) -> None:
        self._gate.note("refused", self._gate.who(peer).name, {"why": "it asks faster than it can be answered"})
        self._router.kick(peer)

    def _obtained(self, run: str, trouble: Trouble | None) -> None:
        self._handle(Obtained(run) if trouble is None else NotObtained(run, trouble))

    def _broken(self, peer: bytes, error: ProtocolError) -> None:
        self._say(f"cut off a peer: {plain(error.message)}")
        self._gate.note("refused", self._gate.who(peer).name, {"why": error.message})

    def _stored(self, tokens: Sequence[Any]) -> None:
        seqs: dict[tuple[str, int], int] = {}
        for token in tokens:
            match token:
                case ("batch", run, incarnation, seq):
                    seqs[run, incarnation] = seq
        if seqs:
            self._handle(Kept(seqs))
        for token in tokens:
            match token:
                case ("save", run, version):
                    self._handle(Saved(run, version))
                case ("checkpoint", run):
                    self._writing.discard(run)

    def _handle(self, event: Event) -> None:
        """Put `event` to the state, and what follows from what follows, in order."""
        self._queue.append(event)
        if self._handling:
            return
        self._handling = True
        try:
            while self._queue:
                self._step(self._queue.popleft())
        except Exception as error:
            if not self._failed.done():
                self._failed.set_exception(error)
        finally:
            self._handling = False

    def _step(self, event: Event) -> None:
        try:
            effects = self._state.handle(event, _now_us())
        except Exception:
            if not isinstance(event, Said):
                raise
            # What one peer says must not end the run of another.
            self._say(f"cut off a peer after {type(event.message).__name__}:\n{traceback.format_exc()}")
            self._router.kick(event.peer)
            return
        for effect in effects:
            self._perform(effect)

    # Effects.

    def _perform(self, effect: Effect) -> None:
        match effect:
            case Send(peer, message):
                self._send(peer, message)
            case Keep(run, incarnation, seq, data):
                self._writer.put([AddBatch(run, incarnation, seq, data)], ("batch", run, incarnation, seq))
            case Save(record, fold):
                self._save(record, fold=fold)
            case Checkpoint(run) if run not in self._writing:
                self._writing.add(run)
                self._writer.put(self._checkpoint(run), ("checkpoint", run))
            case Kick(peer):
                self._router.kick(peer)
            case Dismiss(peer):
                asyncio.get_running_loop().call_later(LAST_WORDS_S, self._router.kick, peer)
            case Audit(event, who, details):
                self._gate.note(event, who, dict(details))
            case Obtain(run, bundle, peer):
                self._pulls.obtain(run, bundle, peer, _now_us())
            case Recall() | Report() | Recollection():
                self._reads.ask(effect)
            case Log(text):
                self._say(plain(text))

    def _send(self, peer: bytes, message: FromBroker) -> None:
        """What goes to many is encoded once."""
        if self._last is None or self._last[0] is not message:
            try:
                self._last = message, encode(message)
            except ProtocolError as error:
                self._say(f"can't be said: {error.message}")
                return
        if not self._router.send(peer, self._last[1]):
            self._queue.append(Unsent(peer))

    def _save(self, record: RunRecord, *, fold: bool) -> None:
        jobs: list[Job] = [SaveRun(row_of(record))]
        if fold:
            jobs += self._checkpoint(record.id)
        self._writer.put(jobs, ("save", record.id, record.version), urgent=True)
        if record.state in FINAL:
            self._points.pop(record.id, None)
            self._lines.pop(record.id, None)
            self._pulls.forget(record.id)
            self._spawn(self._prune())

    def _checkpoint(self, run_id: str) -> list[Job]:
        run = self._state.runs.get(run_id)
        if run is None:
            return []
        try:
            checkpoint = checkpoint_of(run, self._points.get(run_id, {}))
        except OverflowError as error:
            trouble = Trouble(message=f"its results can't be kept: {error}", hint="an agent told numbers beyond reason")
            self._queue.append(Spoiled(run_id, trouble))
            return []
        if checkpoint is None or run.fold.result is None:
            return []
        self._points[run_id] = points_of(run.fold.result)
        jobs: list[Job] = [checkpoint]
        chronicle = run.chronicle
        fresh, chronicle.fresh_lines = chronicle.fresh_lines, []
        if fresh:
            rows = line_rows(fresh, self._lines.get(run_id, 0))
            self._lines[run_id] = rows[-1].number
            jobs.append(AddLines(run_id, rows))
        return jobs

    async def _prune(self) -> None:
        if self._keep is not None:
            gone = await asyncio.to_thread(self._store.prune, self._keep, datetime.now(UTC))
            if gone:
                self._say(f"forgot {', '.join(gone)}")

    def _spawn(self, job: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._say(f"the store can't be read: {error}")


def _now_us() -> int:
    return time.monotonic_ns() // 1_000


def _describe(store: Store, endpoints: Sequence[Endpoint], *, insecure: bool) -> Broker:
    now_us = _now_us()
    started_at = datetime.now(UTC)
    return Broker(
        incarnation=secrets.randbits(64),
        version=loads.__version__,
        host=socket.gethostname(),
        pid=os.getpid(),
        store=store.place,
        clock=_boot_id(),
        wall=lambda at_us: (started_at + timedelta(microseconds=at_us - now_us)).astimezone(),
        started_us=now_us,
        listens=tuple(map(str, endpoints)),
        insecure=insecure,
    )


def _boot_id() -> str:
    """Names the monotonic clock: it begins anew when the machine does."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return secrets.token_hex(8)
