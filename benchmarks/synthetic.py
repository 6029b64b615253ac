"""Both ends of a worker's deltas, driven by hits that never were.

Two million real hits take stock requests a quarter of an hour; these take seconds, go through the same recorder, wire
and folding as a run's, and meet nothing else that could hold memory. One process for each side, so that what each
keeps is told apart. Called by memory.py.
"""

from __future__ import annotations

import multiprocessing
import random
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from os import getpid

from processes import rss_bytes

from loads.client.recorder import Recorder
from loads.errors import LoadsError
from loads.metrics.counters import PAGE_BYTES
from loads.metrics.result import Result, RunInfo
from loads.metrics.summary import SeriesKey
from loads.units import US_PER_S
from loads.wire.codec import frame, from_worker
from loads.wire.messages import Delta

SERIES = 50
HITS_PER_S = 2_000
"""What stock requests make of one core: so many hits does a second's summary hold."""
_USERS = 20
_SLACK_S = 60


@dataclass(frozen=True)
class SideSample:
    """One side after so many hits; `points` of a timeline, where it has one."""

    hits: int
    rss_bytes: int
    points: int = 0


def drive(marks: list[int]) -> tuple[list[SideSample], list[SideSample]]:
    """Memory of the recorder's process and of the result's, after each number of hits in `marks` (ascending).

    Raises:
        LoadsError: a side failed, or took far too long.
    """
    # Spawned, not forked: a fork would begin with this process's memory.
    context = multiprocessing.get_context("spawn")
    deltas_in, deltas_out = context.Pipe(duplex=False)
    recorded_in, recorded_out = context.Pipe(duplex=False)
    folded_in, folded_out = context.Pipe(duplex=False)
    sides = [
        context.Process(target=record, args=(deltas_out, recorded_out, marks), daemon=True),
        context.Process(target=fold, args=(deltas_in, folded_out, marks), daemon=True),
    ]
    try:
        for side in sides:
            side.start()
        # While we hold their ends open, we would not notice that they are gone.
        for end in (deltas_in, deltas_out, recorded_out, folded_out):
            end.close()
        return _samples_from(recorded_in, marks[-1]), _samples_from(folded_in, marks[-1])
    finally:
        for side in sides:
            if side.pid is not None:
                side.terminate()
                side.join()


def record(deltas: Connection, samples: Connection, marks: list[int]) -> None:
    """The worker's side: the real Recorder, swapped out and sent each (synthetic) second, as worker/meter.py does."""
    recorder = Recorder(memoryview(bytearray(PAGE_BYTES)).cast("Q"))
    keys = [SeriesKey("cases.TestShop.test_visit", "GET", f"http://shop.example/page/{n}") for n in range(SERIES)]
    chance = random.Random(1)
    left = list(marks)
    for hit in range(1, marks[-1] + 1):
        # A median of 8 ms with a long tail, and pages that differ by a factor of 5.
        page = hit % SERIES
        service_us = int(chance.lognormvariate(9.0, 0.6) * (1 + page / 12))
        recorder.started()
        recorder.sending()
        recorder.hit(keys[page], service_us, 500 if hit % 997 == 0 else 200, None, True, 150, 240)
        recorder.ended(keys[0].scenario, service_us + 40, failed=False)
        if hit % HITS_PER_S == 0 or hit == left[0]:
            second = (hit - 1) // HITS_PER_S
            summary = recorder.take()
            deltas.send_bytes(frame(Delta(seq=second + 1, t_us=second * US_PER_S, users=_USERS, summary=summary)))
        if hit == left[0]:
            samples.send(SideSample(hit, rss_bytes(getpid())))
            del left[0]


def fold(deltas: Connection, samples: Connection, marks: list[int]) -> None:
    """The runner's side: frames decoded and folded into a Result, as pool/pool.py and runner/local.py do."""
    result = Result(
        info=RunInfo(
            id="synthetic",
            started_at=datetime.now(UTC),
            targets=(),
            scenarios=(),
            plan="",
            users=_USERS,
            workers=1,
            seed=0,
            server_url=None,
            due=None,
            duration_us=None,
        )
    )
    unframer = from_worker()
    for mark in marks:
        while result.summary.totals.ended < mark:
            for delta in unframer.feed(deltas.recv_bytes()):
                assert isinstance(delta, Delta)
                result.add(delta.t_us, delta.summary)
        assert result.summary.hits.sent == mark
        samples.send(SideSample(mark, rss_bytes(getpid()), len(result.timeline.packed)))


def _samples_from(side: Connection, hits: int) -> list[SideSample]:
    """All that one side sends, up to the sample of `hits`."""
    samples: list[SideSample] = []
    while not samples or samples[-1].hits < hits:
        # About 3 us a hit; whoever takes 100 is not going to end.
        if not side.poll(_SLACK_S + hits / 10_000):
            raise LoadsError("the synthetic run did not end within time")
        try:
            samples.append(side.recv())
        except EOFError:
            raise LoadsError("one side of the synthetic run failed, see its traceback above") from None
    return samples
