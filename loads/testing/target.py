"""The service under load, which sees the truth: every iteration that began and every request that reached it.

And who may begin iterations of which slot at any moment, so that load that doubles is noticed when it does.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from loads.testing.world import Broken, World
from loads.units import US_PER_S

if TYPE_CHECKING:
    from loads.testing.shift import User
    from loads.testing.worker import Worker

SlotKey = tuple[str, int, int]
"""Run, phase, slot."""


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

    def begin(self, worker: Worker, phase: int, slot: int) -> None:
        """An iteration begins. Nobody else may be about to begin one of the same slot."""
        key = worker.run, phase, slot
        excused = worker.agent.is_in_grace or worker.has_yet_to_hear
        for other in () if excused else {user.worker for user in self.claims[key]}:
            if other is not worker and other.may_start and not other.agent.is_in_grace:
                who = f"{worker} begins an iteration of slot {key}"
                raise Broken(f"load doubles: {who}, which {other.describe()} runs, too")
        self.started[worker.run].append(Seen(self._world.now_us, worker.agent.incarnation, key))

    def hit(self, worker: Worker, phase: int, slot: int, *, sent: bool) -> None:
        """A request, which reached the wire or did not."""
        seen = Seen(self._world.now_us, worker.agent.incarnation, (worker.run, phase, slot))
        (self.sent if sent else self.unsent)[worker.run].append(seen)

    def is_run(self, key: SlotKey) -> bool:
        """Whether somebody runs that slot now."""
        return any(user.worker.may_start for user in self.claims[key])

    def describe(self, key: SlotKey) -> str:
        """Who runs that slot, or thinks so."""
        return ", ".join(user.worker.describe() for user in self.claims[key]) or "nobody"

    def last_of(self, run: str) -> float:
        """When the last request of `run` was seen, in seconds."""
        return max((seen.at_us for seen in self.sent[run]), default=0) / US_PER_S
