"""A broker process as `broker.server` is one, around the real state, messages and store; time and network are made up.

It may die between any two effects. A commit takes its time, and may fail, or go through without being known to.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any, Final

import msgspec

from loads.broker.events import (
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
    Obtain,
    Obtained,
    Recall,
    Recollection,
    Report,
    Said,
    Save,
    Saved,
    Send,
    StoreTrouble,
    Tick,
    Unsent,
)
from loads.broker.keeping import checkpoint_of, line_rows, lines_of, restored, result_of, row_of, status_of
from loads.broker.recollecting import unearthed
from loads.broker.record import RunRecord, decode_record, points_of
from loads.broker.records import FINAL, AddBatch, AddLines, Job, SaveRun, SpanKey
from loads.broker.rights import LOCAL
from loads.broker.state import BrokerState
from loads.broker.views import Broker
from loads.testing.wires import Wire
from loads.testing.world import Process, World
from loads.wire.cluster import Ended, FromBroker, Refused, Snapshot, Trouble
from loads.wire.codec import decode_to_broker, encode
from loads.wire.fold import bare

if TYPE_CHECKING:
    from loads.broker.store import Store

TICK_US: Final = 250_000
_GATHER_US: Final = 100_000
_RETRY_US: Final = 500_000
_PIECE_BYTES: Final = 400
"""So that even what is measured in these few seconds is told in many pieces."""
_EPOCH: Final = datetime(2014, 5, 9, tzinfo=UTC)


class Disk:
    """What outlives a broker: the store, bundles; and what is true of it, for the laws.

    Attributes:
        full: commits fail.
        kept: by run and incarnation, the last batch that is on the disk.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.full = False
        self.archives: set[str] = set()
        self.kept: dict[tuple[str, int], int] = {}

    def commit(self, jobs: Sequence[Job]) -> None:
        """One transaction."""
        self.store.commit(jobs)
        for job in jobs:
            if isinstance(job, AddBatch):
                key = job.run, job.incarnation
                self.kept[key] = max(job.seq, self.kept.get(key, 0))


class FakeWriter:
    """`broker.writer` on a fake clock: what is put within 100 ms is one transaction, tried until it goes through."""

    def __init__(
        self,
        process: Process,
        disk: Disk,
        done: Callable[[Sequence[Hashable]], None],
        trouble: Callable[[str | None], None],
    ) -> None:
        self._process = process
        self._disk = disk
        self._done = done
        self._trouble = trouble
        self._jobs: list[Job] = []
        self._tokens: list[Hashable] = []
        self._urgent = False
        self._scheduled = 0
        self._working: tuple[list[Job], list[Hashable]] | None = None
        self._troubled = False

    def put(self, jobs: Sequence[Job], token: Hashable, *, urgent: bool = False) -> None:
        """Have `jobs` stored."""
        first = not self._tokens
        self._jobs += jobs
        self._tokens.append(token)
        if first or (urgent and not self._urgent):
            self._urgent = urgent
            self._schedule(0 if urgent else _GATHER_US)

    def die(self) -> None:
        """What was being committed is, or is not."""
        if self._working is not None and not self._disk.full and self._process.world.chance(0.5):
            self._disk.commit(self._working[0])

    def _schedule(self, delay_us: int) -> None:
        self._scheduled += 1
        number = self._scheduled
        self._process.later(delay_us, lambda: self._begin() if number == self._scheduled else None)

    def _begin(self) -> None:
        if self._working is not None or not self._tokens:
            return
        self._working = self._jobs, self._tokens
        self._jobs, self._tokens, self._urgent = [], [], False
        self._process.later(self._length_us(), self._commit)

    def _commit(self) -> None:
        assert self._working is not None
        world = self._process.world
        jobs, tokens = self._working
        failed = self._disk.full
        if not failed:
            self._disk.commit(jobs)
            failed = world.chance(0.002)  # the answer of the database is lost
        if failed:
            jobs += self._jobs
            tokens += self._tokens
            self._jobs, self._tokens = [], []
            if not self._troubled:
                self._troubled = True
                self._process.later(1, lambda: self._trouble("no space left"))
            self._process.later(_RETRY_US, self._commit)
            return
        self._working = None
        if self._troubled:
            self._troubled = False
            self._process.later(1, lambda: self._trouble(None))
        self._process.later(world.between(1, 2_000), lambda: self._done(tokens))
        if self._tokens:
            self._schedule(0 if self._urgent else _GATHER_US)

    def _length_us(self) -> int:
        world = self._process.world
        return world.between(500, 1_500_000 if world.chance(0.02) else 20_000)


class BrokerProcess(Process):
    """One start of the broker. `fuse`: it dies before that many more effects."""

    def __init__(self, world: World, disk: Disk, clock: str, skew_us: int, died: Callable[[], None]) -> None:
        super().__init__(world, "broker", skew_us)
        self.disk = disk
        self.wires: dict[bytes, Wire] = {}
        self.fuse: int | None = None
        self._died = died
        self._queue: deque[Event] = deque()
        self._handling = False
        self._writer = FakeWriter(self, disk, self._stored, lambda text: self.put(StoreTrouble(text)))
        self._points: dict[str, dict[SpanKey, bytes]] = {}
        self._lines: dict[str, int] = {}
        self._wanted: dict[str, tuple[str, bytes]] = {}
        started_us = self.time_us()
        broker = Broker(
            incarnation=world.random.getrandbits(64),
            version="1",
            host="here",
            pid=1,
            store="store",
            clock=clock,
            wall=lambda at_us: _EPOCH + timedelta(microseconds=at_us - skew_us),
            started_us=started_us,
            piece_bytes=_PIECE_BYTES,
        )
        seed = Random(world.random.getrandbits(64))
        self.state = BrokerState(broker, seed, lambda run: bool(disk.store.find(run)), self._run_of)
        self.on_thaw.append(self._read_on)
        self._restore()
        self.later(TICK_US, self._tick)

    def hear(self, name: bytes, data: bytes) -> None:
        """A message of a peer came."""
        message = decode_to_broker(data)
        self.world.note(f"{name.hex()} -> broker", message)
        self.put(Said(name, message, data, LOCAL))

    def lost(self, name: bytes) -> None:
        """A connection is closed."""
        self.wires.pop(name, None)
        self.put(Gone(name))

    def put(self, event: Event) -> None:
        """Handle `event`, and what follows from what follows."""
        self._queue.append(event)
        if self._handling:
            return
        self._handling = True
        while self._queue and self.alive:
            for effect in self.state.handle(self._queue.popleft(), self.time_us()):
                if self.alive:
                    self._perform(effect)
        self._handling = False

    def die(self) -> None:
        """All in memory is lost; its peers see it at once."""
        if not self.alive:
            return
        self.world.note("broker dies")
        self._writer.die()
        super().die()
        for wire in list(self.wires.values()):
            wire.break_off()
        self._died()

    def _run_of(self, nonce: int) -> str | None:
        row = self.disk.store.of_nonce(nonce)
        return None if row is None else row.id

    def _restore(self) -> None:
        runs = []
        for stored in self.disk.store.unfinished():
            record, fold = restored(stored)
            for incarnation, tally in fold.tallies.items():
                kept = self.disk.kept.get((record.id, incarnation), 0)
                assert tally.seq >= kept, f"{record.id}: watermark {tally.seq} after {kept} were acknowledged"
            runs.append((record, fold))
            self._points[record.id] = dict(stored.points)
            self._lines[record.id] = max((line.number for line in stored.lines), default=0)
        self.world.note("broker starts with", *(f"{record.id} {record.state.value}" for record, _ in runs))
        for effect in self.state.restore(runs):
            self._perform(effect)

    def _read_on(self) -> None:
        for wire in self.wires.values():
            wire.resume()

    def _tick(self) -> None:
        self.later(TICK_US, self._tick)
        self.put(Tick())

    def _stored(self, tokens: Sequence[Any]) -> None:
        seqs = {(token[1], token[2]): token[3] for token in tokens if token[0] == "batch"}
        if seqs:
            self.put(Kept(seqs))
        for token in tokens:
            if token[0] == "save" and self.alive:
                self.put(Saved(token[1], token[2]))

    def _perform(self, effect: Effect) -> None:
        if self.fuse is not None:
            self.fuse -= 1
            if self.fuse <= 0:
                self.world.note("broker dies before", type(effect).__name__)
                self.die()
                return
        match effect:
            case Send(peer, message):
                self._send(peer, message)
            case Keep(run, incarnation, seq, data):
                self._writer.put([AddBatch(run, incarnation, seq, data)], ("batch", run, incarnation, seq))
            case Save(record, fold):
                self._save(record, fold=fold)
            case Checkpoint(run):
                self._writer.put(self._checkpoint(run), ("checkpoint", run))
            case Kick(peer):
                if peer in self.wires:
                    self.wires[peer].break_off()
            case Obtain():
                self._obtain(effect)
            case Recall(peer, run):
                answer = self._ended(run)
                self.later(1_000, lambda: self._send(peer, answer))
            case Recollection(peer, run, before_us):
                slots = unearthed(self.disk.store, run, before_us, _PIECE_BYTES)
                self.later(1_000, lambda: self._send(peer, slots))
            case Report():
                self._report(effect)
            case Audit() | Dismiss():
                pass  # nobody's rights change here
            case Log(text):
                self.world.note("broker:", text)

    def _send(self, peer: bytes, message: FromBroker) -> None:
        wire = self.wires.get(peer)
        self.world.note(f"broker -> {peer.hex()}", message)
        if wire is None or not wire.to_peer(encode(message), whole=isinstance(message, Snapshot)):
            self.put(Unsent(peer))

    def _save(self, record: RunRecord, *, fold: bool) -> None:
        jobs: list[Job] = [SaveRun(row_of(record))]
        if fold:
            jobs += self._checkpoint(record.id)
        self._writer.put(jobs, ("save", record.id, record.version), urgent=True)
        if record.state in FINAL:
            self._points.pop(record.id, None)
            self._lines.pop(record.id, None)

    def _checkpoint(self, run_id: str) -> list[Job]:
        run = self.state.runs.get(run_id)
        checkpoint = None if run is None else checkpoint_of(run, self._points.get(run_id, {}))
        if run is None or checkpoint is None or run.fold.result is None:
            return []
        self._points[run_id] = points_of(run.fold.result)
        jobs: list[Job] = [checkpoint]
        fresh, run.chronicle.fresh_lines = run.chronicle.fresh_lines, []
        if fresh:
            rows = line_rows(fresh, self._lines.get(run_id, 0))
            self._lines[run_id] = rows[-1].number
            jobs.append(AddLines(run_id, rows))
        return jobs

    def _obtain(self, obtain: Obtain) -> None:
        """The files come from the runner, unless they are here; whoever asks again says from which one."""
        run, sha256 = obtain.run, obtain.bundle.sha256
        if sha256 in self.disk.archives:
            self._queue.append(Obtained(run))
            self.later(1, lambda: self.put(Tick()))
            return
        fetching = run in self._wanted
        self._wanted[run] = sha256, obtain.peer
        if not fetching:
            self.later(self.world.between(10_000, 600_000), lambda: self._fetch(run))

    def _fetch(self, run: str) -> None:
        sha256, peer = self._wanted[run]
        if peer in self.wires and not self.wires[peer].broken:
            del self._wanted[run]
            self.disk.archives.add(sha256)
            self.put(Obtained(run))
        else:
            self.later(self.world.between(10_000, 600_000), lambda: self._fetch(run))

    def _ended(self, run: str | None) -> Ended | Refused:
        store = self.disk.store
        rows = store.runs(1) if run is None else store.find(run)
        exact = [row for row in rows if row.id == run] or rows
        stored = store.load(exact[0].id) if len(exact) == 1 else None
        result = None if stored is None else result_of(stored)
        if stored is not None and result is not None:
            return Ended(run=stored.row.id, result=bare(result), lines=tuple(lines_of(stored)))
        if stored is not None:
            trouble = decode_record(stored.row.record).trouble
            return Refused(run=stored.row.id, trouble=trouble or Trouble(message="it never ran"))
        return Refused(run=run, trouble=Trouble(message=f"there is no run {run}"))

    def _report(self, report: Report) -> None:
        rows = self.disk.store.runs(report.runs) if report.runs else []
        ended = tuple(status_of(row) for row in rows if row.state in FINAL)
        self._send(report.peer, msgspec.structs.replace(report.status, runs=(*report.status.runs, *ended)))
