"""What all parts of a simulation share: the clock, chance, the event log; and what a process is in it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from random import Random
from typing import Final

from loads.testing.clock import FakeClock
from loads.units import US_PER_S

MAX_NOTES: Final = 20_000
_LONGEST: Final = 400


class Broken(AssertionError):
    """A law of the cluster does not hold."""


class World:
    """Time, chance and the log of one seed. The same seed gives the same world."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.clock = FakeClock()
        self._notes: deque[tuple[int, tuple[object, ...]]] = deque(maxlen=MAX_NOTES)

    @property
    def now_us(self) -> int:
        """The true time, which no process knows."""
        return self.clock.now_us

    def note(self, *what: object) -> None:
        """Add to the log. Nothing is formatted before somebody reads it."""
        self._notes.append((self.clock.now_us, what))

    def story(self, last: int | None = None) -> str:
        """The log."""
        notes = list(self._notes)[-(last or MAX_NOTES) :]
        return "\n".join(
            f"{at_us / US_PER_S:11.6f} " + " ".join(str(part)[:_LONGEST] for part in what) for at_us, what in notes
        )

    def between(self, least_us: int, most_us: int) -> int:
        """Any time from `least_us` to `most_us`."""
        return self.random.randint(least_us, most_us)

    def chance(self, part: float) -> bool:
        """True so often."""
        return self.random.random() < part


class Process:
    """Can be frozen, which delays what is due, and killed, which ends it. `skew_us`: its clock minus the true time."""

    def __init__(self, world: World, name: str, skew_us: int = 0) -> None:
        self.world = world
        self.name = name
        self.skew_us = skew_us
        self.alive = True
        self.frozen = False
        self._waiting: list[Callable[[], object]] = []
        self.on_thaw: list[Callable[[], object]] = []
        self.thawed_us: int | None = None
        """What waits outside, like unread messages: looked at anew after each time it stood still."""

    def __repr__(self) -> str:
        return self.name

    @property
    def awake(self) -> bool:
        """Whether it does anything now."""
        return self.alive and not self.frozen

    def time_us(self) -> int:
        """Its monotonic clock."""
        return self.world.clock.now_us + self.skew_us

    def later(self, delay_us: int, call: Callable[[], object]) -> None:
        """Do `call` in `delay_us`, if it lives then; when it is frozen, afterwards."""
        self.world.clock.call_in(delay_us, lambda: self.when_awake(call))

    def when_awake(self, call: Callable[[], object]) -> None:
        """Do `call` as soon as it is not frozen."""
        if self.frozen:
            self._waiting.append(call)
        elif self.alive:
            call()

    def freeze(self) -> None:
        """SIGSTOP."""
        self.frozen = True

    def thaw(self) -> None:
        """SIGCONT. Whether it looks at its timers or at its sockets first is chance."""
        if not self.frozen:
            return
        self.frozen = False
        self.thawed_us = self.world.now_us
        waiting, self._waiting = self._waiting, []
        for call in self.on_thaw:
            call()
        delay_us = self.world.between(0, 1) * 20_000
        for call in waiting:
            self.later(delay_us, call)

    def die(self) -> None:
        """SIGKILL."""
        self.alive = self.frozen = False
        self._waiting.clear()


class Lane:
    """One direction of a connection or a pipe: in order, late, and held up while its reader does not read."""

    def __init__(
        self, world: World, take: Callable[[bytes | None], None], is_open: Callable[[], bool], latency_us: int
    ) -> None:
        self._world = world
        self._take = take
        self._is_open = is_open
        self._latency_us = latency_us
        self._queue: deque[bytes | None] = deque()
        self._pumping = False
        self.closed = False

    def __len__(self) -> int:
        return len(self._queue)

    def put(self, data: bytes | None) -> None:
        """Have `data` delivered; None is an end."""
        self._queue.append(data)
        self.resume()

    def resume(self) -> None:
        """Its reader may read again."""
        if not self._pumping and self._queue and not self.closed:
            self._pumping = True
            self._world.clock.call_in(self._world.between(1, self._latency_us), self._pump)

    def close(self) -> None:
        """All that is under way is lost."""
        self.closed = True
        self._queue.clear()

    def _pump(self) -> None:
        self._pumping = False
        if self.closed or not self._is_open():
            return
        # What was written together is often read together.
        for _ in range(self._world.between(1, 4)):
            if self._queue and not self.closed and self._is_open():
                self._take(self._queue.popleft())
        self.resume()
