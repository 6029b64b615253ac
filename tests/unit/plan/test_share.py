from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loads.plan.share import WHOLE, Portion, cut, share, slots_of

slot_ranges = st.builds(range, st.integers(0, 50), st.integers(0, 400), st.integers(1, 9))
worker_counts = st.integers(1, 20)


@given(slot_ranges, worker_counts)
def test_shares_are_disjoint_and_together_the_whole(slots: range, workers: int) -> None:
    dealt = [slot for worker in range(workers) for slot in share(slots, worker, workers)]
    assert sorted(dealt) == list(slots)


@given(slot_ranges, worker_counts)
def test_shares_differ_by_one_at_the_most(slots: range, workers: int) -> None:
    sizes = [len(share(slots, worker, workers)) for worker in range(workers)]
    assert max(sizes) - min(sizes) <= 1


@given(slot_ranges, st.lists(st.integers(1, 5), max_size=4))
def test_a_share_of_a_share_is_a_share(slots: range, levels: list[int]) -> None:
    """A cluster divides among agents, an agent among its workers: any depth still adds up."""
    parts = [slots]
    for workers in levels:
        parts = [share(part, worker, workers) for part in parts for worker in range(workers)]
    assert sorted(slot for part in parts for slot in part) == list(slots)


@given(st.integers(0, 200), st.lists(worker_counts, max_size=4))
def test_a_portion_that_is_cut_is_still_the_whole(slots: int, levels: list[int]) -> None:
    """Whoever is cut, however often: each slot is in one portion."""
    portions: list[Portion] = [WHOLE]
    for parts in levels:
        portions = [*cut(portions[0], parts), *portions[1:]]
    assert sorted(slot for portion in portions for slot in slots_of(portion, slots)) == list(range(slots))


@given(st.integers(0, 200), worker_counts)
def test_a_part_of_everything_is_a_share(slots: int, workers: int) -> None:
    for worker in range(workers):
        assert slots_of(((worker, workers),), slots) == share(range(slots), worker, workers)


@given(st.integers(0, 200), worker_counts, st.integers(0, 200))
def test_any_level_of_users_is_spread_evenly(users: int, workers: int, level: int) -> None:
    """While a ramp rises, the slots below its level are dealt so that no worker has two more than another."""
    running = [sum(slot < level for slot in share(range(users), worker, workers)) for worker in range(workers)]
    assert max(running) - min(running) <= 1


@pytest.mark.parametrize(("worker", "workers"), [(2, 2), (-1, 2), (0, 0)])
def test_a_worker_that_does_not_exist_has_no_share(worker: int, workers: int) -> None:
    with pytest.raises(ValueError, match=f"worker {worker} of {workers}"):
        share(range(5), worker, workers)
