from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loads.plan.share import WHOLE, cut
from loads.worker.holding import Holding


def test_portions_count_from_their_phase_on() -> None:
    holding = Holding()
    holding.take([((0, 2),)])
    holding.take([((1, 2),)], from_phase=1)
    assert holding.slots(0, 5) == {0, 2, 4}
    assert holding.slots(1, 5) == set(range(5))


@given(st.integers(1, 5), st.integers(0, 4), st.integers(0, 30))
def test_what_is_given_is_nobodys_slot_here(parts: int, given_away: int, users: int) -> None:
    holding = Holding()
    portions = cut(WHOLE, parts)
    holding.take(portions)
    holding.give(portions[given_away : given_away + 1])
    kept = {slot for slot in range(users) if given_away >= parts or slot % parts != given_away}
    assert holding.slots(0, users) == kept


def test_what_is_not_held_can_not_be_given() -> None:
    holding = Holding()
    holding.take([((0, 2),)])
    holding.give([((1, 2),), ((0, 2),), ((0, 2),)])
    assert holding.slots(0, 5) == set()
