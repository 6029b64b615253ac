from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from loads.plan.share import WHOLE, Portion, cut
from loads.pool.shares import Debts, Held, difference, part_of, without

HALF, OTHER = cut(WHOLE, 2)
some = st.lists(st.sampled_from([WHOLE, HALF, OTHER, *cut(HALF, 3)]), max_size=6)


@given(some, some)
def test_what_is_new_and_what_is_missing_make_one_of_the_other(before: list[Portion], after: list[Portion]) -> None:
    new, missing = difference(before, after)
    assert Counter(before) - Counter(missing) + Counter(new) == Counter(after)
    assert not set(new) & set(missing)


@given(some, some)
def test_what_is_given_is_taken_away_once(had: list[Portion], given: list[Portion]) -> None:
    held = [Held(portion, phase) for phase, portion in enumerate(had)]
    left = without(held, given)
    assert Counter(each.portion for each in left) == Counter(had) - Counter(given)
    assert set(left) <= set(held)


def test_a_worker_has_a_part_of_each_portion() -> None:
    assert part_of((WHOLE, HALF), 1, 3) == (((1, 3),), ((0, 2), (1, 3)))


def test_a_share_holds_when_all_have_given_what_they_owe() -> None:
    debts = Debts()
    debts.add((HALF,), {0: (OTHER,), 1: (OTHER,)})
    assert debts.owes(0, (OTHER,))
    assert not debts.owes(0, (HALF,))
    debts.pay(0, (OTHER,))
    assert not debts.owes(0, (OTHER,))
    assert debts.settled() == []
    debts.forgive(1)
    assert debts.settled() == [(HALF,)]
    assert debts.settled() == []


def test_a_share_does_not_hold_before_those_that_were_asked_for_earlier() -> None:
    debts = Debts()
    debts.add((HALF,), {0: (OTHER,)})
    debts.add((WHOLE,), {})
    assert debts.settled() == []
    debts.pay(0, (OTHER,))
    assert debts.settled() == [(HALF,), (WHOLE,)]


def test_who_owes_the_same_twice_pays_twice() -> None:
    debts = Debts()
    debts.add((), {0: (HALF,)})
    debts.add((), {0: (HALF,)})
    debts.pay(0, (HALF,))
    assert debts.owes(0, (HALF,))
    assert debts.settled() == [()]
