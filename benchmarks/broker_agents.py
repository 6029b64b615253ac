"""Agents that measure nothing: the wire of real ones, and batches as those of a busy site.

Each says what an agent says, when it says it, over a connection of its own; what it delivers was made before, and only
numbers in it are changed as it goes. All of them are one process of one thread, so that hundreds fit on a core beside
the broker's. Started by `broker_case`.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Final

import msgspec
import zmq

import loads
from loads.metrics.health import Health
from loads.metrics.histogram import Histogram
from loads.metrics.phases import Phases
from loads.metrics.phases import Span as Phase
from loads.metrics.summary import ITERATION, ITERATION_NAME, Series, SeriesKey, Summary, Totals
from loads.units import US_PER_S
from loads.wire.cluster import (
    Batch,
    Beat,
    Beaten,
    Complete,
    Enlist,
    Enlisted,
    Fare,
    Fit,
    FromBroker,
    Go,
    Halt,
    Hello,
    Prepare,
    Release,
    Role,
    Span,
    Stage,
    Standing,
    Stored,
    ToBroker,
    Welcome,
    Wind,
)
from loads.wire.codec import decode_from_broker, encode
from loads.wire.keys import parse_join
from loads.wire.messages import PROTOCOL, Loaded, ScenarioInfo
from loads.wire.monitor import descriptor_of, readiness_of

SCENARIO: Final = "cases.TestShop.test_visit"
JOIN: Final = "loads-join-"
MAX_IN_FLIGHT: Final = 4
_RING: Final = 96
"""So many different seconds there are; an agent begins anywhere and takes them in an order of its own."""
_SLOWEST: Final = 12
_MARK: Final = 0x5EED << 40
"""Where a number is put in later: with the next ones, these stand for it, and take the nine bytes that any may take."""
_INCARNATION, _SEQ, _T_US, _USERS = (_MARK + n for n in range(4))
_WORKERS: Final = _MARK + 16


@dataclass(frozen=True)
class Load:
    """What each agent does each second. `together`: all of them in the same moment."""

    agents: int
    workers: int
    series: int
    buckets: int
    run_us: int
    together: bool = False


@dataclass
class Told:
    """What the agents know at the end.

    Attributes:
        flushed: when batch number `seq` of the agent whose first worker is `first` went to its socket.
        beats: when a beat was said, and how long after that the broker took it.
        held_back: seconds that were not delivered, for too much was under way.
    """

    hits: int = 0
    batch_bytes: int = 0
    held_back: int = 0
    flushed: dict[tuple[int, int], int] = field(default_factory=dict)
    beats: list[tuple[int, int]] = field(default_factory=list)


class Line:
    """A DEALER on asyncio's loop that reads all there is whenever there is something.

    `url` is an address, or a line of ``loads keys add``.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], url: str, role: Role) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket = context.socket(zmq.SocketType.DEALER)
        self._socket.setsockopt(zmq.SocketOption.LINGER, 0)
        self._socket.setsockopt(zmq.SocketOption.SNDHWM, 16)
        self._socket.setsockopt(zmq.SocketOption.RCVHWM, 64)
        if url.startswith(JOIN):
            keys = parse_join(url)
            self._socket.setsockopt(zmq.SocketOption.CURVE_SERVERKEY, keys.broker)
            self._socket.setsockopt(zmq.SocketOption.CURVE_PUBLICKEY, keys.pair.public)
            self._socket.setsockopt(zmq.SocketOption.CURVE_SECRETKEY, keys.pair.secret)
            url = keys.endpoint
        self._socket.connect(url)
        self._fd = descriptor_of(self._socket)
        self._loop.add_reader(self._fd, self._read)
        self.take: Callable[[bytes], None] = lambda data: None
        self.send(
            encode(Hello(protocol=PROTOCOL, version=loads.__version__, role=role, session=random.getrandbits(63)))
        )

    def send(self, data: bytes | bytearray) -> bool:
        """Whether there was room."""
        try:
            self._socket.send(data, zmq.Flag.NOBLOCK)
        except zmq.Again:
            return False
        # Sending takes the wake-up that was meant for reading.
        if readiness_of(self._socket) & zmq.PollEvent.POLLIN:
            self._loop.call_soon(self._read)
        return True

    def _read(self) -> None:
        while not self._socket.closed:
            try:
                data = self._socket.recv(zmq.Flag.NOBLOCK)
            except zmq.Again:
                return
            self.take(data)

    def close(self) -> None:
        self._loop.remove_reader(self._fd)
        self._socket.close(0)


class Ring:
    """Seconds of a site with `load.series` pages, encoded, with places for the numbers that change."""

    def __init__(self, load: Load) -> None:
        chance = random.Random(1)
        self._load = load
        self._summaries = [_summary(load, chance) for _ in range(_RING)]
        self._encoded: list[tuple[bytearray, dict[int, int]]] = []
        self.hits = [summary.hits.hits for summary in self._summaries]

    def begin(self, run: str) -> None:
        """The run has a name."""
        if not self._encoded:
            self._encoded = [self._encode(run, summary) for summary in self._summaries]

    def batch(self, second: int, incarnation: int, seq: int, t_us: int, first: int) -> bytearray:
        """Batch number `seq`; its number of users is `seq`, by which a follower knows what it has seen."""
        data, places = self._encoded[second % _RING]
        data = data[:]
        numbers = {_INCARNATION: incarnation, _SEQ: seq, _T_US: t_us, _USERS: seq}
        for worker in range(self._load.workers):
            numbers[_WORKERS + worker] = first + worker
        for at, mark in places.items():
            data[at : at + 8] = numbers[mark].to_bytes(8, "big")
        return data

    def _encode(self, run: str, summary: Summary) -> tuple[bytearray, dict[int, int]]:
        workers = [_WORKERS + worker for worker in range(self._load.workers)]
        batch = Batch(
            run=run,
            incarnation=_INCARNATION,
            seq=_SEQ,
            spans=(Span(_T_US, summary, tuple(Fare(worker, _health()) for worker in workers)),),
            users=dict.fromkeys(workers, _USERS),
        )
        data = bytearray(msgspec.msgpack.encode(batch))
        places = {}
        for mark in (_INCARNATION, _SEQ, _T_US, _USERS, *workers):
            at = data.find(mark.to_bytes(8, "big"))
            while at >= 0:
                places[at] = mark
                at = data.find(mark.to_bytes(8, "big"), at + 8)
        return data, places


class Agent:
    """One agent: obeys at once, beats each second, delivers each second."""

    def __init__(self, number: int, load: Load, ring: Ring, line: Line, told: Told) -> None:
        self._number, self._load, self._ring, self._line, self._told = number, load, ring, line, told
        self._loop = asyncio.get_running_loop()
        self._incarnation = random.Random(number).getrandbits(63) | 1 << 62
        self._run = ""
        self._stage: Stage | None = None
        self._first = self._holding = self._seq = self._acked = self._run_at_us = self._ended_us = 0
        self._phase = -1
        self.over = self._loop.create_future()
        line.take = self._take

    def _say(self, message: ToBroker) -> None:
        self._line.send(encode(message))

    def _take(self, data: bytes) -> None:
        message = decode_from_broker(data)
        match message:
            case Welcome():
                self._say(
                    Enlist(
                        name=f"agent-{self._number}",
                        identity=self._incarnation,
                        incarnation=self._incarnation,
                        host=socket.gethostname(),
                        cores=self._load.workers,
                        version=loads.__version__,
                    )
                )
            case Enlisted():
                self._beat(self._loop.time() + self._number / self._load.agents)
            case Beaten(sent_us, broker_us):
                self._told.beats.append((sent_us, broker_us - sent_us))
            case Stored():
                self._acked = max(self._acked, message.seq)
            case _:
                self._obey(message)

    def _obey(self, order: FromBroker) -> None:
        match order:
            case Prepare(run) if self._stage is None:
                self._run = run
                self._ring.begin(run)
                self._move(Stage.LOADED)
            case Fit() if self._stage is Stage.LOADED:
                self._first, self._holding = order.first, order.holding
                self._move(Stage.READY)
            case Go() if self._stage is Stage.READY:
                self._phase, self._run_at_us = order.phase, order.run_at_us
                self._move(Stage.RUNNING)
                share_s = 0.0 if self._load.together else self._number / self._load.agents
                self._loop.call_at(order.run_at_us / US_PER_S + 1 + share_s, self._flush, 0)
            case Halt() if self._stage is Stage.RUNNING:
                self._rest()
            case Wind() if self._stage is Stage.RESTING:
                self._move(Stage.WINDING)
                self._complete()
            case Release():
                self._stage = None
                if not self.over.done():
                    self.over.set_result(None)

    def _move(self, stage: Stage) -> None:
        self._stage = stage
        self._say(self._standing())

    def _standing(self) -> Standing:
        loaded = Loaded(scenarios=(ScenarioInfo(name=SCENARIO, weight=1),), hooks=())
        return Standing(
            run=self._run,
            incarnation=self._incarnation,
            stage=self._stage or Stage.FAILED,
            phase=self._phase,
            ended_us=self._ended_us,
            run_us=None if self._phase < 0 else max(0, now_us() - self._run_at_us),
            holding=self._holding,
            workers=self._load.workers,
            loaded=loaded if self._stage is Stage.LOADED else None,
        )

    def _beat(self, due_s: float) -> None:
        if self.over.done():
            return
        standing = None if self._stage is None else self._standing()
        self._say(Beat(sent_us=now_us(), load=0.5, standing=standing))
        if self._stage is Stage.WINDING:
            self._complete()
        self._loop.call_at(due_s + 1, self._beat, due_s + 1)

    def _complete(self) -> None:
        self._say(Complete(run=self._run, incarnation=self._incarnation, last_seq=self._seq))

    def _flush(self, second: int) -> None:
        if self._stage is not Stage.RUNNING:
            return
        if now_us() - self._run_at_us >= self._load.run_us:
            self._rest()
            return
        if self._seq - self._acked < MAX_IN_FLIGHT:
            self._seq += 1
            step = self._number * 7 + second * (1 + self._number % 5)
            data = self._ring.batch(step, self._incarnation, self._seq, second * US_PER_S, self._first)
            self._told.hits += self._ring.hits[step % _RING]
            self._told.batch_bytes = max(self._told.batch_bytes, len(data))
            self._told.flushed[self._first, self._seq] = now_us()
            if not self._line.send(data):
                raise RuntimeError("the broker does not take what is sent")
        else:
            self._told.held_back += 1
        share_s = 0.0 if self._load.together else self._number / self._load.agents
        self._loop.call_at(self._run_at_us / US_PER_S + second + 2 + share_s, self._flush, second + 1)

    def _rest(self) -> None:
        self._ended_us = max(0, now_us() - self._run_at_us)
        self._move(Stage.RESTING)


def now_us() -> int:
    """The clock that all processes of a machine share."""
    return time.monotonic_ns() // 1_000


def run_agents(url: str, load: Load, core: int, results: Connection) -> None:
    """The process: agents until all are released; then `Told` goes to `results`."""
    os.sched_setaffinity(0, {core})
    results.send(asyncio.run(_run(url, load)))


async def _run(url: str, load: Load) -> Told:
    ring, told = Ring(load), Told()
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(1)
    context.set(zmq.ContextOption.MAX_SOCKETS, load.agents + 16)
    lines = []
    agents = []
    for number in range(load.agents):
        lines.append(Line(context, url, Role.AGENT))
        agents.append(Agent(number, load, ring, lines[-1], told))
        if number % 50 == 49:
            await asyncio.sleep(0.05)  # real ones don't come in one moment either
    await asyncio.gather(*(agent.over for agent in agents))
    for line in lines:
        line.close()
    context.term()
    return told


def _summary(load: Load, chance: random.Random) -> Summary:
    """One second. Pages differ in how slow they are, and so does each second."""
    summary = Summary()
    for number in range(load.series):
        middle_us = 3_000 * (1 + number % _SLOWEST) * chance.uniform(0.8, 1.2)
        series = Series(service=_histogram(load.buckets, middle_us, chance))
        series.response = _histogram(load.buckets, middle_us, chance, series.service.count)
        series.sent = series.service.count
        series.statuses = {200: series.sent}
        series.bytes_sent, series.bytes_received = 150 * series.sent, 2_400 * series.sent
        waited_us = series.service.sum_us
        series.phases = Phases(
            first_byte=Phase(series.sent, waited_us * 9 // 10, series.service.max_us * 9 // 10),
            body=Phase(series.sent, waited_us // 10, series.service.max_us // 10),
        )
        key = SeriesKey(SCENARIO, "GET", f"https://shop.example/catalogue/page/{number}")
        if number == 0:
            key = SeriesKey(SCENARIO, ITERATION, ITERATION_NAME)
            series.statuses, series.bytes_sent, series.bytes_received, series.phases = {}, 0, 0, Phases()
            done = series.sent
            summary.totals = Totals(started=done, ended=done, success=done, users_us=2 * US_PER_S)
        summary.series[key] = series
    return summary


def _histogram(buckets: int, middle_us: float, chance: random.Random, count: int | None = None) -> Histogram:
    """So many filled buckets, or until `count` values are in it."""
    histogram, values = Histogram(), 0
    while (len(histogram.counts) < buckets) if count is None else (values < count):
        histogram.add(int(chance.lognormvariate(0.0, 0.5) * middle_us))
        values += 1
    return histogram


def _health() -> Health:
    health = Health(wall_us=US_PER_S, cpu_us=400_000, waited_us=10_000, files=80, files_limit=20_000, users=2)
    for lag_us in (60, 80, 110, 150, 240, 400, 900, 2_300):
        health.lag.add(lag_us)
    health.rate()
    return health
