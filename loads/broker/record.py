"""What the broker must know of a run when it is started again: kept in the store as a whole, at each change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

import msgspec

from loads.broker.records import FINAL, SpanKey
from loads.metrics.counters import Counts
from loads.metrics.events import Event
from loads.metrics.result import Result, RunInfo
from loads.metrics.timeline import Timeline
from loads.metrics.verdict import Stop
from loads.metrics.watch import Memory
from loads.plan.share import Portion
from loads.plan.spec import Plan
from loads.wire.cluster import Brief, RunState, Stage, Submit, Track, Trouble
from loads.wire.fold import bare

RECORD_VERSION: Final = 2


class Stint(msgspec.Struct, array_like=True, frozen=True):
    """Of a phase at a rate: somebody has, or had, to run what of `portion` is due at `from_us` or later, and before
    `until_us`. Both from the phase's start; an end of None: until further notice.
    """

    portion: Portion
    from_us: int = 0
    until_us: int | None = None


class Seat(msgspec.Struct, kw_only=True):
    """The part of one agent process in a run.

    Attributes:
        first, workers: its workers are number `first` .. `first + workers - 1` of the run.
        slots: the most virtual users that it runs at the start.
        max_users: the most that it runs at any time; None: any number.
        room: how many it has memory for; None: it did not say.
        portions, holding: what it is to run, and the version of that; what came last begins with phase `from_phase`.
        held: the version that it has.
        from_us: of a phase at a rate, with which iterations what came last begins.
        giving: it has to give something up, and has not said yet that it knows.
        stints: of such a phase, what it had to run so far, and has.
        joining: it came when the run was under way, and was not told to go yet.
        awaited: the others run what it gets until it is ready.
        lost_us, lost: when its share was given away, from the run's start, and why; None: it was not.
        last_seq: of its last batch; None: more may come.
    """

    agent: str
    identity: int
    incarnation: int
    host: str
    slots: int
    max_users: int | None = None
    room: int | None = None
    first: int = 0
    workers: int = 0
    portions: tuple[Portion, ...] = ()
    holding: int = 1
    from_phase: int = 0
    stage: Stage = Stage.PREPARING
    phase: int = -1
    ended_us: int = 0
    held: int = 0
    from_us: int = 0
    giving: bool = False
    stints: tuple[Stint, ...] = ()
    joining: bool = False
    awaited: bool = False
    lost_us: int | None = None
    lost: str | None = None
    last_seq: int | None = None


class RunRecord(msgspec.Struct, kw_only=True):
    """One run, but for its results.

    Attributes:
        version: counts changes; what follows from one is told when it is on the disk.
        clock: which clock `run_at_us` and `phase_at_us` are of; another after the machine was started anew.
        next_first: the number of the next worker.
        short: before it began an agent left that it had: it wants another.
        unheld: what nobody has room for, and so nobody runs; of a phase at a rate also what is to change hands.
        free_us: of such a phase, from when on that is nobody's.
        keeper: the agent process that runs setUpRun, and another's in its place tearDownRun; None: nobody.
        run_data: what setUpRun returned; None: it has not.
        bereft_us: since when, from its start, no agent is left to run it; see `rescue`.
        waited_us: how long one was waited for by now; on no clock, for the broker's may have been started anew.
        unrun_us: time of users that the plan wanted and nobody ran, summed up over them.
        stop_us: when it was told to stop, from its start.
        events: the latest that were told of; the next checkpoint has them in the result.
        brief: what came of it.
    """

    id: str
    submit: Submit
    created_at: datetime
    state: RunState = RunState.WAITING
    version: int = 0
    seats: list[Seat] = []
    plan: Plan | None = None
    info: RunInfo | None = None
    clock: str = ""
    run_at_us: int | None = None
    phase: int = 0
    phase_at_us: int = 0
    next_first: int = 0
    short: bool = False
    unheld: tuple[Portion, ...] = ()
    free_us: int = 0
    keeper: int | None = None
    run_data: bytes | None = None
    bereft_us: int | None = None
    waited_us: int = 0
    unrun_us: int = 0
    stop: Stop | None = None
    stop_us: int | None = None
    trouble: Trouble | None = None
    ended_at: datetime | None = None
    verdict: str | None = None
    duration_us: int | None = None
    events: list[Event] = []
    brief: Brief | None = None


class Tally(msgspec.Struct, array_like=True):
    """What one incarnation delivered: its last batch, what it accounts for, and until when each worker told."""

    seq: int = 0
    counts: Counts = Counts()
    told: dict[int, int] = {}

    def last_us(self, workers: int) -> int:
        """Until when all of so many told."""
        return min(self.told.values(), default=0) if len(self.told) >= workers else 0


class Folded(msgspec.Struct, array_like=True):
    """The results of a run as they are written, without what is kept of each span of time."""

    result: Result
    latest_us: int
    tallies: dict[int, Tally]
    watch: Memory | None = None


_encoder: Final = msgspec.msgpack.Encoder()
_record_decoder: Final = msgspec.msgpack.Decoder(RunRecord)
_folded_decoder: Final = msgspec.msgpack.Decoder(Folded)


def encode_record(record: RunRecord) -> bytes:
    """For the store. Of a run that is over the values of its variables are not kept, and what its tests told one
    another in setUpRun is not: nobody needs them any more.
    """
    spec = record.submit.spec
    if record.state in FINAL and (spec.env or record.run_data):
        bare = msgspec.structs.replace(record.submit, spec=replace(spec, env=dict.fromkeys(spec.env, "")))
        record = msgspec.structs.replace(record, submit=bare, run_data=None)
    return _encoder.encode(record)


def decode_record(data: bytes) -> RunRecord:
    """From the store."""
    return _record_decoder.decode(data)


def encode_folded(result: Result, tallies: dict[int, Tally], watch: Memory | None = None) -> bytes:
    """For the store; what `points_of` gives goes beside it."""
    without = msgspec.structs.replace(bare(result), timeline=Timeline())
    return _encoder.encode(Folded(without, result.timeline.latest_us, tallies, watch))


def decode_folded(data: bytes, points: Mapping[SpanKey, bytes]) -> tuple[Result, dict[int, Tally], Memory | None]:
    """From the store, with the points that were beside it, or some of them."""
    folded = _folded_decoder.decode(data)
    folded.result.timeline.latest_us = folded.latest_us
    packed = _packed(folded.result)
    for (track, t_us, width_us), point in points.items():
        packed[track][t_us, width_us] = point
    return folded.result, folded.tallies, folded.watch


def points_of(result: Result) -> dict[SpanKey, bytes]:
    """All that is kept of each span of time; what did not change since is the same object."""
    return {
        (track, t_us, width_us): point
        for track, packed in _packed(result).items()
        for (t_us, width_us), point in packed.items()
    }


def _packed(result: Result) -> dict[Track, dict[tuple[int, int], bytes]]:
    return {
        Track.TOTAL: result.timeline.packed,
        Track.SERIES: result.details.packed,
        Track.MACHINES: result.machines.packed,
    }
