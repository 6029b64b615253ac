"""Which virtual users a worker runs: the portions of the run that are its own, each from some phase on. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from loads.plan.share import Portion, slots_of


class Holding:
    """Starts with nothing."""

    def __init__(self) -> None:
        self._held: list[tuple[Portion, int]] = []

    def take(self, portions: Iterable[Portion], from_phase: int = 0) -> None:
        """From phase `from_phase` on, these are ours, too."""
        self._held += [(portion, from_phase) for portion in portions]

    def give(self, portions: Iterable[Portion]) -> None:
        """These are ours no more, each once; what was not ours changes nothing."""
        for portion in portions:
            for at, (held, _) in enumerate(self._held):
                if held == portion:
                    del self._held[at]
                    break

    def slots(self, phase: int, users: int) -> set[int]:
        """The slots of phase `phase`, which has `users` of them, that are ours."""
        return {slot for portion, first in self._held if first <= phase for slot in slots_of(portion, users)}
