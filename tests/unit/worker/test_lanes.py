from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from loads.plan.pacer import Arrivals, Pacer, RateStage
from loads.plan.share import Portion, slots_of
from loads.units import RATE_PER_S
from loads.worker.holding import Holding
from loads.worker.lanes import Lane, Lanes


def steady(rate: int, seconds: int, seed: int | None = None) -> Pacer:
    stages = (RateStage(0, rate * RATE_PER_S), RateStage(seconds * 1_000_000, rate * RATE_PER_S))
    return Pacer(Arrivals(stages, seed))


def drain(lanes: Lanes) -> list[int]:
    """All arrivals that are left; their times come from the pacer and never go back."""
    found, last_us = [], 0
    while (arrival := lanes.peek()) is not None:
        assert arrival.due_us >= last_us
        last_us = arrival.due_us
        found.append(arrival.n)
        lanes.pop()
    return found


def test_who_holds_all_slots_runs_all_arrivals_in_order() -> None:
    lanes = Lanes(steady(10, 3), 7)
    lanes.hold([Lane(1, range(7))])
    assert drain(lanes) == list(range(30))


@settings(max_examples=100)
@given(
    st.integers(1, 40),
    st.lists(st.integers(1, 4), min_size=1, max_size=3),
    st.booleans(),
    st.integers(0, 4_000_000),
)
def test_however_slots_are_cut_up_each_arrival_is_run_once(
    slots: int, cuts: list[int], random: bool, change_us: int
) -> None:
    """Workers hold all portions of a cut; in mid-run one gives its first portion to another."""
    pacer = steady(13, 4, seed=5 if random else None)
    portions: list[Portion] = [()]
    for parts in cuts:
        portions = [(*portion, (part, parts)) for portion in portions for part in range(parts)]
    holdings = [Holding() for _ in portions]
    for holding, portion in zip(holdings, portions, strict=True):
        holding.take([portion])
    holdings[0].give([portions[0]], change_us)
    holdings[-1].take([portions[0]], 0, change_us)
    ran: Counter[int] = Counter()
    for holding in holdings:
        lanes = Lanes(pacer, slots)
        lanes.hold(holding.lanes(0, slots))
        ran.update(drain(lanes))
    assert ran == Counter(range(pacer.due))


def test_what_is_taken_in_mid_run_begins_with_a_stated_iteration() -> None:
    pacer = steady(10, 3)
    lanes = Lanes(pacer, 2)
    lanes.hold([Lane(1, range(0, 2, 2))])
    for _ in range(5):
        lanes.pop()
    lanes.hold([Lane(1, range(0, 2, 2)), Lane(2, range(1, 2, 2), from_us=1_450_000)])
    assert drain(lanes) == sorted([*range(10, 30, 2), *range(15, 30, 2)])


def test_what_is_given_is_run_until_then() -> None:
    lanes = Lanes(steady(10, 3), 2)
    lanes.hold([Lane(1, range(2), until_us=1_000_000)])
    assert drain(lanes) == list(range(10))


def test_a_slot_that_is_given_is_held_until_then() -> None:
    lanes = Lanes(steady(10, 3), 4)
    lanes.hold([Lane(1, range(0, 4, 2), until_us=1_000_000), Lane(2, range(1, 4, 2), from_us=2_000_000)])
    assert [lanes.holds(slot, 999_999) for slot in range(4)] == [True] * 4
    assert [lanes.holds(slot, 1_000_000) for slot in range(4)] == [False, True, False, True]
    assert lanes.slots() == [0, 1, 2, 3]


def test_who_holds_nothing_has_nothing_to_run() -> None:
    lanes = Lanes(steady(10, 3), 1)
    lanes.hold([Lane(1, slots_of(((1, 2),), 1))])
    assert lanes.peek() is None
    assert lanes.slots() == []
