"""Worker k of n's exact share of the virtual users.

Slots are dealt like cards, so that a ramp rises evenly on every worker and shares differ by one at the most. A share
is a `range`: a share of a share is one again. So a `Portion` is the way to a share: each step says which part of how
many is taken of what the steps before left. An agent holds portions of the run, each of its workers a part of each,
and what a lost agent held is cut up among the others by one more step. No step needs to know how many slots there are,
so a portion means the same in every phase.
"""

from __future__ import annotations

from collections.abc import Iterable

Portion = tuple[tuple[int, int], ...]
"""Steps (k, n), each with 0 <= k < n; none: everything."""

WHOLE: Portion = ()


def share(slots: range, worker: int, workers: int) -> range:
    """The part of `slots` that belongs to `worker` (0 <= worker < workers).

    The shares of all workers are disjoint and together are `slots`.

    >>> [list(share(range(5), k, 2)) for k in range(2)]
    [[0, 2, 4], [1, 3]]
    """
    if not 0 <= worker < workers:
        raise ValueError(f"worker {worker} of {workers}")
    return slots[worker::workers]


def slots_of(portion: Portion, slots: int) -> range:
    """The slots of 0..`slots` - 1 that `portion` is.

    >>> list(slots_of(((1, 2), (0, 2)), 9))
    [1, 5]
    """
    left = range(slots)
    for part, parts in portion:
        left = share(left, part, parts)
    return left


def most_slots(portions: Iterable[Portion], users: Iterable[int]) -> int:
    """How many slots `portions` are where they are most, in phases of so many `users`."""
    held = list(portions)
    return max(sum(len(slots_of(portion, slots)) for portion in held) for slots in users)


def cut(portion: Portion, parts: int) -> tuple[Portion, ...]:
    """`portion` in so many disjoint portions that together are it."""
    return tuple((*portion, (part, parts)) for part in range(parts))
