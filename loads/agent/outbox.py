"""What an agent measured and the broker has not yet acknowledged. Pure; the same live and when it is read from a spool.

    deltas of workers -> pending -> seal() -> sealed batches, at most four -> acknowledged, forgotten

Everything that changes an outbox is a record (see `records`), so that reading the records again gives the same outbox.
While four batches are under way, what comes is folded together: detail in time is what gives way, counts never do.

    last_seq = acked + len(sealed)
"""

from __future__ import annotations

from typing import Final

import msgspec

from loads.agent.records import Acked, Base, Desk, Died, Got, Numbered, Record, Sealed, Took
from loads.metrics.counters import Counts
from loads.metrics.health import Health
from loads.metrics.machines import Load
from loads.metrics.summary import Summary
from loads.units import US_PER_S
from loads.wire.cluster import Batch, Line, Lost, Span
from loads.wire.fold import fares_of

MAX_IN_FLIGHT: Final = 4
MAX_SPANS: Final = 10
"""Seconds that one batch tells apart."""
MAX_BYTES: Final = 16 << 20
"""Of a batch that tells seconds apart: a broker takes twice that."""
MAX_LINES: Final = 200
MAX_WARNINGS: Final = 20
_encoder: Final = msgspec.msgpack.Encoder()


class Outbox:
    """Of one incarnation of an agent, for one run."""

    def __init__(self, run: str, incarnation: int) -> None:
        self.run = run
        self.incarnation = incarnation
        self.desks: dict[int, Desk] = {}
        self.pages: list[str] = []
        """Of all its workers, dead ones as well."""
        self.last_seq = 0
        self.acked = 0
        self.sealed: dict[int, bytes] = {}
        self._sent = 0
        self._summaries: dict[int, Summary] = {}
        self._healths: dict[int, dict[int, Health]] = {}
        self._loads: dict[int, dict[int, Load]] = {}
        self._users: dict[int, int] = {}
        self._told: dict[int, int] = {}
        self._losses: list[Lost] = []
        self._warnings: list[str] = []
        self._lines: list[Line] = []
        self._dropped = 0

    def __repr__(self) -> str:
        pending = " pending" if self.has_pending else ""
        return f"<Outbox {self.run} {self.incarnation:016x} last={self.last_seq} acked={self.acked}{pending}>"

    @property
    def has_pending(self) -> bool:
        """Whether something waits to be sealed."""
        return bool(self._summaries or self._losses or self._warnings or self._lines or self._users)

    def apply(self, record: Record) -> None:
        """Take a record in."""
        match record:
            case Took(worker, incarnation, page):
                self.desks[incarnation] = Desk(worker, page)
                self.pages.append(page)
            case Numbered(first):
                for desk in self.desks.values():
                    desk.worker += first
            case Got():
                self._got(record)
            case Died(incarnation, lost):
                if incarnation in self.desks:
                    self._users[self.desks.pop(incarnation).worker] = 0
                if lost is not None:
                    self._losses.append(lost)
            case Sealed(seq, data):
                self.sealed[seq] = data
                self.last_seq = seq
                self._clear()
            case Acked(seq):
                self.acked = max(self.acked, min(seq, self.last_seq))
                for done in [held for held in self.sealed if held <= self.acked]:
                    del self.sealed[done]
            case Base(last_seq, desks):
                self.last_seq = self.acked = self._sent = last_seq
                self.desks = dict(desks)
                self.pages = [desk.page for desk in desks.values()]
                self.sealed.clear()
                self._clear()

    def add_line(self, line: Line) -> None:
        """Something for people to read. Bounded, and not in the spool: a kill -9 may cost a second of prints."""
        if len(self._lines) < MAX_LINES:
            self._lines.append(line)
        else:
            self._dropped += 1

    def warn(self, text: str) -> None:
        """Something that whoever reads the result must know. Not in the spool either."""
        if len(self._warnings) < MAX_WARNINGS:
            self._warnings.append(text)

    def seal(self) -> Sealed | None:
        """A batch of all that waits, if there is anything and not too many are under way. To be applied, too."""
        if not self.has_pending or len(self.sealed) >= MAX_IN_FLIGHT:
            return None
        data = self._encode()
        while len(data) > MAX_BYTES and len(self._summaries) > 1:
            self._fold_oldest()
            data = self._encode()
        return Sealed(self.last_seq + 1, data)

    def _encode(self) -> bytes:
        lines = self._lines
        if self._dropped:
            lines = [*lines, Line(lines[-1].t_us, None, f"({self._dropped:,} more lines dropped)")]
        spans = tuple(
            Span(t_us, summary, fares_of(self._healths.get(t_us, {}), self._loads.get(t_us, {})))
            for t_us, summary in sorted(self._summaries.items())
        )
        batch = Batch(
            run=self.run,
            incarnation=self.incarnation,
            seq=self.last_seq + 1,
            spans=spans,
            users=dict(self._users),
            told=dict(self._told),
            losses=tuple(self._losses),
            warnings=tuple(self._warnings),
            lines=tuple(lines),
        )
        return _encoder.encode(batch)

    def to_send(self) -> list[bytes]:
        """Batches that were not sent over the connection that stands now. They count as sent from here on."""
        due = [data for seq, data in sorted(self.sealed.items()) if seq > self._sent]
        self._sent = self.last_seq
        return due

    def send_again(self) -> None:
        """The connection is another, or nothing was heard for long: all that is not acknowledged is due again."""
        self._sent = self.acked

    def base(self) -> Base | None:
        """What can stand for all records so far; None while anything waits."""
        if self.has_pending or self.sealed:
            return None
        return Base(self.last_seq, dict(self.desks))

    def _got(self, record: Got) -> None:
        desk = self.desks[record.incarnation]
        delta = record.delta
        if delta.seq <= desk.seq:
            return
        desk.seq = delta.seq
        desk.counts = Counts(*(mine + more for mine, more in zip(desk.counts, delta.summary.counts, strict=True)))
        # A worker also says that it did nothing, and that before the second is over.
        desk.last_us = max(desk.last_us, record.t_us + (US_PER_S if any(delta.summary.counts) else 0))
        self._told[desk.worker] = desk.last_us
        self._users[desk.worker] = delta.users
        # A copy: the record stays as it is, for it may be written down only after the next one was taken.
        self._summaries.setdefault(record.t_us, Summary()).merge(delta.summary)
        load = Load.of(delta.summary)
        if load.hits or load.users_us:
            self._loads.setdefault(record.t_us, {}).setdefault(desk.worker, Load()).merge(load)
        if delta.health is not None:
            healths = self._healths.setdefault(record.t_us, {})
            healths.setdefault(desk.worker, Health()).merge(delta.health)
        while len(self._summaries) > MAX_SPANS:
            self._fold_oldest()

    def _fold_oldest(self) -> None:
        """Make one of the two oldest spans."""
        oldest_us, next_us = sorted(self._summaries)[:2]
        self._summaries[next_us].merge(self._summaries.pop(oldest_us))
        for worker, health in self._healths.pop(oldest_us, {}).items():
            self._healths.setdefault(next_us, {}).setdefault(worker, Health()).merge(health)
        for worker, load in self._loads.pop(oldest_us, {}).items():
            self._loads.setdefault(next_us, {}).setdefault(worker, Load()).merge(load)

    def _clear(self) -> None:
        self._summaries, self._healths, self._loads, self._users, self._told = {}, {}, {}, {}, {}
        self._losses, self._warnings, self._lines, self._dropped = [], [], [], 0
