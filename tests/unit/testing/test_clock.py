from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loads.testing import FakeClock
from loads.testing.world import Lane, Process, World


@given(st.lists(st.integers(0, 20)))
def test_calls_are_done_in_order_of_time_and_of_asking(delays_us: list[int]) -> None:
    clock, done = FakeClock(), []
    for number, delay_us in enumerate(delays_us):
        clock.call_in(delay_us, lambda number=number, at_us=delay_us: done.append((at_us, number)))
    clock.run_until(20)
    assert done == sorted(done)
    assert len(done) == len(delays_us)
    assert clock.now_us == 20


def test_time_stands_still_between_calls() -> None:
    clock, seen = FakeClock(), []
    clock.call_at(7, lambda: seen.append(clock.now_us))
    assert clock.step()
    assert not clock.step()
    assert seen == [7]


def test_a_call_may_ask_for_another() -> None:
    clock, seen = FakeClock(), []
    clock.call_at(1, lambda: clock.call_in(0, lambda: seen.append(clock.now_us)))
    clock.run_until(1)
    assert seen == [1]


@given(st.integers(0, 1_000), st.integers(1, 30))
def test_a_lane_keeps_the_order(seed: int, messages: int) -> None:
    world, heard = World(seed), []
    lane = Lane(world, heard.append, lambda: True, 1_000)
    for number in range(messages):
        lane.put(bytes([number]))
    world.clock.run_until(10**6)
    assert heard == [bytes([number]) for number in range(messages)]


def test_what_is_due_for_a_frozen_process_comes_when_it_is_thawed() -> None:
    world, done = World(1), []
    process = Process(world, "p")
    process.later(5, lambda: done.append(1))
    process.freeze()
    world.clock.run_until(10)
    assert not done
    process.thaw()
    world.clock.run_until(10**6)
    assert done == [1]


def test_nothing_is_due_for_a_dead_process() -> None:
    world, done = World(1), []
    process = Process(world, "p")
    process.later(5, lambda: done.append(1))
    process.die()
    world.clock.run_until(10)
    assert not done
