"""However often a plan is cut, given away and shared with more: each slot is in one portion of one holder."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loads.broker.shares import deal, give_away, make_room, size
from loads.plan.share import Portion, slots_of
from loads.plan.spec import Plan
from tests.runs import counted_plan, timed_plan

Held = dict[int, tuple[Portion, ...]]
plans = st.builds(
    lambda users, timed: timed_plan(users) if timed else counted_plan(3, users=users), st.integers(1, 40), st.booleans()
)
steps = st.lists(st.one_of(st.just("join"), st.integers(0, 9)), max_size=8)


def slots(held: tuple[Portion, ...], plan: Plan) -> list[int]:
    return [slot for portion in held for slot in slots_of(portion, plan.phases[0].users)]


def assert_each_once(held: Held, plan: Plan) -> None:
    assert sorted(slot for portions in held.values() for slot in slots(portions, plan)) == list(range(plan.max_users))


@given(st.integers(1, 12), plans)
def test_dealt_shares_are_the_whole_and_differ_by_one(holders: int, plan: Plan) -> None:
    held = deal(range(holders))
    assert_each_once(held, plan)
    sizes = [len(slots(portions, plan)) for portions in held.values()]
    assert max(sizes) - min(sizes) <= 1


@given(st.integers(1, 6), steps, plans)
def test_whoever_comes_and_goes_each_slot_has_one_holder(holders: int, what: list[object], plan: Plan) -> None:
    held: Held = deal(range(holders))
    for number, step in enumerate(what, holders):
        if isinstance(step, int) and len(held) > 1:
            lost = held.pop(sorted(held)[step % len(held)])
            held |= give_away(lost, held, plan)
        else:
            kept, given_ = make_room(held, plan)
            held = {**kept, number: given_}
        assert_each_once(held, plan)


@given(st.integers(2, 6), plans)
def test_who_is_left_gets_even_parts(holders: int, plan: Plan) -> None:
    held: Held = deal(range(holders))
    lost = held.pop(0)
    held |= give_away(lost, held, plan)
    sizes = [sum(size(portion, plan) for portion in portions) for portions in held.values()]
    assert max(sizes) - min(sizes) <= 1


@given(st.integers(2, 6), plans)
def test_only_what_changes_is_told(holders: int, plan: Plan) -> None:
    held: Held = deal(range(holders))
    lost = held.pop(0)
    for holder, portions in give_away(lost, held, plan).items():
        assert portions[: len(held[holder])] == held[holder]
        assert len(slots(portions, plan)) > len(slots(held[holder], plan))


@given(st.integers(1, 6), st.integers(7, 40))
def test_who_joins_gets_an_even_part(holders: int, users: int) -> None:
    plan = timed_plan(users)
    kept, given_ = make_room(deal(range(holders)), plan)
    assert abs(len(slots(given_, plan)) - users / (holders + 1)) <= holders
    for portions in kept.values():
        assert all(slots_of(portion, users) for portion in portions)
