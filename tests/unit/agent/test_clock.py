from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loads.agent.clock import BrokerClock


def test_nothing_is_known_before_the_first_answer() -> None:
    clock = BrokerClock()
    assert clock.offset_us is None
    clock.hear(0, 5, 10)
    clock.forget()
    assert clock.offset_us is None


@given(st.integers(-(10**12), 10**12), st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), min_size=1))
def test_the_error_is_at_most_half_the_shortest_round_trip(offset_us: int, trips: list[tuple[int, int]]) -> None:
    clock, now_us = BrokerClock(), 0
    for there_us, back_us in trips[:32]:
        clock.hear(now_us, now_us + there_us + offset_us, now_us + there_us + back_us)
        now_us += there_us + back_us + 1
    assert clock.offset_us is not None
    assert abs(clock.offset_us - offset_us) <= min(sum(trip) for trip in trips[:32]) / 2 + 1
