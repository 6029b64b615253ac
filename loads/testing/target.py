"""The service under load, which sees the truth: every iteration that began and every request that reached it.

And who may begin iterations of which slot at any moment, so that load that doubles is noticed when it does.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple, Protocol

from loads.testing.world import Broken, World
from loads.units import US_PER_S

if TYPE_CHECKING:
    from loads.testing.shift import User
    from loads.testing.worker import Worker

SlotKey = tuple[str, int, int]
"""Run, phase, slot."""
ArrivalKey = tuple[str, int, int]
"""Run, phase, number of the iteration."""


class Office(Protocol):
    """Who serves arrivals in one worker."""

    worker: Worker

    def serves(self, slot: int) -> bool:
        """Whether what arrives now for `slot` is its."""


class Seen(NamedTuple):
    """One request, or the begin of one iteration: when, of which agent process, by which slot."""

    at_us: int
    agent: int
    slot: SlotKey


class Target:
    """All runs' target."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.sent: dict[str, list[Seen]] = defaultdict(list)
        self.unsent: dict[str, list[Seen]] = defaultdict(list)
        self.started: dict[str, list[Seen]] = defaultdict(list)
        self.claims: dict[SlotKey, set[User]] = defaultdict(set)
        self.offices: dict[tuple[str, int], set[Office]] = defaultdict(set)
        """By run and phase."""
        self.arrived: dict[ArrivalKey, bool] = {}
        """Iterations of phases at a rate that began; whether by who may run what is another's by then."""
        self.delay_us = 0
        """It takes so much longer with each request."""
        self.run_data: dict[str, bytes] = {}
        """What setUpRun returned, by run."""
        self.torn_down: set[str] = set()
        """Runs whose tearDownRun was run."""
        self.doubled: dict[str, int] = defaultdict(int)
        """How many of them began once more than they should, by run."""

    def begin(self, worker: Worker, phase: int, slot: int) -> None:
        """An iteration begins. Nobody else may be about to begin one of the same slot."""
        key = worker.run, phase, slot
        excused = self._check_time(worker)
        for other in () if excused else {user.worker for user in self.claims[key]}:
            if other is not worker and other.may_start and not other.agent.is_in_grace:
                who = f"{worker} begins an iteration of slot {key}"
                raise Broken(f"load doubles: {who}, which {other.describe()} runs, too")
        self.started[worker.run].append(Seen(self._world.now_us, worker.agent.incarnation, key))

    def arrive(self, worker: Worker, phase: int, slot: int, n: int) -> None:
        """Iteration `n` of a phase at a rate begins. It does so once, but for who could not know better."""
        key = worker.run, phase, n
        excused = self._check_time(worker)
        if key in self.arrived:
            if not excused and not self.arrived[key]:
                raise Broken(f"{worker.describe()} begins iteration {key} of slot {slot}, which began before")
            self.doubled[worker.run] += 1
        self.arrived[key] = excused or self.arrived.get(key, False)
        self.started[worker.run].append(Seen(self._world.now_us, worker.agent.incarnation, (worker.run, phase, slot)))

    def _check_time(self, worker: Worker) -> bool:
        """Between setUpRun and tearDownRun. Whether it may not know that its load is another's by now."""
        excused = worker.agent.is_in_grace or worker.has_yet_to_hear
        if worker.run in self.torn_down and not excused:
            raise Broken(f"{worker} begins an iteration of {worker.run}, which was torn down")
        return excused

    def set_up(self, worker: Worker) -> bytes:
        """setUpRun, which only one worker runs, once. What it returns."""
        if worker.run in self.run_data:
            raise Broken(f"{worker} sets up {worker.run}, which was set up before")
        self.run_data[worker.run] = self._world.random.randbytes(8)
        return self.run_data[worker.run]

    def check_data(self, worker: Worker, data: bytes) -> None:
        """`worker` was told that setUpRun returned `data`."""
        if data != self.run_data.get(worker.run, b""):
            raise Broken(f"{worker} was told {data!r} of {worker.run}: {self.run_data}")

    def tear_down(self, worker: Worker) -> None:
        """tearDownRun, likewise, when all others are through."""
        if worker.run in self.torn_down:
            raise Broken(f"{worker} tears down {worker.run}, which was torn down before")
        self.torn_down.add(worker.run)

    def hit(self, worker: Worker, phase: int, slot: int, *, sent: bool) -> None:
        """A request, which reached the wire or did not."""
        seen = Seen(self._world.now_us, worker.agent.incarnation, (worker.run, phase, slot))
        (self.sent if sent else self.unsent)[worker.run].append(seen)

    def is_run(self, key: SlotKey) -> bool:
        """Whether somebody runs that slot now."""
        if any(user.worker.may_start for user in self.claims[key]):
            return True
        run, phase, slot = key
        return any(office.worker.may_start and office.serves(slot) for office in self.offices[run, phase])

    def describe(self, key: SlotKey) -> str:
        """Who runs that slot, or thinks so."""
        run, phase, slot = key
        workers = [user.worker for user in self.claims[key]]
        workers += [office.worker for office in self.offices[run, phase] if office.serves(slot)]
        return ", ".join(worker.describe() for worker in workers) or "nobody"

    def last_of(self, run: str) -> float:
        """When the last request of `run` was seen, in seconds."""
        return max((seen.at_us for seen in self.sent[run]), default=0) / US_PER_S
