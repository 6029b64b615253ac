from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from loads.metrics.pace import Pace
from tests.build import histogram_of, paces


def merged(*parts: Pace) -> Pace:
    whole = Pace()
    for part in parts:
        whole.merge(part)
    return whole


@given(paces(), paces())
def test_merging_in_either_order_gives_the_same(a: Pace, b: Pace) -> None:
    assert merged(a, b) == merged(b, a)


@given(paces(), paces(), paces())
def test_merging_in_any_grouping_gives_the_same(a: Pace, b: Pace, c: Pace) -> None:
    assert merged(merged(a, b), c) == merged(a, merged(b, c))


@given(paces())
def test_an_empty_one_is_the_identity(pace: Pace) -> None:
    assert merged(pace) == merged(Pace(), pace, Pace()) == pace


@given(st.lists(st.tuples(st.integers(0, 10**9), st.booleans()), max_size=20), st.integers(0, 20))
def test_any_split_of_the_same_iterations_gives_the_same(iterations: list[tuple[int, bool]], at: int) -> None:
    def pace_of(part: list[tuple[int, bool]]) -> Pace:
        return Pace(histogram_of(late for late, _ in part), histogram_of(late for late, awaited in part if awaited))

    assert merged(pace_of(iterations[:at]), pace_of(iterations[at:])) == pace_of(iterations)


@given(paces(), paces())
def test_what_is_merged_stays_as_it_is(a: Pace, b: Pace) -> None:
    into, before = merged(a), merged(b)
    into.merge(b)
    into.merge(b)
    assert merged(b) == before


@given(paces())
def test_it_travels(pace: Pace) -> None:
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(pace), type=Pace) == pace
