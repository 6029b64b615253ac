"""Who of the workers holds which portions of the run, and who still owes what was taken from it. Pure arithmetic.

An agent holds portions, a local run all there is; worker w of W has part w of W of each. When what the agent holds
changes, each worker hears what is new to it and what it has to give, as the difference of what was and what will be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from loads.plan.share import Portion


def part_of(portions: Iterable[Portion], worker: int, workers: int) -> tuple[Portion, ...]:
    """Part `worker` of `workers` of each of `portions`."""
    return tuple((*portion, (worker, workers)) for portion in portions)


def difference(before: Iterable[Portion], after: Iterable[Portion]) -> tuple[tuple[Portion, ...], tuple[Portion, ...]]:
    """What is in `after` and wasn't before, and what is no more. The same portion may be there several times."""
    had, has = Counter(before), Counter(after)
    return tuple((has - had).elements()), tuple((had - has).elements())


@dataclass(frozen=True)
class Held:
    """A portion that a worker runs from phase `from_phase` on; of one at a rate, what is due at `from_us` or later."""

    portion: Portion
    from_phase: int = 0
    from_us: int = 0


def without(held: Iterable[Held], given: Iterable[Portion]) -> tuple[Held, ...]:
    """`held` but for what was `given`, each once."""
    gone = Counter(given)
    left = []
    for each in held:
        if gone[each.portion]:
            gone[each.portion] -= 1
        else:
            left.append(each)
    return tuple(left)


@dataclass
class _Share:
    portions: tuple[Portion, ...]
    owed: list[tuple[int, tuple[Portion, ...]]]


@dataclass
class Debts:
    """What workers were told to yield and have not said that they did, share by share."""

    _shares: list[_Share] = field(default_factory=list)

    def add(self, portions: tuple[Portion, ...], owed: dict[int, tuple[Portion, ...]]) -> None:
        """From now on all hold `portions`, once each worker of `owed` has given what it owes."""
        self._shares.append(_Share(portions, list(owed.items())))

    def owes(self, worker: int, portions: tuple[Portion, ...]) -> bool:
        """Whether `worker` was told to yield just that, and has not yet."""
        return any((worker, portions) in share.owed for share in self._shares)

    def pay(self, worker: int, portions: tuple[Portion, ...]) -> None:
        """`worker` has yielded `portions`."""
        next(share for share in self._shares if (worker, portions) in share.owed).owed.remove((worker, portions))

    def forgive(self, worker: int) -> None:
        """`worker` is dead, and runs nothing."""
        for share in self._shares:
            share.owed = [debt for debt in share.owed if debt[0] != worker]

    def settled(self) -> list[tuple[Portion, ...]]:
        """The shares that hold now and did not before, in order: one waits for those before it."""
        done = []
        while self._shares and not self._shares[0].owed:
            done.append(self._shares.pop(0).portions)
        return done
