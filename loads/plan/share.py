"""Worker k of n's exact share of the virtual users.

Slots are dealt like cards, so that a ramp rises evenly on every worker and shares differ by one at the most. A share
is a `range`: a share of a share is one again, which is how an agent divides its own part among its workers.
"""

from __future__ import annotations


def share(slots: range, worker: int, workers: int) -> range:
    """The part of `slots` that belongs to `worker` (0 <= worker < workers).

    The shares of all workers are disjoint and together are `slots`.

    >>> [list(share(range(5), k, 2)) for k in range(2)]
    [[0, 2, 4], [1, 3]]
    """
    if not 0 <= worker < workers:
        raise ValueError(f"worker {worker} of {workers}")
    return slots[worker::workers]
