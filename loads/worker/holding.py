"""Which virtual users a worker runs: the portions of the run that are its own, each from some phase on. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from loads.plan.share import Portion, slots_of
from loads.worker.lanes import Lane


@dataclass(frozen=True)
class _Held:
    """`from_us` and `until_us`: of a phase at a rate, which arrivals; an end of None: all that come."""

    number: int
    portion: Portion
    from_phase: int
    from_us: int
    until_us: int | None = None


class Holding:
    """Starts with nothing."""

    def __init__(self) -> None:
        self._held: list[_Held] = []
        self._taken = 0

    def take(self, portions: Iterable[Portion], from_phase: int = 0, from_us: int = 0) -> None:
        """From phase `from_phase` on, these are ours, too; of one at a rate, what is due at `from_us` or later."""
        for portion in portions:
            self._taken += 1
            self._held.append(_Held(self._taken, portion, from_phase, from_us))

    def give(self, portions: Iterable[Portion], from_us: int = 0) -> None:
        """These are ours no more, each once; of a phase at a rate what is due before `from_us` is. What was not ours
        changes nothing.
        """
        for portion in portions:
            for at, held in enumerate(self._held):
                if held.portion == portion and held.until_us is None:
                    self._held[at] = replace(held, until_us=from_us)
                    break

    def slots(self, phase: int, users: int) -> set[int]:
        """The slots of phase `phase`, which has `users` of them, that are ours."""
        return {
            slot
            for held in self._held
            if held.from_phase <= phase and held.until_us is None
            for slot in slots_of(held.portion, users)
        }

    def lanes(self, phase: int, users: int, from_us: int = 0) -> list[Lane]:
        """The same of a phase at a rate, from `from_us` on; what was given is there until its end."""
        return [
            Lane(held.number, slots_of(held.portion, users), max(held.from_us, from_us), held.until_us)
            for held in self._held
            if held.from_phase <= phase and (held.until_us is None or held.until_us > max(held.from_us, from_us))
        ]
