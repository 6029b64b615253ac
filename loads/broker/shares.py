"""Who runs which portions of a plan: cut up at the start, given away when an agent is lost, shared with who joins.

Pure arithmetic on portions. However often it is cut, every slot of the plan is in exactly one portion of one holder,
but for what is given away when nobody is left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from loads.plan.share import WHOLE, Portion, cut, slots_of
from loads.plan.spec import Plan

Holdings = Mapping[int, tuple[Portion, ...]]
"""Portions by holder."""


def deal(holders: Sequence[int]) -> dict[int, tuple[Portion, ...]]:
    """The whole plan, evenly."""
    return {holder: (piece,) for holder, piece in zip(holders, cut(WHOLE, len(holders)), strict=True)}


def give_away(lost: Sequence[Portion], holdings: Holdings, plan: Plan) -> dict[int, tuple[Portion, ...]]:
    """`holdings` with `lost` shared among all holders; who runs least gets the larger pieces. Only what changes."""
    sizes = {holder: sum(size(portion, plan) for portion in held) for holder, held in holdings.items()}
    changed: dict[int, tuple[Portion, ...]] = {}
    for portion in lost:
        pieces = sorted(cut(portion, len(holdings)), key=lambda piece: -size(piece, plan))
        for holder, piece in zip(sorted(sizes, key=lambda each: (sizes[each], each)), pieces, strict=True):
            if not size(piece, plan):
                continue
            changed[holder] = (*changed.get(holder, holdings[holder]), piece)
            sizes[holder] += size(piece, plan)
    return changed


def make_room(holdings: Holdings, plan: Plan) -> tuple[dict[int, tuple[Portion, ...]], tuple[Portion, ...]]:
    """What each holder keeps when one more gets an even part, and that part."""
    parts = len(holdings) + 1
    kept: dict[int, tuple[Portion, ...]] = {}
    given: list[Portion] = []
    # Last pieces are the small ones, and of few slots they are empty: what they lack comes from larger ones.
    sizes = [size(portion, plan) for held in holdings.values() for portion in held]
    lacking = sum(sizes) // parts - sum(each // parts for each in sizes)
    for holder, held in holdings.items():
        stays: list[Portion] = []
        for portion in held:
            *others, last = cut(portion, parts)
            if lacking > 0 and size(others[0], plan) > size(last, plan):
                others[0], last = last, others[0]
                lacking -= 1
            stays += others
            given.append(last)
        kept[holder] = tuple(piece for piece in stays if size(piece, plan))
    return kept, tuple(piece for piece in given if size(piece, plan))


def size(portion: Portion, plan: Plan) -> int:
    """How many slots it is, in the phase in which it is most."""
    return max(len(slots_of(portion, phase.users)) for phase in plan.phases)
