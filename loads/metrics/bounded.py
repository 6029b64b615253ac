"""At most so many named things, and the same ones whatever the order.

A mapping that is full can't keep the first names that come: which come first depends on how data is split and merged,
so the sum of parts would not be the whole. Instead each key has a fixed rank and the smallest ranks stay; all else
folds into one entry. Whatever a part folded had `limit` smaller keys beside it, which are in the whole too: merging
parts in any order and grouping gives what one pass over everything would have given.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from hashlib import blake2b
from heapq import nsmallest
from typing import TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


def rank_of(parts: tuple[str, ...], *, named: bool) -> tuple[int, bytes]:
    """The place of a key among all keys, the same on every machine: named by the test first, then by hash."""
    digest = blake2b(
        "".join(f"{len(part)}:{part}" for part in parts).encode("utf-8", "surrogatepass"), digest_size=12
    ).digest()
    return (0 if named else 1, digest)


def trim(
    mapping: dict[K, V],
    limit: int,
    *,
    rank: Callable[[K], tuple[int, bytes]],
    other: Callable[[K], K],
    fold: Callable[[V | None, V], V],
) -> None:
    """Fold all but the `limit` smallest keys of `mapping` into the entry that `other` names for each.

    Entries that others were folded into (``other(key) == key``) stay and don't count. `fold(into, value)` adds a value
    to such an entry, which is None the first time.
    """
    if len(mapping) <= limit:
        return
    own = [key for key in mapping if other(key) != key]
    if len(own) <= limit:
        return
    kept = set(nsmallest(limit, own, key=rank))
    for key in own:
        if key not in kept:
            into = other(key)
            mapping[into] = fold(mapping.get(into), mapping.pop(key))
