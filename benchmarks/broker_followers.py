"""Those who look on: one folds all that comes, as a screen does; the others only take it. Started by `broker_case`.

The first of them also submits the run, as soon as all agents are there.
"""

from __future__ import annotations

import asyncio
import os
import random
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

import zmq
from broker_agents import SCENARIO, Line, Load, now_us

from loads.errors import LoadsError
from loads.metrics.result import Result
from loads.plan.load import LoadOptions
from loads.wire.cluster import (
    Accepted,
    Ask,
    Beat,
    Ended,
    Follow,
    Refused,
    Role,
    RunState,
    Snapshot,
    Status,
    Submit,
    ToBroker,
    Update,
    Welcome,
    Who,
)
from loads.wire.codec import decode_from_broker, encode
from loads.wire.fold import fold
from loads.wire.run import RunSpec

RUNNING = "running"
_ASK_S = 0.1
_HEAD_BYTES = 96
"""The beginning of an update, in which the run's age tells it from all others."""


@dataclass
class Seen:
    """What the followers know at the end.

    Attributes:
        shown: when which batch was on all screens: (first worker, seq, us).
        hits, warnings: of the result.
        update_bytes: of the largest update.
        behind: so often one of them missed something.
    """

    shown: list[tuple[int, int, int]] = field(default_factory=list)
    hits: int = 0
    warnings: list[str] = field(default_factory=list)
    update_bytes: int = 0
    behind: int = 0


class Onlookers:
    """All but the first: they take what comes, each over a connection of its own."""

    def __init__(self, lines: list[Line]) -> None:
        self._lines = lines
        self._run = ""
        self.arrived: dict[bytes, int] = {}
        """When the last of them had the update that begins so."""
        self.behind = 0
        """So often one of them missed something, and got the whole instead."""
        for line in lines:
            line.take = self._take

    def follow(self, run: str) -> None:
        for line in self._lines:
            line.send(encode(Follow(run=run)))

    def beat(self) -> None:
        for line in self._lines:
            line.send(encode(Beat(sent_us=now_us())))

    def _take(self, data: bytes) -> None:
        if b"\xa6Update" in data[:16]:
            self.arrived[data[:_HEAD_BYTES]] = now_us()
        elif b"\xa8Snapshot" in data[:16] and RUNNING.encode() in data[:_HEAD_BYTES]:
            self.behind += 1  # all of them came before the run began


class Screen:
    """The first follower."""

    def __init__(self, load: Load, line: Line, others: Onlookers, running: Connection) -> None:
        self._load, self._line, self._others, self._running = load, line, others, running
        self._result: Result | None = None
        self._began = False
        self._seqs: dict[int, int] = {}
        self._pending: list[tuple[bytes, int, list[tuple[int, int]]]] = []
        self.seen = Seen()
        self.over: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        line.take = self._take

    def _say(self, message: ToBroker) -> None:
        self._line.send(encode(message))

    def _take(self, data: bytes) -> None:
        message = decode_from_broker(data)
        match message:
            case Welcome():
                self._say(Ask())
            case Status():
                self._wait_for_agents(message)
            case Accepted(run):
                self._say(Follow(run=run))
                self._others.follow(run)
            case Snapshot():
                self._result = message.result
                if message.result is not None:
                    self._pending.append((b"", now_us(), self._fresh(message.result.users)))
                self._note(message.state)
            case Update():
                self._update(message, data)
            case Ended() if not self.over.done():
                self.over.set_result(message)
            case Refused() if not self.over.done():
                self.over.set_exception(LoadsError(message.trouble.message, message.trouble.hint))

    def _wait_for_agents(self, status: Status) -> None:
        if len(status.agents) < self._load.agents:
            asyncio.get_running_loop().call_later(_ASK_S, self._say, Ask())
            return
        users = LoadOptions(users=(self._load.agents * 2,), duration_us=self._load.run_us)
        spec = RunSpec(
            targets=(SCENARIO,),
            search_path=(),
            load=users,
            workers=self._load.workers,
            seed=1,
            server_url=None,
            fresh_session=False,
        )
        self._say(Submit(nonce=random.getrandbits(63), who=Who("me", "here"), spec=spec, bundle=None, agents=None))

    def _note(self, state: RunState) -> None:
        if state is RunState.RUNNING and not self._began:
            self._began = True
            self._running.send(RUNNING)

    def _update(self, update: Update, data: bytes) -> None:
        if self._result is not None:
            fold(self._result, update.spans, update.users, update.gone, update.losses, update.warnings)
        self.seen.update_bytes = max(self.seen.update_bytes, len(data))
        self._pending.append((data[:_HEAD_BYTES], now_us(), self._fresh(update.users)))
        self._note(update.state)

    def _fresh(self, users: dict[int, int]) -> list[tuple[int, int]]:
        """The batches that were not shown before: a worker's number of users is the number of its agent's batch."""
        fresh = []
        for worker, seq in users.items():
            if worker % self._load.workers == 0:
                fresh += [(worker, each) for each in range(self._seqs.get(worker, 0) + 1, seq + 1)]
                self._seqs[worker] = seq
        return fresh

    def conclude(self, ended: Ended) -> Seen:
        """What all of them saw: a batch is shown when the last of them could show it."""
        for head, shown_us, fresh in self._pending:
            late_us = max(0, self._others.arrived.get(head, 0) - shown_us)
            self.seen.shown += [(worker, seq, shown_us + late_us) for worker, seq in fresh]
        self.seen.hits = ended.result.summary.hits.hits
        self.seen.warnings = ended.result.warnings[:3]
        self.seen.behind = self._others.behind
        return self.seen

    def beat(self) -> None:
        self._say(Beat(sent_us=now_us()))


def run_followers(url: str, load: Load, followers: int, core: int, results: Connection) -> None:
    """The process: says `RUNNING` to `results` when the run does, and `Seen` once it has ended."""
    os.sched_setaffinity(0, {core})
    results.send(asyncio.run(_run(url, load, followers, results)))


async def _run(url: str, load: Load, followers: int, results: Connection) -> Seen:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(1)
    lines = [Line(context, url, Role.RUNNER) for _ in range(followers)]
    others = Onlookers(lines[1:])
    screen = Screen(load, lines[0], others, results)

    async def beat() -> None:
        while True:
            await asyncio.sleep(1)
            screen.beat()
            others.beat()

    beating = asyncio.create_task(beat())
    seen = screen.conclude(await screen.over)
    beating.cancel()
    for line in lines:
        line.close()
    context.term()
    return seen
