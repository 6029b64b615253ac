"""Which test an iteration runs, when there are several.

A deck holds each test as often as its weight says, in an order shuffled anew (but seeded) for each pass. All users draw
from one deck: the i-th iteration of VU k of n takes card i * n + k. So when all users have run i iterations, the
weights are kept as exactly as whole cards allow, whatever i is; random draws would need thousands of iterations for
that.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import lru_cache
from math import gcd

_CACHED_CARDS = 100_000
_STACKED_CARDS = 256
"""Shuffled by one generator: seeding one for each pass of two cards took 3.6 us an iteration; so it is 0.4."""


class Deck:
    """An endless, repeatable choice among `len(weights)` tests.

    Args:
        weights: how often each test comes up, each 1 or more.
        seed: the same seed gives the same choices; None: in the order given.
    """

    def __init__(self, weights: Sequence[int], seed: int | None) -> None:
        shrink = gcd(*weights)
        self._cards = [index for index, weight in enumerate(weights) for _ in range(weight // shrink)]
        self._seed = seed
        self._stack = len(self._cards) * max(1, _STACKED_CARDS // len(self._cards))
        self._shuffled = lru_cache(maxsize=max(64, _CACHED_CARDS // self._stack))(self._shuffle)

    def __len__(self) -> int:
        return len(self._cards)

    def pick(self, slot: int, iteration: int, users: int) -> int:
        """Index of the test that VU `slot` of `users` runs as its `iteration`-th (both from 0)."""
        if len(self._cards) == 1:
            return 0
        stack, card = divmod(iteration * users + slot, self._stack)
        return self._shuffled(stack)[card]

    def _shuffle(self, stack: int) -> tuple[int, ...]:
        """As many passes as are worth a new random generator, each shuffled by itself."""
        source = None if self._seed is None else random.Random(f"{self._seed}/{stack}")
        dealt = []
        for _ in range(self._stack // len(self._cards)):
            cards = list(self._cards)
            if source is not None:
                source.shuffle(cards)
            dealt += cards
        return tuple(dealt)
