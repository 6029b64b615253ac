"""Who runs which portions of a plan: cut up at the start, given away when an agent is lost, shared with who joins.

Pure arithmetic on portions. However often it is cut, every slot of the plan is in at most one portion of one holder.
Shares are even, but where a holder has no room for its part; what nobody has room for is left, and said to be.

Slots are counted where they are most: the slots of a phase are those of any larger one with the last left out, so it
is enough to look at the largest phase that is still to come, of `users`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from loads.plan.share import WHOLE, Portion, cut, slots_of

Holdings = Mapping[int, tuple[Portion, ...]]
"""Portions by holder."""
Rooms = Mapping[int, int | None]
"""The most slots by holder; None, or not in it: any number."""


def even(total: int, least: Mapping[int, int], rooms: Rooms) -> dict[int, int]:
    """How many of `total` slots each holder gets: as evenly as can be, from its `least` up to its room."""
    most = {holder: total if (room := rooms.get(holder)) is None else room for holder in least}

    def filled(level: int) -> dict[int, int]:
        return {holder: max(least[holder], min(level, most[holder])) for holder in least}

    level = max(0, bisect_right(range(total + 1), total, key=lambda each: sum(filled(each).values())) - 1)
    parts = filled(level)
    left = total - sum(parts.values())
    for holder, part in parts.items():
        if left > 0 and part == level < most[holder]:
            parts[holder] += 1
            left -= 1
    return parts


def deal(
    holders: Iterable[int], users: int, rooms: Rooms
) -> tuple[dict[int, tuple[Portion, ...]], tuple[Portion, ...]]:
    """The whole of `users` slots, and what nobody has room for. Who has room for more than its part may get more."""
    nothing = dict.fromkeys(holders, 0)
    got, left = _hand_out([WHOLE], even(users, nothing, rooms), users)
    return {holder: tuple(got.get(holder, ())) for holder in nothing}, left


def give_away(
    lost: Sequence[Portion], holdings: Holdings, users: int, rooms: Rooms
) -> tuple[dict[int, tuple[Portion, ...]], tuple[Portion, ...]]:
    """`holdings` with `lost` shared among all holders, so that all run as many; and what nobody has room for.

    Only those whose holdings change.
    """
    sizes = {holder: size(held, users) for holder, held in holdings.items()}
    parts = even(sum(sizes.values()) + size(lost, users), sizes, rooms)
    got, left = _hand_out(lost, {holder: part - sizes[holder] for holder, part in parts.items()}, users)
    return {holder: (*holdings[holder], *more) for holder, more in got.items()}, left


def make_room(
    holdings: Holdings, users: int, room: int | None, unheld: Sequence[Portion] = ()
) -> tuple[dict[int, tuple[Portion, ...]], tuple[Portion, ...], tuple[Portion, ...]]:
    """What each holder keeps when one more, with that `room`, gets an even part; that part; what is left of `unheld`.

    What nobody has is what it gets first. Whole portions go where they can: slots of a portion that is cut let go of
    their users for a moment, those that stay, too.
    """
    sizes = {holder: size(held, users) for holder, held in holdings.items()}
    joiner = max(holdings, default=0) + 1
    total = sum(sizes.values()) + size(unheld, users)
    wanted = even(total, dict.fromkeys([*sizes, joiner], 0), {**sizes, joiner: room})[joiner]
    given, left = _take(unheld, wanted, users)
    wanted -= size(given, users)
    # Whoever has most gives first: nobody keeps less than those that keep least.
    keeps = _lower(sizes, wanted)
    kept: dict[int, tuple[Portion, ...]] = {}
    for holder, held in holdings.items():
        more, stays = _take(held, sizes[holder] - keeps[holder], users)
        kept[holder] = tuple(stays)
        given += more
    return kept, tuple(given), tuple(left)


def size(portions: Iterable[Portion], users: int) -> int:
    """How many of `users` slots they are."""
    return sum(len(slots_of(portion, users)) for portion in portions)


def _lower(sizes: Mapping[int, int], less: int) -> dict[int, int]:
    """`sizes` with `less` taken from the largest, which come down to one level, or to one above it."""
    total = sum(sizes.values()) - less
    return even(total, dict.fromkeys(sizes, 0), sizes)


def _hand_out(
    pieces: Iterable[Portion], wants: Mapping[int, int], users: int
) -> tuple[dict[int, list[Portion]], tuple[Portion, ...]]:
    """Portions for those who want so many slots of `pieces`, who wants most first; and what nobody wants."""
    wanted = {holder: want for holder, want in wants.items() if want > 0}
    got: dict[int, list[Portion]] = {}
    left: list[Portion] = []
    queue = deque(pieces)
    while queue:
        piece = queue.popleft()
        takers = sorted(wanted, key=lambda holder: -wanted[holder])
        if not takers:
            left.append(piece)
            continue
        parts = sorted(cut(piece, len(takers)), key=lambda part: -size([part], users))
        for holder, part in zip(takers, parts if len(takers) > 1 else [piece], strict=True):
            taken, rest = _split(part, wanted[holder], users)
            queue.extend(rest)
            if taken:
                got.setdefault(holder, []).extend(taken)
                wanted[holder] -= size(taken, users)
                if not wanted[holder]:
                    del wanted[holder]
    return got, tuple(left)


def _take(held: Iterable[Portion], count: int, users: int) -> tuple[list[Portion], list[Portion]]:
    """`count` slots of `held`, and the rest: the largest portions that fit, and of others a part."""
    taken: list[Portion] = []
    rest: list[Portion] = []
    too_large: list[Portion] = []
    for portion in sorted(held, key=lambda each: -size([each], users)):
        there = size([portion], users)
        if there <= count:
            taken += [portion] * bool(there)
            count -= there
        else:
            too_large.append(portion)
    for portion in too_large:
        more, less = _split(portion, count, users)
        count -= size(more, users)
        taken += more
        rest += less
    return taken, rest


def _split(portion: Portion, count: int, users: int) -> tuple[list[Portion], list[Portion]]:
    """`count` slots of `portion`, or all that there are, and the rest, each in few portions; empty ones are left out.

    By halves of halves: a thousand slots take no more than ten portions, and a ramp stays nearly even.
    """
    there = size([portion], users)
    if not there:
        return [], []
    if count >= there:
        return [portion], []
    if count <= 0:
        return [], [portion]
    first, second = cut(portion, 2)
    of_first = min(count, size([first], users))
    taken, rest = _split(first, of_first, users)
    more, less = _split(second, count - of_first, users)
    return [*taken, *more], [*rest, *less]
